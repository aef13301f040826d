"""edgekit bench: latency, accuracy and parity of files on this machine and on attached devices."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli.console import Console
from edgekit.cli.outlets import GateOption, Junit, Summary, Told, outlets
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.bench.measure import Benched
    from edgekit.evidence.gates import Demand
    from edgekit.recipe import BenchSection
    from edgekit.types import Measurement

Data = Annotated[
    str | None,
    typer.Option(help="Labeled images for accuracy and parity, as for build; left out: latency only, on noise."),
]
Threads = Annotated[str, typer.Option(help="Thread counts, comma-separated; 0 = all cores of the target.")]
Runs = Annotated[int, typer.Option(min=50, help="Counted runs of each file, at least.")]
Affinity = Annotated[
    str | None, typer.Option(metavar="big|little|MASK", help="Cores to run on; a mask is hexadecimal, e.g. f0.")
]
Delegate = Annotated[str, typer.Option(help="xnnpack, none (plain kernels), or a phone's gpu or nnapi.")]
SampleCount = Annotated[int | None, typer.Option("--samples", min=1, help="Test images for accuracy; default: all.")]
Retries = Annotated[int, typer.Option(min=0, max=10, help="Further attempts when a latency is not valid.")]
Profile = Annotated[bool, typer.Option("--profile", help="Also time each operator, where the runner can.")]
Fixed = Annotated[bool, typer.Option("--fixed-performance", help="Android's fixed-performance mode meanwhile.")]
Runner = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A native runner for the target: benchmark_model, or edgekit's own.")
]
RunnerSha = Annotated[str | None, typer.Option("--runner-sha256", metavar="HEX", help="The digest it must have.")]
Library = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="A library that the runner loads; pushed beside it.")
]
TimeLimit = Annotated[int, typer.Option("--timeout", min=10, help="Most seconds that one program may run there.")]
Save = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the measurements, raw ones too, there.")
]


def bench(
    files: o.Files, data: Data = None, image_size: o.ImageSize = None, target: o.Target = None,
    threads: Threads = "1,0", runs: Runs = 100,
    affinity: Affinity = None, delegate: Delegate = "xnnpack", split: o.SplitName = "test", samples: SampleCount = None,
    input_range: o.InputRange = "0-1", retries: Retries = 1, profile: Profile = False, fixed_performance: Fixed = False,
    runner: Runner = None, runner_sha256: RunnerSha = None, library: Library = None, timeout: TimeLimit = 600,
    gate: GateOption = None, junit: Junit = None, summary: Summary = None,
    seed: o.Seed = None, out: Save = None, as_json: o.Json = False,
) -> None:  # fmt: skip
    """Latency of files with evidence that it is valid, and with --data their accuracy, on this machine or attached devices."""
    from edgekit import recipe
    from edgekit.bench import files as benching

    plan = recipe.bench_of(
        targets=tuple(target or ("host",)), threads=benching.parse_threads(threads), runs=runs,
        affinity=affinity, delegate=delegate, samples=samples, retries=retries, profile=profile,
        fixed_performance=fixed_performance, runner=str(runner.resolve()) if runner else None, runner_sha256=runner_sha256,
        libraries=tuple(str(path.resolve()) for path in library or ()), timeout_s=timeout,
    )  # fmt: skip
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise UsageError(f"--out {out} cannot be written: expected a file in a folder that exists.")
    with outlets("bench", ", ".join(map(str, files)), gate or (), junit, summary) as told:
        demands = _demands(gate or (), plan)
        saved = _Saved(out, as_json)
        with Console() as reporter:
            found = benching.bench_files(
                files, data, plan, reporter,
                split_name=split, input_range=input_range, image_size=image_size, seed=seed, done=saved.done,  # type: ignore[arg-type]
            )  # fmt: skip
        saved.finish(found.failures)
        _tell(told, files, demands, found, saved.rows, as_json)
        rest = (
            "" if not saved.rows else f"What was measured is in {out}." if out else "What else was measured is above."
        )
        found.raise_failures(rest)
        told.raise_missed()


def _demands(texts: Sequence[str], plan: BenchSection) -> list[Demand]:
    """What the files are judged by, refused before any work if it will not be measured."""
    from edgekit.bench import measure
    from edgekit.evidence import gates

    targets = [endpoint.text for endpoint, _ in measure.check(plan)] if texts else []
    measured = (*gates.SIZES, *gates.AT_TARGETS)
    return gates.demanded(texts, targets, plan.threads, measured=measured, instead="`edgekit evaluate` judges it")


def _tell(
    told: Told, files: Sequence[Path], demands: Sequence[Demand], found: Benched, rows: Sequence[Any], as_json: bool
) -> None:
    from edgekit.bench.standalone import artifact_of
    from edgekit.evidence import gates
    from edgekit.report import integrity, outcome

    told.add(files=outcome.of_measurements(found.measurements), checks=integrity.on_targets(rows, found.failures))
    judged = []
    for path in files if demands else ():
        artifact = artifact_of(path)
        own = [row for row in found.measurements if row.artifact_sha256 == artifact.sha256]
        judged.append((str(path), gates.judge(demands, artifact, None, own, found.failures)))
    told.judge(judged, quiet=as_json)


class _Saved:
    """What was measured so far: printed, and written to --out, as each target is done."""

    def __init__(self, out: Path | None, as_json: bool) -> None:
        self._out, self._as_json = out, as_json
        self.rows: list[dict[str, Any]] = []

    def done(self, found: Sequence[Measurement]) -> None:
        from edgekit.store import write_atomic

        self.rows.extend(dataclasses.asdict(row) for row in found)
        if not self._as_json:
            for line in lines(found):
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
    from edgekit.bench.parity import told

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
        same = f"; {told(row.parity)}" if row.parity else ""
        yield f"    accuracy {row.accuracy:.4f} on {row.samples:,} samples{same}"
    for each in row.profile[:10]:
        yield f"    {each['share']:>6.1%} {each['ms']:>9.4f} ms  {each['type']}  {each['name']}"
