"""Checkpoints of AST's and PaSST's layouts, small ones made here, against a forward pass of PyTorch's formulas in NumPy."""

import dataclasses

import numpy as np
import pytest
from tests.unit.students.formulas import Size, ast, expected, hugging_face, logits, passt, saved

from edgekit import students
from edgekit.errors import IntegrityError, RecipeError
from edgekit.frameworks import backend
from edgekit.students import transformer
from edgekit.students.pretrained import checkpoints

pytestmark = pytest.mark.tf
D, HEADS, CLASSES, STRIDE = 24, 3, 5, (4, 4)
# Frames and bands whose grid is 6 times x 4 frequencies of 6x6 patches each 4.
SHAPE = (26, 18, 1)


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def read(path):
    return checkpoints.read(path, heads=HEADS, stride=STRIDE)


def network(keras, path, shape=SHAPE, **options):
    """The file's network with all its weights, its head's as well, and what became of its tensors."""
    checkpoint = read(path)
    classes = checkpoint.classes or CLASSES
    model = transformer.build(keras, shape, classes, checkpoint.plan, checkpoint.layout.replace("-", "_"))
    taken = checkpoints.assign(model, checkpoint, **options)
    if checkpoint.classes:
        head = [checkpoint.tensors[f"head.1.{kind}"] for kind in ("weight", "bias")]
        model.get_layer("logits").set_weights([head[0].T, head[1]])
    return model, taken


def sounds(shape=SHAPE, count=4, scale=1.0):
    # A small scale makes small variances, where the epsilon of a LayerNorm shows.
    return (scale * np.random.default_rng(0).normal(size=(count, *shape))).astype(np.float32)


@pytest.mark.parametrize("layout", ["ast", "ast-hf", "passt"])
def test_the_network_computes_what_the_checkpoint_says(keras, tmp_path, layout):
    file = passt() if layout == "passt" else ast()
    stored = hugging_face(file) if layout == "ast-hf" else file
    model, taken = network(keras, saved(tmp_path, stored))
    assert (read(tmp_path / "c.npz").layout, read(tmp_path / "c.npz").classes) == (layout, CLASSES)
    x = sounds()
    assert logits(keras, model, x) == pytest.approx(expected(file, x, layout), abs=2e-5)
    unused = [
        n
        for n in stored
        if "head_dist" in n or n.startswith(("module.v.head", "classifier.dense", "module.mlp_head.1"))
    ]
    unused += [n for n in stored if n.startswith("head.1.")]
    assert taken.unused == tuple(sorted(unused))
    assert sorted((*taken.used, *taken.unused)) == sorted(stored), "every tensor is accounted for"
    assert taken.notes == taken.fresh == ()


def test_the_epsilons_are_those_of_the_layout(keras, tmp_path):
    """With activations near zero a wrong epsilon changes the result: Keras' default of 1e-3 would be off by far."""
    file = passt()
    for name in file:
        if name.endswith(("token", "embed", "proj.weight", "proj.bias")) and "blocks" not in name:
            file[name] = file[name] * np.float32(1e-3)
    x = sounds(scale=1e-3)
    model, _ = network(keras, saved(tmp_path, file))
    right = expected(file, x, "passt")
    assert logits(keras, model, x) == pytest.approx(right, abs=1e-4)
    plan = dataclasses.replace(read(tmp_path / "c.npz").plan, epsilon=1e-3, head_epsilon=1e-3)
    other = transformer.build(keras, SHAPE, CLASSES, plan, "other")
    other.set_weights(model.get_weights())
    assert np.abs(logits(keras, other, x) - right).max() > 1e-3
    checkpoints.assign(other, read(tmp_path / "c.npz"))
    assert logits(keras, other, x) == pytest.approx(right, abs=1e-4), "a student's own epsilons give way to the file's"


def test_safetensors(keras, tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    file = ast()
    numpy.save_file(file, tmp_path / "c.safetensors")
    x = sounds()
    model, _ = network(keras, tmp_path / "c.safetensors")
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "ast"), abs=2e-5)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes((tmp_path / "c.safetensors").read_bytes()[:1000])
    with pytest.raises(IntegrityError, match=r"broken\.safetensors cannot be read"):
        checkpoints.read(broken)


def test_a_trunk_alone_has_no_norm_of_the_head(keras, tmp_path):
    model, taken = network(keras, saved(tmp_path, {name: a for name, a in passt().items() if "head" not in name}))
    assert taken.fresh == ("head_norm",)
    gamma, beta = model.get_layer("head_norm").get_weights()
    assert (gamma == 1).all() and (beta == 0).all()


def test_positions_move_to_another_grid(keras, tmp_path):
    """Fewer: the middle, from 6 // 2 - 3 // 2 = 2 and 31 // 2 - 6 // 2 = 12 on (AST), or the first times (PaSST).

    More frequencies: between centers. AST's 186 places are the 31 frequencies that 128 bands have at patches of 6 each 4.
    """
    shape = (6 + 2 * 4, 6 + 5 * 4, 1)  # 3 times, 6 frequencies for 4
    x = sounds(shape)
    # Places (i + 1/2) 4 / 6 - 1/2 of 4, clipped at the ends: 0, 1/2, 7/6, 11/6, 5/2, 3.
    mix = np.zeros((6, 4))
    mix[[0, 5], [0, 3]] = 1
    mix[1, :2] = mix[4, 2:] = 1 / 2
    mix[2, 1:3], mix[3, 1:3] = (5 / 6, 1 / 6), (1 / 6, 5 / 6)
    large = Size(rows=31)
    file = ast(large)
    table = file["module.v.pos_embed"][0, 2:].T.reshape(D, 31, 6).astype(np.float64)
    model, taken = network(keras, saved(tmp_path, file), shape)
    grid = table[:, 12:18, 2:5]
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "ast", grid, large), abs=2e-5)
    assert taken.notes == ("positions of 6x31 patches (times x frequencies) became 3x6",)
    file = passt()
    model, taken = network(keras, saved(tmp_path, file), shape)
    times = file["time_new_pos_embed"][0, :, 0, :3].astype(np.float64)
    bands = file["freq_new_pos_embed"][0, :, :, 0].astype(np.float64) @ mix.T
    grid = bands[:, :, None] + times[:, None]
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "passt", grid), abs=2e-5)
    assert taken.notes == ("positions of 6x4 patches (times x frequencies) became 3x6",)


def test_interpolation_is_pytorchs():
    """torch.nn.functional.interpolate([0, 1, 4], size=5, mode="linear"): 0, .4, 1, 2.8, 4."""
    table = np.array([[0.0], [1.0], [4.0]], np.float32)
    assert checkpoints.resampled(table, 5)[:, 0] == pytest.approx([0, 0.4, 1, 2.8, 4], abs=1e-6)
    assert checkpoints.resampled(table, 3)[:, 0].tolist() == [0, 1, 4]
    assert checkpoints.resampled(table, 2)[:, 0].tolist() == [0, 1]
    assert checkpoints.resampled(np.arange(101.0)[None], 10, axis=1)[0, 0] == 45, "50 - 10 // 2"


def test_another_scale_of_the_input_is_folded_in(keras, tmp_path):
    file, x = ast(), sounds()
    model, _ = network(keras, saved(tmp_path, file), scale=2.5, offset=-0.75)
    assert logits(keras, model, x) == pytest.approx(expected(file, 2.5 * x - 0.75, "ast"), abs=5e-5)


def test_colors_are_summed(keras, tmp_path):
    file, x = ast(colors=3), sounds()
    model, taken = network(keras, saved(tmp_path, file))
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "ast"), abs=5e-5)
    assert taken.notes == ("the patch embedding's 3 colors are summed",)


def test_a_student_takes_a_checkpoint_of_its_size(keras, tmp_path):
    """What does not fit it is named: another width, other heads, other patches."""
    size = Size(d=64, heads=4, depth=4, patch=8, stride=5, rows=6, times=7)
    student = students.build("students", "passt_tiny", keras, (40, 33, 1), 4)
    file = passt(size)
    checkpoint = checkpoints.read(saved(tmp_path, file), heads=4, stride=(5, 5))
    checkpoints.assign(student, checkpoint)
    assert np.array_equal(student.get_layer("block3_v").get_weights()[0], file["blocks.3.attn.qkv.weight"][128:].T)
    wider = students.build("students", "passt_tiny", keras, (40, 33, 1), 4, "m")
    with pytest.raises(
        RecipeError, match=r"patch_embed is \[\(8, 8, 1, 64\), \(64,\)\], the network's \[\(8, 8, 1, 96\)"
    ):
        checkpoints.assign(wider, checkpoint)
    with pytest.raises(RecipeError, match="8 heads, the network has 4"):
        checkpoints.assign(student, checkpoints.read(tmp_path / "c.npz", heads=8, stride=(5, 5)))
    with pytest.raises(RecipeError, match=r"every \(10, 10\), the network's every \(5, 5\)"):
        checkpoints.assign(student, checkpoints.read(tmp_path / "c.npz", heads=4))


def test_a_grid_of_as_many_places_as_the_networks_is_its_own(tmp_path):
    """20 times x 5 frequencies, stored by frequency; at 128 bands 100 places would be 4 x 25."""
    size = Size(d=64, heads=4, depth=1, patch=8, stride=5, rows=5, times=20)
    file = ast(size)
    file["module.v.pos_embed"][0, 2:] = np.arange(100)[:, None]
    checkpoint = checkpoints.read(saved(tmp_path, file), heads=4, stride=(5, 5))
    values, notes = checkpoints.weights(checkpoint, (20, 5))
    assert np.array_equal(values["positions"][0][0, :, :, 0], np.arange(100).reshape(5, 20).T)
    assert notes == ()
    with pytest.raises(
        RecipeError, match=r"100 positions: neither a grid of 31 frequencies.*nor the network's 19x7. Choose data.audio"
    ):
        checkpoints.weights(checkpoints.read(tmp_path / "c.npz", heads=4, stride=(4, 4)), (19, 7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks.1.attn.proj.weight": np.zeros((D, D + 1))}, r"blocks.1.attn.proj.weight \(24, 25\), expected \(24, 24\)"),
        ({"blocks.1.norm1.gamma": np.ones(D)}, "unknown blocks.1.norm1.gamma"),
        ({"blocks.1.norm2.bias": None}, "no blocks.1.norm2.bias"),
        ({"blocks.0.attn.qkv.bias": np.zeros(D)}, r"blocks.0.attn.qkv.bias \(8,\), expected \(24,\)"),
        ({"dist_token": None}, "no dist_token"),
        ({"blocks.3.norm1.bias": np.ones(D)}, r"has blocks \[0, 1, 3\]; expected 0 to 3"),
        ({"time_new_pos_embed": None}, "is not a checkpoint of AST or PaSST"),
        ({"blocks.x.norm1.bias": np.ones(D)}, "unknown blocks.x.norm1.bias"),
        ({"blocks.0.attn.q.bias": np.ones(D)}, "has blocks.0.attn.q.bias twice, as 'blocks.0.attn.qkv.bias' and"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path, change, message):
    file = {name: a for name, a in (passt() | change).items() if a is not None}
    with pytest.raises(RecipeError, match=message):
        read(saved(tmp_path, file))


def test_heads_cannot_be_guessed_for_a_width_of_24(tmp_path):
    path = saved(tmp_path, passt())
    with pytest.raises(RecipeError, match="24 wide, not a multiple of 64: pass the number of its attention heads"):
        checkpoints.read(path)
    with pytest.raises(RecipeError, match="which is not divisible by 5 heads"):
        checkpoints.read(path, heads=5)
