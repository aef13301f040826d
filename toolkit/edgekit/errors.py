"""All errors a user can see, with their exit codes.

EdgekitError                    1   internal error
├── UsageError                  2   a wrong option, or options that do not go together
│   ├── UnknownName             2   an unknown name, with the closest match
│   ├── RecipeError             2   a recipe file or value that is invalid
│   └── OutputInUse             2   the output folder is not empty, or another build writes to it
├── MissingExtra                3   a feature whose packages are not installed
├── DataError                   4   data that cannot be read or is inconsistent
├── TrainingError               5   training that diverged or could not run
│   └── NotLearned              5   a file that is no better than always predicting the largest class
├── ExportError                 6   a model that could not be converted
├── GateNotMet                  7   a file that misses a required accuracy, size, latency or parity
├── TargetError                 8   a target that could not be reached or measured
└── IntegrityError              9   a file whose digest differs from the recorded one
    └── DiskFull                9   no disk space left to write to
Interrupted                   130   Ctrl-C

A message says what was expected, what was found and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EdgekitError(Exception):
    """Base of every error shown to a user in one line, without a traceback; `report` is the run's report, if it was written."""

    exit_code = 1

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class UsageError(EdgekitError):
    """A wrong option, or options that do not go together."""

    exit_code = 2


class UnknownName(UsageError):
    """An unknown name, with the closest match."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(names)}."
        super().__init__(f"Unknown {what} {name!r}. {hint}")


class RecipeError(UsageError):
    """A recipe file or value that is invalid."""


class OutputInUse(UsageError):
    """The output folder is not empty, or another build is writing to it."""


class MissingExtra(EdgekitError):
    """A feature whose packages are not installed."""

    exit_code = 3

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed: pip install 'edgekit[{extra}]'")


class DataError(EdgekitError):
    """Data that cannot be read or is inconsistent."""

    exit_code = 4


class TrainingError(EdgekitError):
    """Training that diverged or could not run."""

    exit_code = 5


class NotLearned(TrainingError):
    """A file that is no better than always predicting the largest class."""


class ExportError(EdgekitError):
    """A model that could not be converted."""

    exit_code = 6


class GateNotMet(EdgekitError):
    """A file that misses a required accuracy, size, latency or parity."""

    exit_code = 7


class TargetError(EdgekitError):
    """A target that could not be reached or measured."""

    exit_code = 8


class IntegrityError(EdgekitError):
    """A file whose digest differs from the recorded one."""

    exit_code = 9


class DiskFull(IntegrityError):
    """No disk space left to write to."""


class Interrupted(EdgekitError):
    """The user stopped the run."""

    exit_code = 130
