"""edgekit bench: latency, accuracy and parity of files on this machine and on attached devices."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli.ci_outputs import CommandResult, reported_to_ci
from edgekit.cli.console import Console
from edgekit.cli.signature import taking
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.bench.measure import Benched
    from edgekit.evidence.gates import Demand
    from edgekit.recipe import BenchSection
    from edgekit.types import Measurement

KEYS = ("data.image_size", *o.keys(o.TARGETS), "gates", "seed")

Data = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC", rich_help_panel=o.DATA,
        help="Labeled data set for accuracy and for comparing outputs. By default only latency is measured, on noise.",
    ),
]  # fmt: skip
Save = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the measurements, raw ones included.", rich_help_panel=o.RUN),
]


@taking(*KEYS)
def bench(
    files: o.Files,
    values: Mapping[str, Any],
    data: Data = None,
    split: o.SplitName = "test",
    input_range: o.InputRange = "0-1",
    out: Save = None,
    junit: o.Junit = None,
    summary: o.Summary = None,
    as_json: o.Json = False,
) -> None:
    """Measure the latency of files, with evidence that it is valid.

    With --data it also measures accuracy, and compares the outputs with those of this machine.
    """
    from edgekit import recipe
    from edgekit.bench import files as benching

    bench_only = {key: value for key, value in values.items() if key.startswith("bench.")}
    plan, gates = recipe.load(values=bench_only).bench, values["gates"] or ()
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise UsageError(f"--out {out} cannot be written: expected a file in a folder that exists.")
    with reported_to_ci("bench", ", ".join(map(str, files)), gates, junit, summary) as result:
        demands = _demands(gates, plan)
        saved = _Saved(out, as_json)
        with Console() as reporter:
            benched = benching.bench_files(
                files, data, plan, reporter,
                split_name=split, input_range=input_range,  # type: ignore[arg-type]
                image_size=values["data.image_size"], seed=values["seed"], done=saved.done,
            )  # fmt: skip
        saved.finish(benched.failures)
        _report(result, files, demands, benched, saved.rows, as_json)
        written = f"The measurements so far are in {out}." if out else "The other measurements are above."
        benched.raise_failures(written if saved.rows else "")
        result.raise_missed()


def _demands(texts: Sequence[str], plan: BenchSection) -> list[Demand]:
    """What the files are judged by; refused before any work if it will not be measured."""
    from edgekit.bench import measure
    from edgekit.evidence import gates

    targets = [endpoint.text for endpoint, _ in measure.check(plan)] if texts else []
    measured = (*gates.SIZES, *gates.AT_TARGETS)
    return gates.demanded(texts, targets, plan.threads, measured=measured, instead="`edgekit evaluate` judges it")


def _report(
    result: CommandResult,
    files: Sequence[Path],
    demands: Sequence[Demand],
    benched: Benched,
    rows: Sequence[Any],
    as_json: bool,
) -> None:
    from edgekit.evidence import gates
    from edgekit.inference.standalone import artifact_of
    from edgekit.report import integrity
    from edgekit.report.ci import outcome

    result.add(files=outcome.of_measurements(benched.measurements), checks=integrity.on_targets(rows, benched.failures))
    judged = []
    for path in files if demands else ():
        artifact = artifact_of(path)
        own = [row for row in benched.measurements if row.artifact_sha256 == artifact.sha256]
        judged.append((str(path), gates.judge(demands, artifact, None, own, benched.failures)))
    result.judge(judged, quiet=as_json)


class _Saved:
    """What was measured so far: printed, and written to --out, as each target is done."""

    def __init__(self, out: Path | None, as_json: bool) -> None:
        self._out, self._as_json = out, as_json
        self.rows: list[dict[str, Any]] = []

    def done(self, measurements: Sequence[Measurement]) -> None:
        from edgekit.runs.files import write_atomic

        self.rows.extend(dataclasses.asdict(row) for row in measurements)
        if not self._as_json:
            for line in lines(measurements):
                typer.echo(line)
        if self._out is not None:
            write_atomic(self._out, json.dumps({"schema": 1, "measurements": self.rows}, indent=2) + "\n")

    def finish(self, failures: Iterable[str]) -> None:
        if self._as_json:
            typer.echo(json.dumps(self.rows, indent=2))
            return
        for failed in failures:
            typer.echo(f"{failed}: not measured")


def lines(rows: Sequence[Measurement]) -> Iterator[str]:
    """The measurements of one target as text."""
    device = rows[0].device
    cores = f"{device['cores']} cores" if device["cores"] else None
    about = ", ".join(filter(None, (device["model"], device["soc"], device["cpu"], cores, device["os"])))
    yield f"{rows[0].target}: {about or 'unknown device'}" + (" (EMULATED)" if rows[0].emulated else "")
    yield f"  {rows[0].method}"
    for row in rows:
        yield from _row(row)


def _row(row: Measurement) -> Iterator[str]:
    from edgekit.bench.parity import describe

    low, high = row.p50_interval_ms
    p90 = "" if row.p90_ms is None else f"  p90 {row.p90_ms:.3f}"
    memory = "" if row.peak_rss_bytes is None else f"  peak RSS {row.peak_rss_bytes / 1024**2:.0f} MB"
    pinned = f" on CPU {','.join(map(str, row.affinity))}" if row.affinity else ""
    yield (
        f"  {row.artifact:<24} {row.threads} thread(s){pinned}  p50 {row.p50_ms:.4g} ms ({low:.4g} to {high:.4g}){p90}"
        f"  init {row.init_ms:.1f} ms{memory}  {row.runtime}, {row.kernels}"
    )
    yield f"    {'emulated' if row.emulated else row.verdict}" + (
        f": {row.invalid_reason}" if row.invalid_reason else ""
    )
    if relative := row.conditions["relative"]:
        low, high = relative["interval"]
        yield f"    {relative['ratio']:.3g} times {relative['to']} ({low:.3g} to {high:.3g}), run in turn"
    if row.accuracy is not None:
        same = f"; {describe(row.parity)}" if row.parity else ""
        yield f"    accuracy {row.accuracy:.4f} on {row.samples:,} samples{same}"
    for each in row.profile[:10]:
        yield f"    {each['share']:>6.1%} {each['ms']:>9.4f} ms  {each['type']}  {each['name']}"
