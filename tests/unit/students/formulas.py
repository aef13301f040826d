"""Small files of AST's and PaSST's layouts, and a forward pass of PyTorch's formulas in NumPy that reads them."""

from dataclasses import dataclass

import numpy as np
from scipy.special import erf


@dataclass(frozen=True)
class Size:
    """Of a network. rows, times: its grid of positions, of patches of `patch` each `stride`."""

    d: int = 24
    heads: int = 3
    depth: int = 2
    classes: int = 5
    patch: int = 6
    stride: int = 4
    rows: int = 4
    times: int = 6


SMALL = Size()


def tensors(rng, size, *, colors=1):
    """The names and shapes that AST's and PaSST's blocks have in common, without their prefix."""
    d = size.d

    def normal(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)

    made = {
        "cls_token": normal(1, 1, d),
        "dist_token": normal(1, 1, d),
        "patch_embed.proj.weight": normal(d, colors, size.patch, size.patch),
        "patch_embed.proj.bias": normal(d),
        "norm.weight": 1 + normal(d),
        "norm.bias": normal(d),
    }
    for i in range(size.depth):
        for norm in ("norm1", "norm2"):
            made |= {f"blocks.{i}.{norm}.weight": 1 + normal(d), f"blocks.{i}.{norm}.bias": normal(d)}
        for name, out, into in (
            ("attn.qkv", 3 * d, d),
            ("attn.proj", d, d),
            ("mlp.fc1", 4 * d, d),
            ("mlp.fc2", d, 4 * d),
        ):
            made |= {f"blocks.{i}.{name}.weight": normal(out, into), f"blocks.{i}.{name}.bias": normal(out)}
    return made, normal


def ast(size=SMALL, *, colors=1):
    made, normal = tensors(np.random.default_rng(1), size, colors=colors)
    made["pos_embed"] = normal(1, size.rows * size.times + 2, size.d)
    file = {f"module.v.{name}": value for name, value in made.items()}
    for name in ("head", "head_dist"):
        file |= {f"module.v.{name}.weight": normal(1000, size.d), f"module.v.{name}.bias": normal(1000)}
    head = {"0.weight": 1 + normal(size.d), "0.bias": normal(size.d)}
    head |= {"1.weight": normal(size.classes, size.d), "1.bias": normal(size.classes)}
    return file | {f"module.mlp_head.{name}": value for name, value in head.items()}


def passt(size=SMALL):
    made, normal = tensors(np.random.default_rng(2), size)
    made |= {
        "new_pos_embed": normal(1, 2, size.d),
        "freq_new_pos_embed": normal(1, size.d, size.rows, 1),
        "time_new_pos_embed": normal(1, size.d, 1, size.times),
        "head.0.weight": 1 + normal(size.d),
        "head.0.bias": normal(size.d),
        "head.1.weight": normal(size.classes, size.d),
        "head.1.bias": normal(size.classes),
        "head_dist.weight": normal(size.classes, size.d),
        "head_dist.bias": normal(size.classes),
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


def short(file):
    """The tensors of `ast` or `passt` under one set of names."""
    return {n.removeprefix("module.").removeprefix("v.").replace("mlp_head.", "head."): a for n, a in file.items()}


def forward(x, get, positions, tokens, epsilon, head_epsilon, size):
    """Logits of (N, T, F) float64 inputs. positions: (D, rows, times); tokens: (2, D), positions included."""
    d, heads, side, step = size.d, size.heads, size.patch, size.stride

    def norm(x, name, epsilon):
        mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + epsilon) * get(f"{name}.weight") + get(f"{name}.bias")

    def linear(x, name):
        return x @ get(f"{name}.weight").T + get(f"{name}.bias")

    kernel, image = get("patch_embed.proj.weight"), x.transpose(0, 2, 1)  # frequency first
    _, rows, times = positions.shape
    made = np.zeros((len(x), rows, times, d))
    for f in range(rows):
        for t in range(times):
            patch = image[:, None, step * f : step * f + side, step * t : step * t + side]
            made[:, f, t] = np.einsum("nchw,dchw->nd", patch, kernel) + get("patch_embed.proj.bias")
    made = (made + positions.transpose(1, 2, 0)).reshape(len(x), rows * times, d)
    x = np.concatenate([np.broadcast_to(tokens, (len(x), 2, d)), made], axis=1)
    for i in range(size.depth):
        count = x.shape[1]
        qkv = linear(norm(x, f"blocks.{i}.norm1", epsilon), f"blocks.{i}.attn.qkv")
        q, k, v = qkv.reshape(len(x), count, 3, heads, d // heads).transpose(2, 0, 3, 1, 4)
        scores = q @ k.transpose(0, 1, 3, 2) * (d // heads) ** -0.5
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(len(x), count, d)
        x = x + linear(mixed, f"blocks.{i}.attn.proj")
        hidden = linear(norm(x, f"blocks.{i}.norm2", epsilon), f"blocks.{i}.mlp.fc1")
        x = x + linear(hidden * (1 + erf(hidden / 2**0.5)) / 2, f"blocks.{i}.mlp.fc2")
    x = norm(x, "norm", epsilon)
    x = (x[:, 0] + x[:, 1]) / 2
    return linear(norm(x, "head.0", head_epsilon), "head.1")


def expected(file, x, layout, grid=None, size=SMALL):
    """Logits by the file itself; `grid`, (D, rows, times), in place of its positions."""
    known = short(file)

    def get(name):
        value = known[name].astype(np.float64)
        return value.sum(axis=1, keepdims=True) if value.ndim == 4 and name.endswith("proj.weight") else value

    tokens = np.concatenate([get("cls_token")[0], get("dist_token")[0]])
    if layout == "passt":
        tokens = tokens + get("new_pos_embed")[0]
        positions = get("time_new_pos_embed")[0] + get("freq_new_pos_embed")[0] if grid is None else grid
    else:
        tokens = tokens + get("pos_embed")[0, :2]
        positions = get("pos_embed")[0, 2:].T.reshape(size.d, size.rows, size.times) if grid is None else grid
    epsilons = (1e-12, 1e-12) if layout == "ast-hf" else (1e-6, 1e-5)
    return forward(x[..., 0].astype(np.float64), get, positions, tokens, *epsilons, size)


def saved(folder, file, name="c.npz"):
    np.savez(folder / name, **file)
    return folder / name


def logits(keras, model, x):
    return np.asarray(keras.Model(model.input, model.get_layer("logits").output)(x))
