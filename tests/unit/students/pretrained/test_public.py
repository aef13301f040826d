"""Public weights by name, fetched from a server on this machine that stands where Keras' files are, and what goes wrong."""

import base64
import hashlib
import http.server
import threading

import h5py
import numpy as np
import pytest

from edgekit import recipe, registry
from edgekit.errors import DataError, EdgekitError, IntegrityError, RecipeError
from edgekit.students.pretrained import public

SHAPE = (64, 64, 3)
NAME = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by name, with the MD5 that it has of each in `hashes`; `asked` counts the requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.files, self.hashes, self.asked = {}, {}, 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("x-goog-hash", "crc32c=AAAAAA==")
        if hashed := self.server.hashes.get(self.path.strip("/")):
            self.send_header("x-goog-hash", f"md5={hashed}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *values):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        monkeypatch.setattr(public, "SERVER", made.url)
        yield made
        made.shutdown()
        thread.join()


def md5(content):
    return base64.b64encode(hashlib.md5(content).digest()).decode()


@pytest.fixture
def weights(tmp_path):
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["x"] = np.arange(3.0)
    return (tmp_path / "any.h5").read_bytes()


def student(**values):
    return recipe.from_mapping({"student": {"name": "mobilenetv2", "weights": "imagenet", **values}}).student


def one_line(error):
    text = str(error)
    assert "\n" not in text
    return text


def test_the_file_is_fetched_once_to_where_keras_looks(server, weights, tmp_path):
    server.files[NAME], server.hashes[NAME] = weights, md5(weights)
    assert public.start_of(student(), SHAPE) == tmp_path / "keras/models" / NAME
    assert server.asked == 0, "a dry run downloads nothing"
    path = public.fetched(student(), SHAPE)
    assert path == tmp_path / "keras/models" / NAME
    assert path.read_bytes() == weights
    assert public.fetched(student(), SHAPE) == path
    assert server.asked == 1


def test_a_wrong_digest_keeps_nothing(server, weights, tmp_path):
    server.files[NAME], server.hashes[NAME] = weights + b"!", md5(weights)
    with pytest.raises(IntegrityError) as caught:
        public.fetched(student(), SHAPE)
    assert server.url + NAME in one_line(caught.value) and md5(weights) in str(caught.value)
    assert not list((tmp_path / "keras").rglob("*.h5"))


def test_a_page_of_a_proxy_is_no_weight_file(server):
    server.files[NAME] = b"<html>Please log in</html>"
    with pytest.raises(IntegrityError, match=r"not an HDF5 file.*--weights FILE"):
        public.fetched(student(), SHAPE)


def test_a_damaged_file_of_the_cache_is_named(server, tmp_path):
    (tmp_path / "keras/models").mkdir(parents=True)
    (tmp_path / "keras/models" / NAME).write_bytes(b"half")
    with pytest.raises(IntegrityError, match=r"is not an HDF5 file.*Remove it"):
        public.fetched(student(), SHAPE)
    assert server.asked == 0


def refused():
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as taken:
        port = taken.server_address[1]
    return f"http://127.0.0.1:{port}/"


@pytest.mark.parametrize("where", ["nobody there", "no such file", "a proxy that is not there"])
def test_no_network_is_one_line_that_says_what_to_do(server, monkeypatch, tmp_path, where):
    expected = "HTTP 404"
    if where == "nobody there":
        monkeypatch.setattr(public, "SERVER", refused())
        expected = "Connection refused"
    elif where == "a proxy that is not there":
        monkeypatch.setattr(public, "SERVER", "http://weights.invalid/")
        monkeypatch.setenv("http_proxy", refused().replace("//", "//user:secret@"))
        expected = "Connection refused"
    with pytest.raises(DataError) as caught:
        public.fetched(student(), SHAPE)
    text = one_line(caught.value)
    assert caught.value.exit_code == 4
    assert public.SERVER + NAME in text and expected in text and "secret" not in text
    for message in ("HTTPS_PROXY", str(tmp_path / "keras/models"), "KERAS_HOME", "--weights FILE"):
        assert message in text


@pytest.mark.parametrize(("side", "trained"), [(32, 96), (96, 96), (113, 128), (160, 160), (300, 224)])
def test_the_file_of_the_nearest_side(side, trained):
    assert public.file_name("050-1280", side).endswith(f"_0.5_{trained}_no_top.h5")


def test_other_channels_and_plain_files(tmp_path):
    with pytest.raises(DataError, match="the data have 4 channels"):
        public.fetched(student(), (64, 64, 4))
    assert public.start_of(student(weights=str(tmp_path / "x.h5")), SHAPE) == tmp_path / "x.h5"
    assert public.fetched(recipe.from_mapping({}).student, SHAPE) is None


def test_the_width_is_one_that_has_the_weights():
    assert student().width == "035-1280"
    assert student(width="050-1280").width == "050-1280"
    for values in ({"width": "025"}, {"name": "microresnet"}, {"name": "auto"}):
        with pytest.raises(
            RecipeError, match=r"no weights 'imagenet'; .*--student mobilenetv2 --width 035-1280 or 050-1280"
        ):
            student(**values)


def test_a_name_stays_a_name_and_a_file_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(text):
        return recipe.load(values={"student.name": "mobilenetv2", "student.weights": text}).student.weights

    assert read("imagenet") == "imagenet"
    assert read("./imagenet") == str(tmp_path / "imagenet")


def test_every_name_has_widths_of_its_student():
    for entry in registry.STUDENTS.values():
        for widths in entry.weights.values():
            assert widths and set(widths) <= set(entry.widths)


def test_a_build_ends_before_it_begins(server, small_npz, tmp_path):
    from edgekit.pipeline.build import build

    asked = recipe.load(values={"data.spec": str(small_npz), "data.image_size": "32", "student.name": "mobilenetv2",
                                "student.weights": "imagenet"})  # fmt: skip
    with pytest.raises(EdgekitError, match=r"could not be downloaded \(HTTP 404"):
        build(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.tf
@pytest.mark.parametrize(("width", "alpha"), [("035-1280", 0.35), ("050-1280", 0.5)])
def test_the_features_are_those_of_keras(server, width, alpha):
    """Random weights in Keras' file format; images of even and odd sides, in color and gray, which Keras is given three times."""
    from keras.src.applications import mobilenet_v2
    from keras.src.legacy.saving import legacy_h5_format

    from edgekit import students
    from edgekit.frameworks import backend
    from edgekit.training import transfer

    keras = backend.load("tensorflow")
    assert mobilenet_v2.BASE_WEIGHT_PATH == SERVED
    rng = np.random.default_rng(0)
    source = keras.applications.MobileNetV2((64, 64, 3), alpha=alpha, weights=None, include_top=False, pooling="avg")
    for layer in source.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape
            layer.set_weights(
                [rng.uniform(0.5, 1.5, count), *rng.normal(0, 0.3, (2, *count)), rng.uniform(0.5, 1.5, count)]
            )
    with h5py.File.in_memory() as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, source)
        file.flush()
        content = file.id.get_file_image()
    name = public.file_name(width, 64)
    server.files[name], server.hashes[name] = content, md5(content)
    for shape in ((64, 64, 3), (33, 45, 1)):
        model = students.build("students", "mobilenetv2", keras, shape, 7, width)
        loaded = transfer.start_from(keras, model, public.fetched(student(width=width), shape))
        assert loaded.fresh == ("logits",)
        assert bool(loaded.notes) == (shape[2] == 1)
        x = rng.random((2, *shape), dtype=np.float32)
        theirs = keras.applications.MobileNetV2(
            (*shape[:2], 3), alpha=alpha, weights=None, include_top=False, pooling="avg"
        )
        theirs.set_weights(source.get_weights())
        expected = theirs(np.repeat(x, 3 // shape[2], axis=3) * 2 - 1, training=False)
        found = keras.Model(model.input, model.get_layer("average").output)(x)
        assert np.asarray(found) == pytest.approx(np.asarray(expected), abs=1e-4)


SERVED = public.SERVER
