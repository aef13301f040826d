"""Which files no other one beats."""

import base64

from edgekit.report import pareto


def test_the_front_is_what_no_file_beats_in_both():
    assert pareto.front([(10, 0.9), (5, 0.8), (20, 0.95), (12, 0.85), (5, 0.7)]) == {0, 1, 2}
    assert pareto.front([(10, 0.9), (10, 0.9), (11, 0.9)]) == {0, 1}, "equals beat nobody"
    assert pareto.front([]) == set()


def row(name, size, accuracy, **latencies):
    told = [
        {"target": target, "threads": threads, "p50_ms": p50, "emulated": target == "qemu"}
        for target, values in latencies.items()
        for threads, p50 in values.items()
    ]
    return {"name": name, "size_bytes": size, "test": {"accuracy": accuracy, "n": 100}, "latencies": told}


def test_points_have_the_fewest_threads_of_every_real_target():
    found = pareto.points([row("a", 2048, 0.9, host={2: 3.0, 1: 5.0}, qemu={1: 99.0}), row("b", 4096, 0.9)])
    assert found[0]["latencies"] == {"host": (5.0, 1)}
    assert [point["front"] for point in found] == [True, False]
    figures = pareto.plot(found)
    assert list(figures) == ["size", "latency"]
    drawing = base64.b64decode(figures["latency"].partition(",")[2]).decode()
    assert "median latency, ms" in drawing and "host" in drawing and "qemu" not in drawing
    assert list(pareto.plot(pareto.points([row("a", 2048, 0.9)]))) == ["size"]
