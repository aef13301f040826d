"""The head first, then everything: steps, cost, what moves when, and that a killed training goes on."""

import numpy as np
import pytest

from edgekit import recipe
from edgekit.errors import RecipeError
from edgekit.frameworks import backend
from edgekit.training import flops, phases
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples
from edgekit.training.checkpoint import Checkpoint
from edgekit.training.phases import HeadFirst, fit_in_phases
from edgekit.types import Silent, Split

PLAN = HeadFirst(fresh=frozenset({"logits"}), share=0.4)


@pytest.mark.parametrize(
    ("share", "total", "head"), [(0.2, 24, 5), (0.2, 2, 1), (0.01, 10, 1), (0.9, 3, 2), (0.2, 1, 0)]
)
def test_both_phases_take_the_epochs_of_one(share, total, head):
    assert HeadFirst(fresh=frozenset(), share=share).epochs(total) == head


def test_head_first_is_refused_where_it_would_not_be_read():
    for values in (
        {"student": {"head_first": 0.1}},
        {"student": {"head_first": 0.1, "weights": "x.keras", "frozen": True}},
        {"student": {"head_first": 0.1, "weights": "x.keras"}, "peft": {"method": "bitfit"}},
        {"student": {"head_first": 1.0, "weights": "x.keras"}},
    ):
        with pytest.raises(RecipeError, match="head_first"):
            recipe.from_mapping(values)
    assert recipe.from_mapping({"student": {"head_first": 0, "weights": "x.keras"}}).student.head_first == 0


class Heard(Silent):
    def __init__(self, killed_at=None):
        self.told, self._killed_at = [], killed_at

    def progress(self, done, total, text):
        self.told.append((done, total, text))
        if self._killed_at and done >= self._killed_at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def network(keras):
    backend.seed(keras, 0, deterministic=False)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(4, 3, name="conv")(image))
    x = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.layers.Softmax()(x))


SECTION = recipe.from_mapping(
    {"training": {"epochs": 5, "batch_size": 16, "learning_rate": 0.1, "checkpoint": 1}}
).training


def fitted(keras, model, plan, reporter, checkpoint=None):
    x = np.random.default_rng(0).random((32, 8, 8, 1), np.float32)
    split = Split(x=x, y=np.arange(32) % 2, ids=np.arange(32).astype(str))
    samples, plain = Samples(train=split, val=split, full=32), Augmentation(name="none")
    return fit_in_phases(
        keras, model, samples, SECTION, plan, augmentation=plain, seed=0, reporter=reporter, checkpoint=checkpoint
    )


@pytest.mark.tf
def test_the_trunk_waits_for_the_head(keras, monkeypatch):
    model, heard, seen = network(keras), Heard(), []
    before = model.get_weights()
    plain = phases.train_only

    def train_only(model, names):
        seen.append(model.get_weights())
        plain(model, names)

    monkeypatch.setattr(phases, "train_only", train_only)
    history, cost = fitted(keras, model, PLAN, heard)
    assert [len(history[name]) for name in ("loss", "val_accuracy", "learning_rate")] == [5, 5, 5]
    between, after = seen[1], model.get_weights()
    trunk = slice(0, -2)  # kernels, biases and batch statistics
    assert all(np.array_equal(a, b) for a, b in zip(before[trunk], between[trunk], strict=True))
    assert not np.array_equal(before[-2], between[-2])
    assert not any(np.array_equal(a, b) for a, b in zip(between, after, strict=True))
    assert all(layer.trainable for layer in model.layers)
    assert max(history["learning_rate"][:2]) > 0.01 >= max(history["learning_rate"][2:])
    steps = [done for done, _, _ in heard.told]
    assert steps == sorted(steps) and steps[-1] == 10 and {total for _, total, _ in heard.told} == {10}
    assert heard.told[0][2].startswith("head: ") and not heard.told[-1][2].startswith("head")
    # 6 x 6 places, 9 x 4 weights of the convolution, 4 x 2 of the head; a frozen trunk costs its forward pass alone.
    conv, logits, samples = 36 * 9 * 4, 8, 16 * 2
    assert cost == 2 * samples * (2 * (conv + 2 * logits) + 3 * (2 * conv + 3 * logits))
    assert flops.train_flops(model, 5 * samples) == 2 * 5 * samples * (2 * conv + 3 * logits)


@pytest.mark.tf
@pytest.mark.parametrize("killed_at", [3, 8])
def test_a_killed_training_goes_on_to_the_same_weights(keras, tmp_path, killed_at):
    """In the first epochs of the head, and in the second phase."""
    whole = network(keras)
    expected, _ = fitted(keras, whole, PLAN, Silent())
    checkpoint = Checkpoint(tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        fitted(keras, network(keras), PLAN, Heard(killed_at), checkpoint)
    resumed, heard = network(keras), Heard()
    history, _ = fitted(keras, resumed, PLAN, heard, checkpoint)
    assert heard.told[0][0] > 2, "what was done is not done again"
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-3)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-3)


@pytest.mark.tf
def test_without_a_plan_it_is_one_training(keras):
    model = network(keras)
    history, cost = fitted(keras, model, None, Silent())
    assert len(history["loss"]) == 5
    assert cost == flops.train_flops(model, 160)
