"""ast_tiny and passt_tiny: their cost by hand, patchout, and reading them from a file."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edgekit import students
from edgekit.errors import RecipeError
from edgekit.frameworks import backend, layers
from edgekit.students import transformer
from edgekit.training import flops

pytestmark = pytest.mark.tf
SECOND = (98, 40, 1)  # patches of 8 each 5: 19 times, 7 frequencies
TIMES, BANDS = 19, 7


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def cost(tokens, d, depth, patches, classes=10):
    """MAC with `tokens` in the blocks, of which the last one asks for two only."""
    whole = 4 * tokens * d * d + 2 * tokens * tokens * d + 8 * tokens * d * d
    last = 2 * tokens * d * d + 2 * 2 * d * d + 2 * 2 * tokens * d + 2 * 8 * d * d
    return patches * 64 * d + (depth - 1) * whole + last + d * classes


@pytest.mark.parametrize(("width", "d"), [("s", 64), ("m", 96)])
@pytest.mark.parametrize("name", ["ast_tiny", "passt_tiny"])
def test_mac_and_parameters(keras, name, width, d):
    model = students.build("students", name, keras, SECOND, 10, width)
    patches = TIMES * BANDS
    assert flops.macs(model) == cost(patches + 2, d, 4, patches)
    assert flops.uncounted(model) == []
    positions = patches * d if name == "ast_tiny" else (TIMES + BANDS) * d
    block = 4 * (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d) + 4 * d
    assert model.count_params() == 64 * d + d + positions + 2 * d + 4 * block + 4 * d + 10 * d + 10


def test_training_is_counted_at_the_tokens_that_are_kept(keras):
    """19 times less 8 (40 of 99), 7 frequencies less 2 (4 of 12): 55 patches, 57 tokens. Patches themselves are all made."""
    model = students.build("students", "passt_tiny", keras, SECOND, 10)
    kept = cost(57, 64, 4, 133)
    # No input gradient of the patches.
    assert flops.train_flops(model, 3) == 2 * 3 * (3 * kept - 133 * 64 * 64)
    transformer.set_patchout(model, "none")
    assert flops.train_flops(model, 1) == 2 * (3 * cost(135, 64, 4, 133) - 133 * 64 * 64)
    transformer.set_patchout(model, "unstructured")  # 133 * 400 / 1188 = 44.8: 45 fewer
    assert flops.train_flops(model, 1) == 2 * (3 * cost(90, 64, 4, 133) - 133 * 64 * 64)
    assert flops.macs(model) == cost(135, 64, 4, 133), "inference sees all"


def test_a_frozen_query_needs_half_of_the_attentions_gradients(keras):
    """softmax(q k^T) v with k, v from a trained layer and q from the input: of 4 products of gradients 3 are needed."""
    own = layers.of(keras)
    tokens = keras.Input((5, 8))
    trained = keras.layers.Dense(8, use_bias=False)(tokens)
    model = keras.Model(tokens, own.TokenAttention(2)(tokens, trained, trained))
    attention, dense = 2 * 5 * 5 * 8, 5 * 8 * 8
    assert flops.train_flops(model, 1) == 2 * (attention + attention // 2 * 3 + 2 * dense)


def grid(keras, **shares):
    patchout = layers.of(keras).Patchout(seed=7, **shares)
    x = np.arange(2 * 10 * 6, dtype=np.float32).reshape(2, 10, 6, 1)
    return patchout, x


def test_structured_patchout_keeps_whole_times_and_frequencies_in_order(keras):
    patchout, x = grid(keras, time=0.4, frequency=0.5)
    assert np.array_equal(patchout(x), x.reshape(2, 60, 1)), "inference keeps all"
    seen = set()
    for _ in range(20):
        kept = np.asarray(patchout(x, training=True))
        assert kept.shape == (2, 6 * 3, 1)
        assert np.array_equal(kept[1], kept[0] + 60), "the same for the whole batch"
        places = kept[0, :, 0].astype(int).reshape(6, 3)
        times, bands = places[:, 0] // 6, places[0] % 6
        assert np.array_equal(places, times[:, None] * 6 + bands)
        assert (np.diff(times) > 0).all() and (np.diff(bands) > 0).all()
        seen |= {tuple(times)}
    assert len(seen) > 10


def test_unstructured_patchout_keeps_some_patches_in_order(keras):
    patchout, x = grid(keras, tokens=0.25)
    kept = np.asarray(patchout(x, training=True))
    assert kept.shape == (2, 45, 1)
    assert (np.diff(kept[0, :, 0]) > 0).all() and np.array_equal(kept[1], kept[0] + 60)
    again, _ = grid(keras, tokens=0.25)
    assert np.array_equal(again(x, training=True), kept), "by its seed"
    assert patchout.training_shape((None, 10, 6, 1)) == (None, 45, 1)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        layers.of(keras).Patchout(time=1.0)


def test_passts_own_numbers(keras):
    """998 frames of 128 bands: 8 of 12 frequencies and 59 of 99 times are 472 patches; unstructured 400 of 1188 fewer."""
    plan = transformer.edge_plan((998, 128), 64, separate=True)
    assert plan.grid((998, 128)) == (99, 12)
    patchout = layers.of(keras).Patchout(*plan.patchout)
    assert patchout.training_shape((None, 99, 12, 64)) == (None, 472, 64)
    patchout = layers.of(keras).Patchout(*transformer.PATCHOUTS["unstructured"])
    assert patchout.training_shape((None, 99, 12, 64)) == (None, 788, 64)


def test_patchout_is_for_transformers(keras):
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    transformer.set_patchout(model, "auto")
    with pytest.raises(RecipeError, match="no patches to drop"):
        transformer.set_patchout(model, "structured")


def test_layer_norm_is_that_of_keras(keras):
    x = np.random.default_rng(0).normal(3, 2, (4, 7, 16)).astype(np.float32)
    ours, theirs = layers.of(keras).LayerNorm(1e-3), keras.layers.LayerNormalization(epsilon=1e-3)
    weights = [np.linspace(0.5, 2, 16), np.linspace(-1, 1, 16)]
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights(weights)
    assert np.asarray(ours(x)) == pytest.approx(np.asarray(theirs(x)), abs=1e-5)


def test_attention_is_that_of_keras(keras):
    rng = np.random.default_rng(0)
    query, key, value = (rng.normal(size=(2, length, 8)).astype(np.float32) for length in (3, 5, 5))
    theirs = keras.layers.MultiHeadAttention(2, 4, use_bias=False)
    theirs.build(query.shape, value.shape, key.shape)
    identity = np.eye(8, dtype=np.float32)
    theirs.set_weights([identity.reshape(8, 2, 4)] * 3 + [identity.reshape(2, 4, 8)])
    ours = layers.of(keras).TokenAttention(2)(query, key, value)
    assert np.asarray(ours) == pytest.approx(np.asarray(theirs(query, value, key)), abs=1e-5)
    with pytest.raises(ValueError, match="not a multiple of 3 heads"):
        layers.of(keras).TokenAttention(3)(query, key, value)


def test_a_fresh_process_reads_the_file(keras, tmp_path):
    model = students.build("students", "passt_tiny", keras, (40, 33, 1), 5)
    model.save(tmp_path / "m.keras")
    x = np.random.default_rng(0).random((3, 40, 33, 1), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np; from edgekit.frameworks import backend; keras = backend.load();"
        "m = keras.models.load_model(sys.argv[1] + '/m.keras', compile=False);"
        "assert round(m.get_layer('patchout').time, 3) == 0.404;"
        "np.save(sys.argv[1] + '/p.npy', m(np.load(sys.argv[1] + '/x.npy')))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "p.npy") == pytest.approx(np.asarray(model(x)), abs=1e-6)


@pytest.mark.parametrize(("shape", "patch", "grid"), [((28, 28, 3), 8, (5, 5)), ((1024, 128, 1), 16, (101, 12))])
def test_patches_suit_the_size(keras, shape, patch, grid):
    plan = transformer.edge_plan(shape, 64, separate=False)
    assert plan.patch == (patch, patch)
    assert plan.grid(shape) == grid


@pytest.mark.jax
def test_patchout_trains_on_jax_and_the_file_loads_under_tensorflow(keras, small_npz, tmp_path):
    from edgekit import data, recipe
    from edgekit.training import jobs, signals, stage
    from edgekit.types import Silent

    pytest.importorskip("jax")
    values = {"backend": "jax", "data.spec": str(small_npz), "student.name": "passt_tiny", "training.epochs": 1,
              "training.batch_size": 128}  # fmt: skip
    loaded = recipe.load(values=values)
    dataset = data.load(str(small_npz))
    stage.run("student", loaded, dataset, jobs.Job(ids=dataset.train.ids, labels=dataset.train.y), tmp_path, Silent())
    facts = json.loads((tmp_path / "training.json").read_text())
    assert "on jax" in facts["framework"]
    model = keras.models.load_model(tmp_path / "student_float.keras", compile=False)
    accuracy = (signals.probabilities(model, dataset.val.x).argmax(axis=1) == dataset.val.y).mean()
    assert accuracy == pytest.approx(facts["history"]["val_accuracy"][-1], abs=0.011), "an argmax may turn on 1e-7"
    assert facts["train_flops"] < 6 * facts["steps"] * 128 * flops.macs(model), "fewer patches than inference sees"
