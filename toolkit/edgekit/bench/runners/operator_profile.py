"""The operators' times that benchmark_model writes as CSV with --enable_op_profiling (tflite/profiling, StatsCalculator)."""

from __future__ import annotations

from edgekit.bench.session import Operator


def read(text: str) -> list[Operator]:
    """The operators of the counted runs in execution order; each one's `ms` is its mean, times its calls per run.

    The file holds several tables, first those of the initialization; the last one headed "Run Order" is read.

    Raises:
        ValueError: there is no such table, or a row that does not match its header.
    """
    lines = [line.strip() for line in text.splitlines()]
    starts = [i for i, line in enumerate(lines) if line.startswith("=") and "Run Order" in line]
    if not starts or starts[-1] + 1 >= len(lines):
        raise ValueError('no table "Run Order"')
    table = lines[starts[-1] + 1 :]
    names = [name.strip().replace(" ", "_").lower() for name in table[0].split(",")]
    try:
        kind, mean, calls, name = (names.index(key) for key in ("node_type", "avg_ms", "times_called", "name"))
    except ValueError:
        raise ValueError(f"a table with the columns {', '.join(names)}") from None
    rows: list[tuple[str, str, float]] = []
    for line in table[1:]:
        if not line or line.startswith("="):
            break
        values = [value.strip() for value in line.split(",", len(names) - 1)]
        if len(values) < len(names):
            raise ValueError(f"an incomplete row: {line!r}")
        rows.append((values[kind], values[name], float(values[mean]) * max(1, int(values[calls]))))
    whole = sum(ms for *_, ms in rows) or 1.0
    return [Operator(type=kind_, name=name_, ms=ms, share=ms / whole) for kind_, name_, ms in rows]
