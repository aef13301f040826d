"""The protocols of the families (sources, curation methods, ...), and of progress reporting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgekit.types.curation import Decision, Pool, Signals
    from edgekit.types.data import RawData, ReadOptions


class Reporter(Protocol):
    """Where a stage reports its progress. The command line prints it; a library caller may pass `Silent()`."""

    def stage(self, title: str) -> None:
        """A stage starts."""

    def progress(self, done: int, total: int, text: str) -> None:
        """`done` of `total` steps of the current stage are complete; `text` has the latest figures."""

    def note(self, text: str) -> None:
        """A result worth a line."""

    def warn(self, text: str) -> None:
        """Something the user should know before trusting the result."""


class Silent:
    """A Reporter that says nothing."""

    def stage(self, title: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


class Source(Protocol):
    """A data source: reads `spec` (a path, or the source's own name) into RawData. Raises DataError."""

    def __call__(self, spec: str, options: ReadOptions, /) -> RawData: ...


class CurationMethod(Protocol):
    """A curation method: arrays in, Decision out; higher scores = more worth keeping.

    budget: how many samples to drop, already checked to be in [1, N), or None: methods that only rank ignore
    it, methods that choose a subset (random, ccs, glister) use it. params: values of the recipe's curation section.
    """

    def __call__(
        self, signals: Signals, /, *, budget: int | None, seed: int, params: Mapping[str, Any]
    ) -> Decision: ...


class PoolStrategy(Protocol):
    """Ranks an unlabeled pool: which samples to label next; (N,) float32, higher = label earlier."""

    def __call__(self, pool: Pool, /, *, count: int, seed: int) -> NDArray[np.float32]: ...


class Student(Protocol):
    """A network: `build(keras, input_shape, classes)` returns a Keras 3 functional model that ends in Softmax."""

    def __call__(self, keras: Any, input_shape: tuple[int, int, int], classes: int, /) -> Any: ...
