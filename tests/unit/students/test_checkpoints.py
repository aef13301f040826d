"""Checkpoints of AST's and PaSST's layouts, small ones made here, against a forward pass of PyTorch's formulas in NumPy."""

import numpy as np
import pytest
from scipy.special import erf

from edgekit import backend, students
from edgekit.errors import IntegrityError, RecipeError
from edgekit.students import checkpoints

pytestmark = pytest.mark.tf
D, HEADS, DEPTH, CLASSES = 24, 3, 2, 5
# Bands and frames of the training, whose grid is 4 frequencies x 6 times of 6x6 patches each 4.
BANDS, FRAMES, PATCH, STRIDE = 18, 26, 6, (4, 4)
ROWS, TIMES = 4, 6
SHAPE = (FRAMES, BANDS, 1)


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def tensors(rng, *, colors=1, qkv=True):
    """The names and shapes that AST's and PaSST's blocks have in common, without their prefix."""

    def normal(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)

    made = {
        "cls_token": normal(1, 1, D),
        "dist_token": normal(1, 1, D),
        "patch_embed.proj.weight": normal(D, colors, PATCH, PATCH),
        "patch_embed.proj.bias": normal(D),
        "norm.weight": 1 + normal(D),
        "norm.bias": normal(D),
    }
    for i in range(DEPTH):
        for norm in ("norm1", "norm2"):
            made |= {f"blocks.{i}.{norm}.weight": 1 + normal(D), f"blocks.{i}.{norm}.bias": normal(D)}
        for name, out, into in (
            ("attn.qkv", 3 * D, D),
            ("attn.proj", D, D),
            ("mlp.fc1", 4 * D, D),
            ("mlp.fc2", D, 4 * D),
        ):
            made |= {f"blocks.{i}.{name}.weight": normal(out, into), f"blocks.{i}.{name}.bias": normal(out)}
    return made, normal


def ast(*, colors=1):
    made, normal = tensors(np.random.default_rng(1), colors=colors)
    made["pos_embed"] = normal(1, ROWS * TIMES + 2, D)
    file = {f"module.v.{name}": value for name, value in made.items()}
    for name in ("head", "head_dist"):
        file |= {f"module.v.{name}.weight": normal(1000, D), f"module.v.{name}.bias": normal(1000)}
    head = {"0.weight": 1 + normal(D), "0.bias": normal(D), "1.weight": normal(CLASSES, D), "1.bias": normal(CLASSES)}
    return file | {f"module.mlp_head.{name}": value for name, value in head.items()}


def passt():
    made, normal = tensors(np.random.default_rng(2))
    made |= {
        "new_pos_embed": normal(1, 2, D),
        "freq_new_pos_embed": normal(1, D, ROWS, 1),
        "time_new_pos_embed": normal(1, D, 1, TIMES),
        "head.0.weight": 1 + normal(D),
        "head.0.bias": normal(D),
        "head.1.weight": normal(CLASSES, D),
        "head.1.bias": normal(CLASSES),
        "head_dist.weight": normal(CLASSES, D),
        "head_dist.bias": normal(CLASSES),
    }
    return made


def hugging_face(file):
    """`ast()` under the names that transformers' convert script gives it."""
    renamed = {}
    for name, value in file.items():
        if ".head" in name:
            continue
        name = name.replace("module.v.", "audio_spectrogram_transformer.")
        for old, new in (
            ("cls_token", "embeddings.cls_token"),
            ("dist_token", "embeddings.distillation_token"),
            ("pos_embed", "embeddings.position_embeddings"),
            ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
            ("blocks", "encoder.layer"),
            ("attn.proj", "attention.output.dense"),
            ("norm1", "layernorm_before"),
            ("norm2", "layernorm_after"),
            ("mlp.fc1", "intermediate.dense"),
            ("mlp.fc2", "output.dense"),
            ("transformer.norm", "transformer.layernorm"),
            ("module.mlp_head.0", "classifier.layernorm"),
            ("module.mlp_head.1", "classifier.dense"),
        ):
            name = name.replace(old, new)
        if "qkv" in name:
            for part, third in zip(("query", "key", "value"), np.split(value, 3), strict=True):
                renamed[name.replace("attn.qkv", f"attention.attention.{part}")] = third
        else:
            renamed[name] = value
    return renamed


def forward(x, get, positions, tokens, epsilon, head_epsilon):
    """Logits of (N, T, F) float64 inputs. positions: (D, rows, times); tokens: (2, D), positions included."""

    def norm(x, name, epsilon):
        mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + epsilon) * get(f"{name}.weight") + get(f"{name}.bias")

    def linear(x, name):
        return x @ get(f"{name}.weight").T + get(f"{name}.bias")

    kernel, image = get("patch_embed.proj.weight"), x.transpose(0, 2, 1)  # frequency first
    _, rows, times = positions.shape
    made = np.zeros((len(x), rows, times, D))
    for f in range(rows):
        for t in range(times):
            patch = image[:, None, 4 * f : 4 * f + PATCH, 4 * t : 4 * t + PATCH]
            made[:, f, t] = np.einsum("nchw,dchw->nd", patch, kernel) + get("patch_embed.proj.bias")
    made = (made + positions.transpose(1, 2, 0)).reshape(len(x), rows * times, D)
    x = np.concatenate([np.broadcast_to(tokens, (len(x), 2, D)), made], axis=1)
    for i in range(DEPTH):
        count = x.shape[1]
        qkv = linear(norm(x, f"blocks.{i}.norm1", epsilon), f"blocks.{i}.attn.qkv")
        q, k, v = qkv.reshape(len(x), count, 3, HEADS, D // HEADS).transpose(2, 0, 3, 1, 4)
        scores = q @ k.transpose(0, 1, 3, 2) * (D // HEADS) ** -0.5
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(len(x), count, D)
        x = x + linear(mixed, f"blocks.{i}.attn.proj")
        hidden = linear(norm(x, f"blocks.{i}.norm2", epsilon), f"blocks.{i}.mlp.fc1")
        x = x + linear(hidden * (1 + erf(hidden / 2**0.5)) / 2, f"blocks.{i}.mlp.fc2")
    x = norm(x, "norm", epsilon)
    x = (x[:, 0] + x[:, 1]) / 2
    return linear(norm(x, "head.0", head_epsilon), "head.1")


def expected(file, x, layout, grid=None):
    """Logits by the file itself; `grid`, (D, rows, times), in place of its positions."""
    short = {n.removeprefix("module.").removeprefix("v.").replace("mlp_head.", "head."): a for n, a in file.items()}

    def get(name):
        return (
            short[name].astype(np.float64).sum(axis=1, keepdims=True)
            if name.endswith("proj.weight") and short[name].ndim == 4
            else short[name].astype(np.float64)
        )

    tokens = np.concatenate([get("cls_token")[0], get("dist_token")[0]])
    if layout == "passt":
        tokens = tokens + get("new_pos_embed")[0]
        positions = get("time_new_pos_embed")[0] + get("freq_new_pos_embed")[0] if grid is None else grid
    else:
        tokens = tokens + get("pos_embed")[0, :2]
        positions = get("pos_embed")[0, 2:].T.reshape(D, ROWS, TIMES) if grid is None else grid
    epsilons = (1e-12, 1e-12) if layout == "ast-hf" else (1e-6, 1e-5)
    return forward(x[..., 0].astype(np.float64), get, positions, tokens, *epsilons)


def saved(folder, file, name="c.npz"):
    np.savez(folder / name, **file)
    return folder / name


def read(path):
    return checkpoints.read(path, heads=HEADS, stride=STRIDE)


def logits(keras, model, x):
    return np.asarray(keras.Model(model.input, model.get_layer("logits").output)(x))


def sounds(shape=SHAPE, count=4, scale=1.0):
    # A small scale makes small variances, where the epsilon of a LayerNorm shows.
    return (scale * np.random.default_rng(0).normal(size=(count, *shape))).astype(np.float32)


@pytest.mark.parametrize("layout", ["ast", "ast-hf", "passt"])
def test_the_network_computes_what_the_checkpoint_says(keras, tmp_path, layout):
    file = passt() if layout == "passt" else ast()
    stored = hugging_face(file) if layout == "ast-hf" else file
    checkpoint = read(saved(tmp_path, stored))
    assert (checkpoint.layout, checkpoint.classes) == (layout, CLASSES)
    model, taken = checkpoints.build(keras, checkpoint, SHAPE, rows=ROWS)
    x = sounds()
    assert logits(keras, model, x) == pytest.approx(expected(file, x, layout), abs=2e-5)
    unused = [n for n in stored if "head_dist" in n or n.startswith("module.v.head")]
    assert taken.unused == tuple(sorted(unused))
    assert sorted((*taken.used, *taken.unused)) == sorted(stored), "every tensor is accounted for"
    assert taken.notes == ()


def test_the_epsilons_are_those_of_the_layout(keras, tmp_path):
    """With activations near zero a wrong epsilon changes the result: Keras' default of 1e-3 would be off by far."""
    file = passt()
    for name in file:
        if name.endswith(("token", "embed", "proj.weight", "proj.bias")) and "blocks" not in name:
            file[name] = file[name] * np.float32(1e-3)
    x = sounds(scale=1e-3)
    model, _ = checkpoints.build(keras, read(saved(tmp_path, file)), SHAPE)
    right = expected(file, x, "passt")
    assert logits(keras, model, x) == pytest.approx(right, abs=1e-4)
    model.get_layer("block0_norm1").epsilon = 1e-5
    other = keras.Model.from_config(model.get_config())
    other.set_weights(model.get_weights())
    assert np.abs(logits(keras, other, x) - right).max() > 1e-3


def test_safetensors(keras, tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    file = ast()
    numpy.save_file(file, tmp_path / "c.safetensors")
    x = sounds()
    model, _ = checkpoints.build(keras, read(tmp_path / "c.safetensors"), SHAPE, rows=ROWS)
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "ast"), abs=2e-5)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes((tmp_path / "c.safetensors").read_bytes()[:1000])
    with pytest.raises(IntegrityError, match=r"broken\.safetensors cannot be read"):
        checkpoints.read(broken)


def test_a_new_head_leaves_the_old_one_unused(keras, tmp_path):
    file = ast()
    model, taken = checkpoints.build(keras, read(saved(tmp_path, file)), SHAPE, 7, rows=ROWS)
    assert model.output.shape == (None, 7)
    assert {"module.mlp_head.1.weight", "module.mlp_head.1.bias"} <= set(taken.unused)
    assert np.array_equal(model.get_layer("head_norm").get_weights()[0], file["module.mlp_head.0.weight"])


def test_a_trunk_needs_classes(keras, tmp_path):
    trunk = read(saved(tmp_path, {name: a for name, a in passt().items() if "head" not in name}))
    assert trunk.classes == 0
    with pytest.raises(RecipeError, match="has no head"):
        checkpoints.build(keras, trunk, SHAPE)
    assert checkpoints.build(keras, trunk, SHAPE, 3)[0].output.shape == (None, 3)


def test_positions_move_to_another_grid(keras, tmp_path):
    """Fewer times: the middle, from 6 // 2 - 3 // 2 = 2 on (AST) or the first (PaSST). More frequencies: between centers."""
    shape = (6 + 2 * 4, 6 + 5 * 4, 1)  # 3 times, 6 frequencies for 4
    x = sounds(shape)
    # Places (i + 1/2) 4 / 6 - 1/2 of 4, clipped at the ends: 0, 1/2, 7/6, 11/6, 5/2, 3.
    mix = np.zeros((6, 4))
    mix[[0, 5], [0, 3]] = 1
    mix[1, :2] = mix[4, 2:] = 1 / 2
    mix[2, 1:3], mix[3, 1:3] = (5 / 6, 1 / 6), (1 / 6, 5 / 6)
    file = ast()
    table = file["module.v.pos_embed"][0, 2:].T.reshape(D, ROWS, TIMES).astype(np.float64)
    model, taken = checkpoints.build(keras, read(saved(tmp_path, file)), shape, rows=ROWS)
    grid = np.einsum("rf,dft->drt", mix, table[:, :, 2:5])
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "ast", grid), abs=2e-5)
    assert taken.notes == ("positions of 6x4 patches (times x frequencies) became 3x6",)
    file = passt()
    model, _ = checkpoints.build(keras, read(saved(tmp_path, file)), shape)
    times = file["time_new_pos_embed"][0, :, 0, :3].astype(np.float64)
    bands = file["freq_new_pos_embed"][0, :, :, 0].astype(np.float64) @ mix.T
    grid = bands[:, :, None] + times[:, None]
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "passt", grid), abs=2e-5)


def test_interpolation_is_pytorchs():
    """torch.nn.functional.interpolate([0, 1, 4], size=5, mode="linear"): 0, .4, 1, 2.8, 4."""
    table = np.array([[0.0], [1.0], [4.0]], np.float32)
    assert checkpoints.resampled(table, 5)[:, 0] == pytest.approx([0, 0.4, 1, 2.8, 4], abs=1e-6)
    assert checkpoints.resampled(table, 3)[:, 0].tolist() == [0, 1, 4]
    assert checkpoints.resampled(table, 2)[:, 0].tolist() == [0, 1]
    assert checkpoints.resampled(np.arange(101.0)[None], 10, axis=1)[0, 0] == 45, "50 - 10 // 2"


def test_another_scale_of_the_input_is_folded_in(keras, tmp_path):
    file, x = ast(), sounds()
    model, _ = checkpoints.build(keras, read(saved(tmp_path, file)), SHAPE, rows=ROWS, scale=2.5, offset=-0.75)
    assert logits(keras, model, x) == pytest.approx(expected(file, 2.5 * x - 0.75, "ast"), abs=5e-5)


def test_colors_are_summed(keras, tmp_path):
    file, x = ast(colors=3), sounds()
    model, taken = checkpoints.build(keras, read(saved(tmp_path, file)), SHAPE, rows=ROWS)
    assert logits(keras, model, x) == pytest.approx(expected(file, x, "ast"), abs=5e-5)
    assert taken.notes == ("the patch embedding's 3 colors are summed",)


def test_a_student_takes_a_checkpoint_of_its_size(keras, tmp_path):
    """What is read back off a student fits it again; of another width it is told what does not fit."""
    student = students.build("students", "passt_tiny", keras, (40, 33, 1), 4)
    rng = np.random.default_rng(0)
    file = {}
    for name, shape in {
        "cls_token": (1, 1, 64), "dist_token": (1, 1, 64), "new_pos_embed": (1, 2, 64),
        "time_new_pos_embed": (1, 64, 1, 7), "freq_new_pos_embed": (1, 64, 6, 1),
        "patch_embed.proj.weight": (64, 1, 8, 8), "patch_embed.proj.bias": (64,), "norm.weight": (64,), "norm.bias": (64,),
    }.items():  # fmt: skip
        file[name] = rng.normal(size=shape).astype(np.float32)
    for i in range(4):
        for name, out, into in (
            ("attn.qkv", 192, 64),
            ("attn.proj", 64, 64),
            ("mlp.fc1", 256, 64),
            ("mlp.fc2", 64, 256),
        ):
            file[f"blocks.{i}.{name}.weight"] = rng.normal(size=(out, into)).astype(np.float32)
            file[f"blocks.{i}.{name}.bias"] = np.zeros(out, np.float32)
        for name in ("norm1", "norm2"):
            file |= {f"blocks.{i}.{name}.{kind}": np.ones(64, np.float32) for kind in ("weight", "bias")}
    checkpoint = checkpoints.read(saved(tmp_path, file), heads=4, stride=(5, 5))
    taken = checkpoints.assign(student, checkpoint)
    assert taken.unused == () and len(taken.used) == len(file)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks.1.attn.proj.weight": np.zeros((D, D + 1))}, r"blocks.1.attn.proj.weight \(24, 25\), expected \(24, 24\)"),
        ({"blocks.1.norm1.gamma": np.ones(D)}, "unknown blocks.1.norm1.gamma"),
        ({"blocks.1.norm2.bias": None}, "no blocks.1.norm2.bias"),
        ({"blocks.0.attn.qkv.bias": np.zeros(D)}, r"blocks.0.attn.qkv.bias \(8,\), expected \(24,\)"),
        ({"dist_token": None}, "no dist_token"),
        ({"blocks.3.norm1.bias": np.ones(D)}, r"has blocks \[0, 1, 3\]; expected 0 to 3"),
        ({"time_new_pos_embed": None}, "is no checkpoint of AST or PaSST"),
        ({"norm.bias": np.zeros(D, np.int64)}, "is int64; expected floating point"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path, change, message):
    file = {name: a for name, a in (passt() | change).items() if a is not None}
    with pytest.raises(RecipeError, match=message):
        read(saved(tmp_path, file))


def test_heads_cannot_be_guessed_for_a_width_of_24(tmp_path):
    path = saved(tmp_path, passt())
    with pytest.raises(RecipeError, match="24 wide, no multiple of 64: give the number of its attention heads"):
        checkpoints.read(path)
    with pytest.raises(RecipeError, match="which 5 heads do not divide"):
        checkpoints.read(path, heads=5)


def test_a_wrong_grid_is_told(keras, tmp_path):
    with pytest.raises(RecipeError, match="24 positions, which are no grid of 5 frequencies"):
        checkpoints.build(keras, read(saved(tmp_path, ast())), SHAPE, rows=5)
    with pytest.raises(RecipeError, match=r"does not fit inputs of \(5, 18\): it needs at least 6x6"):
        checkpoints.build(keras, read(tmp_path / "c.npz"), (5, 18, 1), rows=ROWS)


def test_files_that_are_none(tmp_path):
    with pytest.raises(RecipeError, match="may run code when it is read"):
        checkpoints.read(tmp_path / "model.pth")
    with pytest.raises(RecipeError, match="does not exist"):
        checkpoints.read(tmp_path / "no.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(IntegrityError, match=r"bad\.npz cannot be read"):
        checkpoints.read(tmp_path / "bad.npz")
    np.savez(tmp_path / "objects.npz", cls_token=np.array([{}], dtype=object))
    with pytest.raises(IntegrityError, match=r"objects\.npz cannot be read"):
        checkpoints.read(tmp_path / "objects.npz")
    file = passt()
    file["norm.bias"][3] = np.nan
    with pytest.raises(IntegrityError, match=r"'norm\.bias' .* not finite"):
        checkpoints.read(saved(tmp_path, file), heads=HEADS)
