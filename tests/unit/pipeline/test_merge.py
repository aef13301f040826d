"""The merge's gates: other logits, and other operators, end a build."""

import json

import numpy as np
import pytest
from tests.conftest import RecordingReporter

from edgekit import recipe
from edgekit.errors import GateNotMet
from edgekit.frameworks import backend, layers
from edgekit.peft.apply import apply
from edgekit.pipeline import merge as merging
from edgekit.training import tuning
from edgekit.types import Dataset, InputSpec, Split

pytestmark = pytest.mark.tf
ASKED = recipe.from_mapping({"student": {"backbone": "backbone.keras"}, "peft": {"method": "ssf"}})


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def dataset(count):
    def split(name):
        x = np.random.default_rng(0).random((count, 4, 4, 1), np.float32)
        return Split(x=x, y=np.arange(count) % 3, ids=np.array([f"{name}{i}" for i in range(count)]))

    return Dataset(
        name="d", source="d", classes=("a", "b", "c"), input=InputSpec(shape=(4, 4, 1)), fingerprint="0" * 64,
        **{name: split(name) for name in ("train", "val", "cal", "test")},
    )  # fmt: skip


def trained(keras, folder, *, gamma):
    """What a training stage leaves: a network with a layer normalization of scale `gamma`, and its new parameters."""
    image = keras.Input((4, 4, 1), name="image")
    x = keras.layers.Dense(6, name="unit")(keras.layers.Flatten()(image))
    x = layers.of(keras).LayerNorm(name="norm")(x)
    plain = keras.Model(image, keras.layers.Softmax()(keras.layers.Dense(3, name="logits")(x)), name="net")
    shift = np.linspace(-1, 1, 6) if gamma != 1 else np.zeros(6)
    plain.get_layer("norm").set_weights([np.full(6, gamma), shift])
    adapted = apply(keras, plain, ASKED.peft)
    folder.mkdir()
    made = tuning.Tuned(section=ASKED.peft, plain=plain, model=adapted.model, adapted=adapted)
    made.save(keras, folder / tuning.STUDENT, dataset(9))
    (folder / "training.json").write_text("{}")
    return folder


def test_a_merge_is_proven(keras, tmp_path):
    made, out = trained(keras, tmp_path / "made", gamma=0.7), tmp_path / "out"
    out.mkdir()
    merging.run(ASKED, dataset(9), made, out, RecordingReporter())
    facts = json.loads((out / "peft.json").read_text())
    assert facts["inference_parity"] and facts["max_logit_difference"] <= facts["allowed_logit_difference"] == 1e-4
    assert facts["samples"] == 27, "nine of each of val, cal and train"
    assert sorted(path.name for path in out.iterdir()) == ["peft.json", "student_float.keras", "training.json"]

    with np.load(made / tuning.VALUES) as file:
        values = dict(file)
    np.savez(made / tuning.VALUES, **(values | {"norm:ssf:beta": values["norm:ssf:beta"] + np.linspace(0, 0.01, 6)}))
    with pytest.raises(
        GateNotMet, match=r"differs from the one that was trained by 0\.0\d+ in a logit \(allowed 0\.0001\)"
    ):
        merging.run(ASKED, dataset(9), made, out, RecordingReporter())


def test_other_operators_are_refused(keras, tmp_path):
    """The converter leaves out a product with 1 and a sum with 0, which the merged normalization does not have."""
    made = trained(keras, tmp_path / "made", gamma=1.0)
    with pytest.raises(GateNotMet, match=r"has other operators than the plain student's: .*MUL"):
        merging.run(ASKED, dataset(9), made, tmp_path, RecordingReporter())


def test_the_proofs_samples_are_spread_over_each_split(keras):
    """500 samples a split: 171 of each, of which the last is its last."""
    data = dataset(500)
    value = keras.Input((4, 4, 1), name="image")
    model = keras.Model(
        value,
        keras.layers.Softmax()(keras.layers.Dense(16, use_bias=False, name="logits")(keras.layers.Flatten()(value))),
    )
    model.get_layer("logits").set_weights([np.eye(16, dtype=np.float32)])
    found = tuning.logits(keras, model, data).reshape(3, 171, 4, 4, 1)
    for part, split in zip(found, (data.val, data.cal, data.train), strict=True):
        assert part[[0, -1]] == pytest.approx(split.x[[0, -1]], abs=1e-6)
        assert part[1] == pytest.approx(split.x[2], abs=1e-6), "499 / 170 = 2.9 apart"


def test_exact_float32_ends_with_its_block(keras):
    import tensorflow

    enabled = tensorflow.config.experimental.tensor_float_32_execution_enabled
    before = enabled()
    with backend.exact_float32(keras):
        assert not enabled()
    assert enabled() == before
