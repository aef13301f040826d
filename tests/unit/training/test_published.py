"""Public checkpoints as backbones, from the file to the logits, against the formulas in NumPy."""

import math

import numpy as np
import pytest
from tests.conftest import RecordingReporter
from tests.unit.students.formulas import Size, ast, expected, hugging_face, logits, passt, saved

from edgekit import recipe, students
from edgekit.errors import DataError, RecipeError
from edgekit.frameworks import backend
from edgekit.training import transfer, tuning
from edgekit.types import Dataset, FrontEnd, InputSpec, Split

pytestmark = pytest.mark.tf
# The students' own size at 40 frames of 33 bands: 7 times x 6 frequencies of patches of 8 each 5.
TINY = Size(d=64, heads=4, depth=4, classes=9, patch=8, stride=5, rows=6, times=7)
# A network of a file's size: one head for 64; 13 frequencies are those of 128 bands at patches of 8 each 10, and 4 times.
OWN = Size(d=64, heads=1, depth=2, classes=9, patch=8, stride=10, rows=13, times=4)


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def front_end(bands=33, **values):
    """40 frames: (40 - 1) * 10 + 25 = 415 ms."""
    plain = {
        "kind": "logmel",
        "sample_rate": 16_000,
        "clip_s": 0.415,
        "n_mels": bands,
        "fft_length": 512,
        "f_max": 8000.0,
    }
    return FrontEnd(**{**plain, **values})


def features(shape):
    return np.random.default_rng(3).random((4, *shape), np.float32)


def with_head(model, file):
    """`model` with the head of `file`, of which a backbone takes the LayerNorm alone."""
    known = {name.replace("module.mlp_", ""): a for name, a in file.items()}
    model.get_layer("logits").set_weights([known["head.1.weight"].T, known["head.1.bias"]])
    return model


def authors(x, mean, divisor):
    """Their input for our features x of a front end with floor 1e-9 and top 1, whose Hann window of 400 samples sums to 200.

    Our powers are divided by (200 / 2)^2.
    """
    power = np.exp(x.astype(np.float64) * math.log(1e9) - math.log(1e9)) * 100**2
    return (np.log(power) - mean) / divisor


@pytest.mark.parametrize(
    ("name", "layout", "constants"),
    [("ast_tiny", "ast", (-4.2677393, 9.1379948)), ("ast_tiny", "ast-hf", (-4.2677393, 9.1379948)),
     ("passt_tiny", "passt", (-4.5, 5.0))],
)  # fmt: skip
def test_a_student_takes_a_public_checkpoint(keras, tmp_path, name, layout, constants):
    shape = (40, 33, 1)
    file = passt(TINY) if layout == "passt" else ast(TINY)
    model = students.build("students", name, keras, shape, 9)
    path = saved(tmp_path, hugging_face(file) if layout == "ast-hf" else file)
    loaded = transfer.load_backbone(keras, model, path, front_end())
    assert (loaded.layers, loaded.fresh) == (sum(bool(layer.weights) for layer in model.layers) - 1, ())
    assert loaded.notes[0] == "assumed 4 heads and patches every 5x5, which the file does not specify"
    rate = "32,000" if layout == "passt" else "16,000"
    assert (
        f"it was trained on {rate} Hz, 128 bands, 25 ms windows every 10 ms; the data are 16,000 Hz, 33 bands, 25 ms windows"
        in ("; ".join(loaded.notes))
    )
    x = features(shape)
    found = logits(keras, with_head(model, file), x)
    assert found == pytest.approx(expected(file, authors(x, *constants), layout, size=TINY), abs=2e-3)


@pytest.mark.parametrize("layout", ["ast", "passt"])
def test_a_network_of_the_files_own_size(keras, tmp_path, layout):
    """As a recipe asks for it, with 128 bands and 25 ms windows every 10 ms, as the file was trained on."""
    shape = (40, 128, 1)
    file = passt(OWN) if layout == "passt" else ast(OWN)
    path = saved(tmp_path, file)
    rate = 32_000 if layout == "passt" else 16_000
    asked = recipe.from_mapping({"student": {"name": "ast_or_passt", "backbone": str(path), "frozen": True}})
    made = front_end(128, sample_rate=rate)
    model = students.build("students", "ast_or_passt", keras, shape, 9, "", str(path))
    x, reporter = features(shape), RecordingReporter()
    split = Split(x=x, y=np.zeros(4, np.int64), ids=np.array(list("abcd")))
    data = dataset(split, shape, made)
    tuned = tuning.prepare(keras, model, asked, data, reporter)
    assert [v.path for v in tuned.model.trainable_variables] == ["logits/kernel", "logits/bias"]
    assert reporter.notes == [
        f"backbone c.npz: weights of {sum(bool(layer.weights) for layer in model.layers) - 1} layers; assumed 1 heads and "
        f"patches every 10x10, which the file does not specify; not used: {unused(layout)}"
    ]
    constants = (-4.5, 5.0) if layout == "passt" else (-4.2677393, 9.1379948)
    # The window of 25 ms has 800 samples at 32 kHz, whose sum is twice as large.
    seen = authors(x, *constants) + (math.log(4) / constants[1] if rate == 32_000 else 0)
    found = logits(keras, with_head(model, file), x)
    assert found == pytest.approx(expected(file, seen, layout, size=OWN), abs=2e-3)


def dataset(split, shape, made):
    return Dataset(
        name="d", source="d", classes=tuple("012345678"), input=InputSpec(shape=shape, front_end=made), train=split,
        val=split, cal=split, test=split, fingerprint="0" * 64,
    )  # fmt: skip


def unused(layout):
    names = (
        ["head.1", "head_dist"] if layout == "passt" else ["module.mlp_head.1", "module.v.head", "module.v.head_dist"]
    )
    return ", ".join(f"{name}.{kind}" for name in names for kind in ("bias", "weight"))


def test_a_trunk_alone_trains_its_last_norm_with_the_head(keras, tmp_path):
    file = {name: value for name, value in passt(TINY).items() if "head" not in name}
    path, shape = saved(tmp_path, file), (40, 33, 1)
    split = Split(x=features(shape), y=np.zeros(4, np.int64), ids=np.array(list("abcd")))
    for method in ("none", "lora"):
        values = {"student": {"name": "passt_tiny", "backbone": str(path), "frozen": True}, "peft": {"method": method}}
        model, reporter = students.build("students", "passt_tiny", keras, shape, 9), RecordingReporter()
        tuned = tuning.prepare(keras, model, recipe.from_mapping(values), dataset(split, shape, front_end()), reporter)
        assert "not in the file, trained with the head: head_norm" in reporter.notes[0]
        trained = {v.path.split("/")[0] for v in tuned.model.trainable_variables}
        assert {"head_norm", "logits"} == {layer for layer in trained if "lora" not in layer}
        assert any("lora" in layer for layer in trained) == (method == "lora")
    counted = sum(bool(layer.weights) for layer in model.layers) - 2
    assert f"weights of {counted} layers" in reporter.notes[0], "neither the head nor the norm before it"
    tuned.model.get_layer("head_norm").set_weights([np.full(64, 2.0), np.full(64, 3.0)])
    folder = tmp_path / "made"
    folder.mkdir()
    tuned.save(keras, folder / tuning.STUDENT, dataset(split, shape, front_end()))
    merged = tuning.tuned(keras, folder, tuned.section)
    assert (merged.get_layer("head_norm").get_weights()[0] == 2).all(), "it goes to the plain network as the head does"
    assert np.load(folder / tuning.LOGITS) == pytest.approx(
        tuning.logits(keras, merged, dataset(split, shape, front_end())), abs=1e-4
    )


def test_what_cannot_be_taken_is_reported(keras, tmp_path):
    path = saved(tmp_path, passt(TINY))
    model = students.build("students", "passt_tiny", keras, (40, 33, 1), 9)
    with pytest.raises(
        RecipeError, match=r"was trained on log-mel features; the data are 13 MFCC .*Set data\.audio\.front_end=logmel"
    ):
        transfer.load_backbone(keras, model, path, front_end(kind="mfcc", n_mfcc=13))
    assert "the data are not audio" in transfer.load_backbone(keras, model, path).notes[-2]
    other = students.build("students", "conv8", keras, (28, 28, 1), 9)
    with pytest.raises(RecipeError, match=r"but 'conv8.*' is not one; choose such a student"):
        transfer.load_backbone(keras, other, path)
    with pytest.raises(
        RecipeError, match=r"positions of 6 frequencies; expected 13, which 128 bands have with patches of 8 every 10"
    ):
        students.build("students", "ast_or_passt", keras, (40, 33, 1), 9, "", str(path))
    own = saved(tmp_path, passt(OWN), "own.npz")
    with pytest.raises(DataError, match="Images of 7x40 do not fit 'ast_or_passt': it needs at least 8x8"):
        students.build("students", "ast_or_passt", keras, (7, 40, 1), 9, "", str(own))


def test_a_size_needs_a_file(keras):
    with pytest.raises(
        RecipeError, match=r"'ast_or_passt' has the size of a public checkpoint: name its .* in student\.backbone"
    ):
        recipe.from_mapping({"student": {"name": "ast_or_passt"}})
    with pytest.raises(RecipeError, match=r"set student\.backbone to its file"):
        students.build("students", "ast_or_passt", keras, (40, 128, 1), 9)
