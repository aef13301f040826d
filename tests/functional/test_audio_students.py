"""Students for sound, from one short training to an int8 file and back: operators, batches, agreement with float, ONNX."""

import numpy as np
import pytest

from edgekit import recipe, students
from edgekit.data.pixels import to_float
from edgekit.export import onnx, operators, parity, tflite
from edgekit.export.shrink import shrink
from edgekit.frameworks import backend
from edgekit.inference import litert, onnxrt
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples
from edgekit.training.fit import fit
from edgekit.types import Silent, Split

pytestmark = pytest.mark.tf
FRAMES, BANDS, CLASSES = 29, 24, 4
RATES = {"audio_cnn": 3e-3, "ast_tiny": 1e-3, "passt_tiny": 1e-3}


def tones(count, seed):
    """Log-mel-like pictures: a class is the band of a tone that comes and goes, over noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    band = 3 + 6 * y[:, None, None] + rng.integers(-1, 2, (count, 1, 1))
    begin = rng.integers(0, 10, (count, 1, 1))
    t, f = np.arange(FRAMES)[None, :, None], np.arange(BANDS)[None, None]
    tone = np.exp(-((f - band) ** 2) / 4) * ((t >= begin) & (t < begin + 15))
    x = np.clip(0.2 + 0.1 * rng.normal(size=tone.shape) + 0.7 * tone, 0, 1).astype(np.float32)
    return Split(x=x[..., None], y=y.astype(np.int64), ids=np.array([f"{seed}/{i}" for i in range(count)]))


@pytest.fixture(scope="module", params=RATES)
def made(request, tmp_path_factory):
    """Name, model after one epoch, and folder with its float and int8 .tflite."""
    keras = backend.load("tensorflow")
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", request.param, keras, (FRAMES, BANDS, 1), CLASSES)
    settings = ["training.epochs=1", "training.batch_size=16", f"training.learning_rate={RATES[request.param]}"]
    section, train = recipe.load(settings=settings).training, tones(1600, 1)
    samples, plain = Samples(train=train, val=tones(200, 2), full=1600), Augmentation(name="none")
    history = fit(keras, model, samples, section, augmentation=plain, seed=0, reporter=Silent())
    folder = tmp_path_factory.mktemp(request.param)
    for precision in ("float32", "int8"):
        content = tflite.convert(model, precision, calibration=to_float(train.x[:100]))
        (folder / f"{precision}.tflite").write_bytes(content)
    return request.param, model, folder, history


def test_it_learns(made):
    assert made[3]["val_accuracy"][-1] > 0.9


def test_every_operator_is_int8(made):
    name, _, folder, _ = made
    content = (folder / "int8.tflite").read_bytes()
    assert operators.float_operators(content) == {}
    found = operators.histogram(content)
    # Of the open batch: its size, once, for the class tokens.
    if name != "audio_cnn":
        assert (found["SHAPE"], found["PACK"], found["BROADCAST_TO"]) == (1, 1, 1)
        assert (found["BATCH_MATMUL"], found["GELU"], found["FULLY_CONNECTED"]) == (8, 4, 25)
        assert not {"GATHER", "REDUCE_PROD"} & set(found), "Keras' own Dense brings those"


def test_single_clips_and_batches_are_bit_equal(made):
    x = tones(64, 3).x
    assert parity.batch_parity(made[2] / "int8.tflite", x, batch=8)["bit_exact"]


def test_int8_agrees_with_float(made):
    _, model, folder, _ = made
    test = tones(300, 4)
    exact, small = (litert.probabilities(folder / f"{p}.tflite", test.x) for p in ("float32", "int8"))
    assert exact == pytest.approx(model.predict(test.x, verbose=0), abs=1e-5)
    assert parity.agreement(exact, small) >= 0.97
    drop = (exact.argmax(axis=1) == test.y).mean() - (small.argmax(axis=1) == test.y).mean()
    assert drop <= 0.01


def test_onnx_says_the_same(made):
    name, _, folder, _ = made
    if name == "passt_tiny":
        pytest.skip("the operators are those of ast_tiny")
    x = tones(50, 5).x
    for precision, difference in (("float32", 1e-5), ("int8", 0.1)):
        source, target = folder / f"{precision}.tflite", folder / f"{precision}.onnx"
        onnx.convert(source, target)
        found = onnxrt.probabilities(target, x)
        assert np.abs(found - litert.probabilities(source, x)).max() < difference, name


def test_the_cnn_is_small(made):
    name, _, folder, _ = made
    if name == "audio_cnn":
        assert len(shrink((folder / "int8.tflite").read_bytes())) <= 60_000
