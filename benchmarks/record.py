"""How every benchmark here reports: progress to stderr, one JSON line to stdout, the whole to results/<name>.json.

A run that is not quick also renews the table of docs/figures.md, so that the page says what the files say.
"""

from __future__ import annotations

import argparse
import enum
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import figures

from edgekit.bench import facts
from edgekit.errors import EdgekitError, MissingExtra
from edgekit.runs.environment import environment

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
T = TypeVar("T")


class Case(enum.IntEnum):
    """How much is measured; as `if quick`, both of the smaller ones are true."""

    WHOLE = 0
    QUICK = 1
    TINY = 2

    def of(self, whole: T, quick: T, tiny: T) -> T:
        """That of the three which is this case's."""
        return (whole, quick, tiny)[self]


def cpu_facts() -> dict[str, Any]:
    """What is known of this machine."""
    done = subprocess.run(["sh", str(facts.SCRIPT)], capture_output=True, text=True, check=True)
    measured = facts.parse(done.stdout)
    return {key: measured[key] for key in ("machine", "kernel", "os", "cpu", "cores", "governors")}


def parser(doc: str | None, quick: str = "a smaller case") -> argparse.ArgumentParser:
    """With --quick, where `met` is null if that case cannot decide, and --tiny: both set `quick`, a Case."""
    result = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    result.set_defaults(quick=Case.WHOLE)
    for case, text in (
        (Case.QUICK, f"{quick}, within 60 s on 2 cores"),
        (Case.TINY, "the smallest case that runs, for the tests; it says nothing, and writes no result"),
    ):
        result.add_argument(f"--{case.name.lower()}", dest="quick", action="store_const", const=case, help=text)
    return result


def arguments(doc: str | None) -> argparse.Namespace:
    """The arguments of a benchmark that has no others."""
    return parser(doc).parse_args()


def run(main: Callable[[], T]) -> T:
    """A benchmark's `main`; what edgekit lacks or refuses is told in a line, with its exit code."""
    try:
        return main()
    except EdgekitError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def lacking(text: str) -> NoReturn:
    """End with one line that says what is missing and how to get it."""
    print(f"Error: {Path(sys.argv[0]).stem} needs {text}", file=sys.stderr)
    raise SystemExit(MissingExtra.exit_code)


def need(how: str, *, packages: tuple[str, ...] = (), programs: tuple[str, ...] = ()) -> None:
    """End so unless all of these are installed; `how` they are."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    missing += [name for name in programs if shutil.which(name) is None]
    if missing:
        lacking(f"{' and '.join(missing)}: {how}")


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def median(samples: list[float]) -> float:
    """The median, which is what may be quoted on a noisy machine."""
    return statistics.median(samples)


def kept(name: str) -> dict[str, Any]:
    """The result file as it is; empty where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def put(page: Path, begin: str, text: str, end: str) -> None:
    """Write `text` between two marks of a page."""
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + "\n\n" + text + end + rest.split(end)[1])


def record(
    name: str, value: float, unit: str, goal: str, met: bool | None, detail: dict[str, Any], raw: Any, quick: bool
) -> None:
    """Print the JSON line and write the result file: of a quick run results/<name>.quick.json, which git ignores."""
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "goal": goal,
        "met": met,
        "detail": detail | {"quick": bool(quick)},
    }
    facts = {
        "measured": time.strftime("%Y-%m-%d"),
        "device": cpu_facts(),
        "load_average": os.getloadavg(),
        **environment(),
    }
    if quick is not Case.TINY:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}{'.quick' if quick else ''}.json"
        # Other benchmarks may read the file while they write docs/figures.md.
        scratch = path.with_name(f".{path.name}")
        scratch.write_text(json.dumps({**line, **facts, "raw": raw}, indent=1) + "\n")
        scratch.replace(path)
    print(json.dumps(line))
    if not quick:
        figures.write()
