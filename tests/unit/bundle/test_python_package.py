"""The package that is copied to devices: pictures and clips become inputs exactly as in training. It never imports edgekit."""

import importlib
import json
import struct
import subprocess
import sys
import types

import numpy as np
import PIL
import pytest
from PIL import Image

import edgekit.bundle
from edgekit.bundle import lossless
from edgekit.data import decode
from edgekit.data.audio.segments import cut
from edgekit.types import FrontEnd

TEMPLATES = edgekit.bundle.__path__[0] + "/templates/python"
RNG = np.random.default_rng(0)


@pytest.fixture
def package(monkeypatch):
    """The package as a device imports it."""
    monkeypatch.syspath_prepend(TEMPLATES)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = {name for name in sys.modules if name.startswith("edgekit_classifier")}
    yield lambda name: importlib.import_module(f"edgekit_classifier.{name}")
    for name in {name for name in sys.modules if name.startswith("edgekit_classifier")} - before:
        del sys.modules[name]


# Pillow 13 began to resize tall pictures along the columns first; the contract is that of the Pillow that decodes the data.
TALL_FIRST = int(PIL.__version__.split(".")[0]) >= 13
SIZES = [(28, 28), (97, 61), (94, 61), (480, 640), (9, 200), (200, 9), (3, 3), (20, 9), (27, 100)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wanted", [(28, 28), (31, 17)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_is_pillows_bit_for_bit(package, size, wanted, channels):
    x = RNG.integers(0, 256, (*size, channels), dtype=np.uint8)
    np.testing.assert_array_equal(package("images").resized(x, wanted, TALL_FIRST), decode.resize(x[None], wanted)[0])


@pytest.mark.parametrize("without_pillow", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("taken", [1, 3])
def test_a_png_is_read_with_and_without_pillow(package, tmp_path, monkeypatch, without_pillow, channels, taken):
    smooth = np.add.outer(np.arange(40), np.arange(30))[..., None] * np.array([3, 5, 7][:channels])
    x = (smooth + RNG.integers(0, 9, smooth.shape)).astype(np.uint8)  # so that Pillow uses all filters of the format
    path = tmp_path / "a.png"
    path.write_bytes(lossless.png(x))
    images = package("images")
    if without_pillow:
        real = importlib.import_module
        monkeypatch.setattr(
            images.importlib, "import_module", lambda name: real("no_such_module" if name == "PIL.Image" else name)
        )
    np.testing.assert_array_equal(
        images.read(path, (20, 16, taken), TALL_FIRST), decode.decode(path.read_bytes(), (20, 16), taken)
    )


def test_other_pictures_are_read_as_in_training(package, tmp_path):
    x = RNG.integers(0, 256, (200, 150, 4), dtype=np.uint8)
    kinds = {
        "alpha.png": Image.fromarray(x),
        "palette.png": Image.fromarray(x[..., :3]).convert("P"),
        "deep.png": Image.fromarray(x[..., 0].astype(np.uint16) * 200),
        "large.jpg": Image.fromarray(x[..., :3]),
        "cmyk.jpg": Image.fromarray(x[..., :3]).convert("CMYK"),
    }
    for name, picture in kinds.items():
        picture.save(tmp_path / name)
        for channels in (1, 3):
            expected = decode.decode((tmp_path / name).read_bytes(), (20, 20), channels)
            found = package("images").read(tmp_path / name, (20, 20, channels), TALL_FIRST)
            np.testing.assert_array_equal(found, expected, err_msg=f"{name}, {channels} channels")


def test_what_is_no_picture_is_refused_in_one_line(package, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"x" * 50)
    for name in ("bad.png", "gone.png"):
        with pytest.raises(package("errors").Refused, match=name):
            package("images").read(tmp_path / name, (8, 8, 1), TALL_FIRST)


@pytest.mark.parametrize("exact", [True, False])
def test_a_wav_loses_nothing(package, tmp_path, exact):
    wave = RNG.uniform(-0.9, 0.9, 800).astype(np.float32)
    if exact:
        wave = np.round(wave * 32768).astype(np.float32) / np.float32(32768)
    content = lossless.wav(wave, 8000)
    assert struct.unpack("<H", content[34:36]) == (16 if exact else 32,)
    (tmp_path / "a.wav").write_bytes(content)
    made = {"clip_s": 0.1, "sample_rate": 8000, "long": "crop", "segment_hop_s": None}
    np.testing.assert_array_equal(package("sounds").read(tmp_path / "a.wav", made)[0], wave)
    with pytest.raises(package("errors").Refused, match="16,000"):
        package("sounds").read(tmp_path / "a.wav", made | {"sample_rate": 16000})


@pytest.mark.parametrize("length", [50, 100, 101, 333])
@pytest.mark.parametrize("long", ["crop", "segment"])
def test_clips_are_cut_as_in_training(package, length, long):
    hop = 0.06 if long == "segment" else None
    made = FrontEnd(
        kind="logmel", sample_rate=1000, clip_s=0.1, long=long, segment_hop_s=hop, fft_length=32, f_max=500.0
    )
    wave = RNG.uniform(-1, 1, length).astype(np.float32)
    front_end = {"clip_s": 0.1, "sample_rate": 1000, "long": long, "segment_hop_s": hop}
    np.testing.assert_array_equal(package("sounds").cut(wave, front_end), cut(wave, made))


def test_the_camera_module_gives_red_green_blue(package, monkeypatch):
    """Picamera2 itself runs on a Pi only; what it is asked for is what its manual says gives that order."""
    asked = {}

    class Picamera2:
        def create_video_configuration(self, main):
            asked.update(main)

        def configure(self, configuration):
            pass

        start = stop = lambda self: None

        def capture_array(self, name):
            return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=Picamera2))
    assert next(package("camera").frames("pi")).shape == (4, 4, 3)
    assert asked["format"] == "BGR888"


def test_it_needs_numpy_only_to_say_what_it_takes(tmp_path):
    """Everything else is imported when it is used."""
    code = "import sys, edgekit_classifier.classify as c; print(sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=TEMPLATES, capture_output=True, text=True, check=True, env={"PATH": ""}
    )
    assert not {"edgekit", "PIL", "ai_edge_litert", "onnxruntime", "soundfile", "cv2"} & set(
        json.loads(done.stdout.replace("'", '"'))
    )
