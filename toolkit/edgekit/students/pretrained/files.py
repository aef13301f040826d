"""Files of public spectrogram transformers: reading them, the names of their tensors, and whether all of them fit together.

Three layouts, distinguished by their names: "ast" (Gong et al. 2021, module.v.blocks.0.attn.qkv.weight), "ast-hf" (the same
network in Hugging Face's transformers) and "passt" (Koutini et al. 2022, blocks.0.attn.qkv.weight). Nothing is unpickled: a .pt
or .pth file must be converted by its owner first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import RecipeError
from edgekit.students.pretrained.tensors import Array, arrays
from edgekit.students.transformer import Plan

# What a checkpoint may contain besides the network: heads of its pretraining.
UNUSED = re.compile(r"(v\.)?(head|head_dist)\.(weight|bias)")
_WIDTH_OF_A_HEAD = 64  # of every published network
_BLOCK = re.compile(r"blocks\.([0-9]{1,4})\..+")
# Prefixes that training frameworks add to all names.
_WRAPPERS = ("module.", "model.", "net.")
_HF = "audio_spectrogram_transformer."
# Hugging Face's name of a layer -> the original's.
_HF_NAMES: Mapping[str, str] = {
    "embeddings.cls_token": "cls_token",
    "embeddings.distillation_token": "dist_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "attention.attention.query": "attn.q",
    "attention.attention.key": "attn.k",
    "attention.attention.value": "attn.v",
    "attention.output.dense": "attn.proj",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "layernorm": "norm",
    "classifier.layernorm": "head.0",
    "classifier.dense": "head.1",
}
# Epsilons of the LayerNorms of (trunk, head): PyTorch's default in the head, and one for all in Hugging Face's configuration.
_EPSILONS = {"ast": (1e-6, 1e-5), "ast-hf": (1e-12, 1e-12), "passt": (1e-6, 1e-5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The tensors of a file under one set of names, "cls_token", "blocks.0.attn.q.weight", "head.1.weight", ...

    layout: "ast", "ast-hf" or "passt". names: that name -> the one(s) in the file. plan: its network, strides as passed.
    """

    path: Path
    layout: str
    tensors: Mapping[str, Array]
    names: Mapping[str, str]
    plan: Plan
    classes: int


def read(path: Path, *, heads: int | None = None, stride: tuple[int, int] = (10, 10)) -> Checkpoint:
    """Read a checkpoint.

    Args:
        heads: number of attention heads, which no shape reveals; None = one for each 64 of the width, as in published networks.
        stride: (time, frequency) stride of its patches, which no shape reveals either; 10 in most published networks.

    Raises:
        RecipeError: no such file, another suffix, another layout, or a tensor that is missing, unknown or of the wrong shape.
        IntegrityError: the file is damaged or contains values that are not finite.
        MissingExtra: a .safetensors file, and the package is not installed.
    """
    arrays_read = arrays(path)
    layout, tensors, names = _canonical(path, arrays_read)
    plan = _plan(path, layout, tensors, heads, stride)
    _check(path, tensors, names, plan, layout)
    classes = tensors["head.1.weight"].shape[0] if "head.1.weight" in tensors else 0
    return Checkpoint(path=path, layout=layout, tensors=tensors, names=names, plan=plan, classes=classes)


def _canonical(path: Path, arrays_read: Mapping[str, Array]) -> tuple[str, dict[str, Array], dict[str, str]]:
    """The layout, the tensors under the names of `Checkpoint`, and those names -> names in the file."""
    prefix = ""
    while wrapper := next(
        (w for w in _WRAPPERS if arrays_read and all(n.startswith(prefix + w) for n in arrays_read)), ""
    ):
        prefix += wrapper
    short = {name[len(prefix) :]: name for name in arrays_read}
    if any(name.startswith("v.blocks.") for name in short):
        layout, rename = "ast", _of_ast
    elif "time_new_pos_embed" in short:
        layout, rename = "passt", _of_passt
    elif any(name.removeprefix(_HF) == "embeddings.cls_token" for name in short):
        layout, rename = "ast-hf", _of_hugging_face
    else:
        some = ", ".join(sorted(arrays_read)[:4]) or "nothing"
        raise RecipeError(
            f"{path.name} is not a checkpoint of AST or PaSST: expected names such as 'v.blocks.0.attn.qkv.weight' or "
            f"'time_new_pos_embed'; found {some}."
        )
    tensors: dict[str, Array] = {}
    names: dict[str, str] = {}

    def put(ours: str, array: Array, original: str) -> None:
        if ours in tensors:
            raise RecipeError(
                f"{path.name} has {ours} twice, as {names[ours]!r} and {original!r}: one of the two would be lost. Remove the "
                "one that does not belong to the network."
            )
        tensors[ours], names[ours] = array, original

    for name, original in short.items():
        ours, array = rename(name), arrays_read[original]
        if ".attn.qkv." in ours and len(array) % 3 == 0:
            for part, third in zip("qkv", np.split(array, 3), strict=True):
                put(ours.replace("qkv", part), third, original)
        else:
            put(ours, array, original)
    return layout, tensors, names


def _of_ast(name: str) -> str:
    if UNUSED.fullmatch(name):
        return name
    return name.removeprefix("v.") if name.startswith("v.") else name.replace("mlp_head.", "head.")


def _of_passt(name: str) -> str:
    return name


def _of_hugging_face(name: str) -> str:
    name = name.removeprefix(_HF)
    before, layer = "", name
    if block := re.match(r"encoder\.layer\.(\d+)\.", name):
        before, layer = f"blocks.{block[1]}.", name[block.end() :]
    stem, dot, kind = layer.rpartition(".")
    if kind in ("weight", "bias"):
        return f"{before}{_HF_NAMES.get(stem, stem)}{dot}{kind}"
    return before + _HF_NAMES.get(layer, layer)


def _plan(path: Path, layout: str, tensors: Mapping[str, Array], heads: int | None, stride: tuple[int, int]) -> Plan:
    separate = layout == "passt"
    for name in ("cls_token", "patch_embed.proj.weight", "blocks.0.mlp.fc1.weight"):
        if name not in tensors:
            raise RecipeError(f"{path.name} has no tensor {name!r}, which a checkpoint of layout {layout} has.")
    if tensors["patch_embed.proj.weight"].ndim != 4:
        raise RecipeError(f"patch_embed.proj.weight of {path.name} must have 4 axes (width, colors, frequency, time).")
    width = tensors["cls_token"].shape[-1]
    if heads is None and width % _WIDTH_OF_A_HEAD:
        raise RecipeError(
            f"{path.name} is {width} wide, not a multiple of {_WIDTH_OF_A_HEAD}: pass the number of its attention heads."
        )
    heads = heads or width // _WIDTH_OF_A_HEAD
    if heads < 1 or width % heads:
        raise RecipeError(f"{path.name} is {width} wide, which is not divisible by {heads} heads.")
    blocks = {int(match[1]) for name in tensors if (match := _BLOCK.fullmatch(name))}
    if blocks != set(range(len(blocks))):
        raise RecipeError(f"{path.name} has blocks {sorted(blocks)}; expected 0 to {max(blocks)} without a gap.")
    sides = tensors["patch_embed.proj.weight"].shape[2:]
    epsilon, head_epsilon = _EPSILONS[layout]
    return Plan(
        width=width,
        depth=len(blocks),
        heads=heads,
        hidden=tensors["blocks.0.mlp.fc1.weight"].shape[0],
        patch=(sides[1], sides[0]),
        stride=stride,
        separate=separate,
        epsilon=epsilon,
        head_epsilon=head_epsilon,
    )


def _check(path: Path, tensors: Mapping[str, Array], names: Mapping[str, str], plan: Plan, layout: str) -> None:
    """Check that every tensor of the network is present in its shape, and no other; -1 = any number."""
    expected = _shapes(plan, tensors)
    wrong = [
        f"{names[name]} {tensors[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in tensors and not _alike(tensors[name].shape, shape)
    ]
    wrong += [f"no {name}" for name in expected if name not in tensors]
    wrong += [f"unknown {names[name]}" for name in tensors if name not in expected and not UNUSED.fullmatch(name)]
    if wrong:
        more = f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise RecipeError(
            f"{path.name} is of layout {layout}, {plan.width} wide, but has: {'; '.join(wrong[:4])}{more}. Every tensor must be "
            "known, so that no part of the network is lost."
        )


def _shapes(plan: Plan, tensors: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    d, hidden = plan.width, plan.hidden
    colors = tensors["patch_embed.proj.weight"].shape[1]
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, d),
        "dist_token": (1, 1, d),
        "patch_embed.proj.weight": (d, colors, *plan.patch[::-1]),
        "patch_embed.proj.bias": (d,),
    }
    if plan.separate:
        shapes |= {"new_pos_embed": (1, 2, d), "time_new_pos_embed": (1, d, 1, -1), "freq_new_pos_embed": (1, d, -1, 1)}
    else:
        shapes["pos_embed"] = (1, -1, d)
    norms, dense = ["norm"], dict[str, tuple[int, ...]]()
    for number in range(plan.depth):
        block = f"blocks.{number}"
        norms += [f"{block}.norm1", f"{block}.norm2"]
        dense |= {f"{block}.attn.{part}": (d, d) for part in ("q", "k", "v", "proj")}
        dense |= {f"{block}.mlp.fc1": (hidden, d), f"{block}.mlp.fc2": (d, hidden)}
    if any(name.startswith(("head.0.", "head.1.")) for name in tensors):  # a trunk alone has none
        norms.append("head.0")
        dense["head.1"] = (-1, d)
    for name in norms:
        shapes |= {f"{name}.weight": (d,), f"{name}.bias": (d,)}
    for name, shape in dense.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _alike(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(shape) == len(expected) and all(b in (-1, a) for a, b in zip(shape, expected, strict=True))
