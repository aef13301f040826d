"""Inputs: samples, splits and data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgekit.notebook import reprs
from edgekit.types.audio import AudioOptions, FrontEnd

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Images(Protocol):
    """(N, H, W, C) uint8 or float32: an ndarray, or a `data.images.LazyImages` that decodes what is indexed."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def ndim(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Samples of one split.

    x: (N, H, W, C) uint8 pixels, or float32 already in [0, 1]; larger than memory, it decodes what is indexed.
    y: (N,) int64 in [0, K), -1 in an unlabeled pool. ids: (N,) unique str.
    group: (N,) str (speaker, site, camera) or None.
    clip: (N,) str, the clip that each sample is a segment of; None = every sample is whole.
    content: (N, 32) uint8, the SHA-256 of the file each sample was computed from, if x depends on how a machine computes;
    None = x itself was read.
    """

    x: Images
    y: NDArray[np.int64]
    ids: NDArray[np.str_]
    group: NDArray[np.str_] | None = None
    clip: NDArray[np.str_] | None = None
    content: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """A model's input: (H, W, C), pixel/255 as float32 in [0, 1], or audio features, (T, F, 1) float32 in [0, 1].

    mirrored: whether a left-right flip keeps every label (clothes: yes; digits, text: no); False for unknown data.
    front_end: computes audio features; None = images.
    """

    shape: tuple[int, int, int]
    mirrored: bool = False
    dtype: str = "float32"
    preprocessing: str = "pixel / 255, float in [0, 1]"
    front_end: FrontEnd | None = None

    @property
    def noun(self) -> str:
        """The user's word for the samples."""
        return "images" if self.front_end is None else "clips"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was left out because it cannot be read, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a source reads files: image_size is (H, W) to resize images to; skip_bad leaves unreadable files out."""

    image_size: tuple[int, int] | None = None
    skip_bad: bool = False
    audio: AudioOptions = field(default_factory=AudioOptions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawData:
    """What a data source returns: its train part, and test, val and cal if it has them.

    notes: what the user should know about how the source was read, one sentence each. front_end: for audio; None = images.
    root: for audio, the folder that the clips' ids are relative to.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    train: Split
    test: Split | None = None
    val: Split | None = None
    cal: Split | None = None
    mirrored: bool = False
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    front_end: FrontEnd | None = None
    root: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """A data set ready for every stage: val is for gates and learning curves, cal for temperature and thresholds.

    own_val: the source had its own val; it was not cut from train. portions: the keys of the recipe's data that were "auto",
    as the numbers that cut these parts. flipped: ids of the training samples whose labels were made wrong on purpose
    (data.noise); None = there are none. root: for audio, the folder that the clips' ids are relative to.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    input: InputSpec
    train: Split
    val: Split
    cal: Split
    test: Split
    fingerprint: str
    own_val: bool = False
    portions: Mapping[str, float | int] = field(default_factory=dict)
    flipped: NDArray[np.str_] | None = None
    root: Path | None = None
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """(K,) training samples of each class."""
        import numpy as np

        return np.bincount(self.train.y, minlength=len(self.classes))

    def __repr__(self) -> str:
        return reprs.dataset(self)

    def _repr_html_(self) -> str:
        return reprs.dataset_html(self)
