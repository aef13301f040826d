"""A spectrogram transformer in the size of a public checkpoint, AST (arXiv 2104.01778) or PaSST (arXiv 2110.05069).

The layout of the file's tensors decides which. What the tensors do not determine is as in the published networks: one attention
head for each 64 of the width, and patches every 10 frames and bands, which must match the number of positions. The weights
are loaded when the network is trained (`training.published`).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from edgekit.errors import RecipeError
from edgekit.students import transformer
from edgekit.students.pretrained import checkpoints

BANDS = 128  # of every published network


def build(keras: Any, input_shape: tuple[int, int, int], classes: int, backbone: Path) -> Any:
    """(N, T, F, 1) -> (N, K); spectrograms of at least one patch, 16x16 in the published networks.

    Raises:
        RecipeError: the file at `backbone` is not a checkpoint of AST or PaSST, or has another arrangement of patches.
        IntegrityError, MissingExtra: as `students.tensor_files.arrays`.
    """
    checkpoint = checkpoints.read(backbone)
    plan = checkpoint.plan
    rows = (BANDS - plan.patch[1]) // plan.stride[1] + 1
    if plan.separate and (own := checkpoint.tensors["freq_new_pos_embed"].shape[2]) != rows:
        raise RecipeError(
            f"{backbone.name} has positions of {own} frequencies; expected {rows}, which {BANDS} bands have with patches of "
            f"{plan.patch[1]} every {plan.stride[1]}. Use a checkpoint with that stride."
        )
    patchout = transformer.PATCHOUTS["structured" if plan.separate else "none"]
    plan = dataclasses.replace(plan, patchout=patchout)
    return transformer.build(keras, input_shape, classes, plan, checkpoint.layout.replace("-", "_"))
