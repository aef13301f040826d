"""A native benchmark program on a target: which one it is, what it can do, and one run of it, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.bench.command import Completed, plain
from edgekit.bench.runners import benchmark_output
from edgekit.bench.runners.benchmark_output import Output
from edgekit.bench.workspace import Workspace
from edgekit.errors import TargetError

NAME, WRAPPER = "benchmark_model", "timed.sh"
# Runs a program and prints the CPU seconds it used. toybox's timeout ends only its own child, so this ends the program.
WRAPPER_SCRIPT = b"""\
"$@" &
p=$!
trap 'kill -9 $p 2>/dev/null; exit 143' HUP INT TERM
wait $p
s=$?
printf '\\nEDGEKIT-TIMES '
times
exit $s
"""
_TIMES = "\nEDGEKIT-TIMES "
_PROBE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One successful run. kernels: what computed the model. cpu_s: user and system, None where the shell does not report them."""

    output: Output
    kernels: str
    cpu_s: float | None


class Program:
    """The program in the workspace and its flags. Kinds: edgekit's C runner, TensorFlow Lite's build, and LiteRT's build.

    Raises:
        TargetError: it does not start there, or is not benchmark_model.
    """

    def __init__(
        self, space: Workspace, delegate: str, *, timeout_s: float, prefix: Sequence[str] = (), libraries: bool = False
    ) -> None:
        self._space, self._timeout_s, self._prefix = space, timeout_s, prefix
        self._environment = {"LD_LIBRARY_PATH": space.folder} if libraries else {}
        self.delegate = delegate
        done = space.run([f"./{NAME}", "--help"], timeout_s=min(_PROBE_S, timeout_s), environment=self._environment)
        self.flags = benchmark_output.known_flags(_text(done))
        if not {"graph", "num_runs", "num_threads"} <= self.flags:
            raise TargetError(
                f"The runner does not work on {self._target}, or is not benchmark_model: its --help "
                f"({_ending(done.status)}) says: {done.last_line[:200]!r}."
            )
        self.own = self.knows("latencies_filepath", "invocation_batch")
        self.kind = (
            "edgekit's C runner"
            if self.own
            else "TensorFlow Lite's benchmark_model"
            if "input_layer_value_files" in self.flags
            else "LiteRT's benchmark_model"
        )

    def knows(self, *flags: str) -> bool:
        """Whether it has all these flags."""
        return self.flags.issuperset(flags)

    @property
    def _target(self) -> str:
        return self._space.transport.text

    def run(self, flags: Mapping[str, str | int | float], *, what: str) -> Run:
        """Run it once.

        Args:
            flags: without those of the delegate.
            what: the file that is measured, for messages.

        Raises:
            TargetError: it failed, did not know a flag, printed no valid result, or did not use the requested delegate.
        """
        given = {**flags, **self._delegate_flags()}
        argv = [*self._prefix, f"./{NAME}", *(f"--{name}={value}" for name, value in given.items())]
        done = self._space.run(["sh", WRAPPER, *argv], timeout_s=self._timeout_s, environment=self._environment)
        text = _text(done)
        if unknown := benchmark_output.unconsumed(text):
            raise TargetError(f"{self.kind} on {self._target} does not support {unknown}; its output was not used.")
        wrong = benchmark_output.failures(text)
        if wrong or done.status:
            message = "; ".join(wrong[:2]) or _last(done)
            raise TargetError(f"{what} failed on {self._target} ({_ending(done.status)}): {message[:300]}")
        try:
            output = benchmark_output.read(text)
        except ValueError as error:
            raise TargetError(f"{self.kind} on {self._target} gave no valid result for {what}: {error}.") from None
        return Run(output=output, kernels=self._verified(text), cpu_s=_cpu_seconds(done))

    def _delegate_flags(self) -> dict[str, str]:
        flag = {"none": "use_xnnpack", "gpu": "use_gpu", "nnapi": "use_nnapi"}.get(self.delegate)
        if flag is None:
            return {}
        if flag not in self.flags:
            raise TargetError(
                f"--delegate {self.delegate} was requested, but this build of {self.kind} has no --{flag}; use another --runner."
            )
        if self.delegate == "none":
            return {flag: "false"}
        full = {"require_full_delegation": "true"} if "require_full_delegation" in self.flags else {}
        return {flag: "true", **full}

    def _verified(self, log: str) -> str:
        """What computed the model, according to the log; it must be what was requested."""
        kernels = benchmark_output.kernels(log)
        wanted = {"none": ("builtin",), "gpu": ("gpu",), "nnapi": ("nnapi",)}.get(self.delegate, ("xnnpack", "builtin"))
        if kernels not in wanted:
            shown = " / ".join(benchmark_output.delegate_lines(log)[-4:]) or "no line about a delegate"
            raise TargetError(
                f"--delegate {self.delegate} was requested on {self._target}, but the program does not confirm that it "
                f"computed the whole model: {shown[:400]}"
            )
        if kernels == "nnapi" and benchmark_output.nnapi_is_reference(log):
            raise TargetError(
                f"--delegate nnapi was requested, but NNAPI on {self._target} has only nnapi-reference, which is the CPU."
            )
        return kernels


def _text(done: Completed) -> str:
    stdout = done.stdout.decode(errors="replace").rpartition(_TIMES)
    text = f"{stdout[0] if stdout[1] else stdout[2]}\n{done.stderr.decode(errors='replace')}"
    return "\n".join(map(plain, text.splitlines()))


def _cpu_seconds(done: Completed) -> float | None:
    """User and system seconds of the program: the second line of `times` is of the shell's children."""
    text = done.stdout.decode(errors="replace").rpartition(_TIMES)[2]
    times = re.findall(r"(\d+)m([\d.]+)s", text)
    return sum(60 * int(minutes) + float(seconds) for minutes, seconds in times[2:4]) if len(times) >= 4 else None


def _last(done: Completed) -> str:
    lines = [line for line in _text(done).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"


def _ending(status: int) -> str:
    return f"signal {status - 128}" if status > 128 else f"exit status {status}"
