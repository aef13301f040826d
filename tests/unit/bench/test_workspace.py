"""What is pushed to a target again, what stays in its cache, and a target that does not answer; on this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.bench import android, cache
from edgekit.bench import workspace as module
from edgekit.bench.cache import CACHED_BYTES
from edgekit.bench.targets import host
from edgekit.bench.workspace import Workspace, workspace
from edgekit.errors import TargetError
from edgekit.recipe import addresses


@pytest.fixture
def here() -> Iterator[host.Host]:
    transport = host.connect(addresses.parse("host"))
    yield transport
    transport.close()


@pytest.fixture
def space(here: host.Host) -> Iterator[Workspace]:
    with workspace(here) as made:
        yield made


def kept(here: host.Host) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(here.base, "cache").glob("*")}


def large(seed: int, size: int = CACHED_BYTES) -> bytes:
    return bytes([seed]) * size


@pytest.mark.parametrize("cached", [[], ["m0.tflite"]])
def test_the_same_content_is_not_sent_again(cached, space: Workspace):
    for _ in range(2):
        space.push({"m0.tflite": large(1), "job.json": b"{}"}, cached=cached)
        assert space.pushed_bytes == CACHED_BYTES + 2
        assert space.pull("m0.tflite") == large(1)


def test_a_file_that_was_removed_or_changed_there_is_sent_again(space: Workspace):
    for spoil in (["rm", "x0.bin"], ["sh", "-c", "echo >>x0.bin"]):
        space.push({"x0.bin": b"abc"})
        assert space.run(spoil, timeout_s=20).status == 0
        space.push({"x0.bin": b"abc"})
        assert space.pull("x0.bin") == b"abc"


@pytest.mark.parametrize("cached", [[], ["m0.tflite"]])
@pytest.mark.parametrize("second", [b"small", large(2)])
def test_other_content_of_the_same_name_leaves_the_cache_alone(second, cached, here: host.Host, space: Workspace):
    space.push({"m0.tflite": large(1)}, cached=["m0.tflite"])
    space.push({"m0.tflite": second}, cached=cached)
    assert space.pull("m0.tflite") == second
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in kept(here).items())
    space.push({"m0.tflite": large(1)}, cached=["m0.tflite"])
    assert space.pull("m0.tflite") == large(1)
    assert space.pushed_bytes == CACHED_BYTES + len(second), "the first one came from the cache"


def test_only_large_files_that_are_named_stay(here: host.Host, space: Workspace):
    space.push({"m0.tflite": large(1), "x0.bin": large(2), "small": b"abc"}, cached=["m0.tflite", "small"])
    assert list(kept(here).values()) == [large(1)]


def test_the_oldest_go_first(here: host.Host, space: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "_KB", 3 << 10)
    for number in range(4):
        space.push({f"m{number}.tflite": large(number)}, cached=[f"m{number}.tflite"])
        os.utime(Path(here.base, "cache", hashlib.sha256(large(number)).hexdigest()), (number, number))
        if number == 2:
            assert len(kept(here)) == 3
    assert sorted(content[0] for content in kept(here).values()) == [1, 2, 3]
    monkeypatch.setattr(cache, "_FILES", 1)
    space.push({"m4.tflite": large(4)}, cached=["m4.tflite"])
    assert list(kept(here).values()) == [large(4)]
    space.push({"m5.tflite": large(5, 4 << 20)}, cached=["m5.tflite"])
    assert list(kept(here).values()) == [large(4)], "what is larger than all of the cache never enters it"


def test_nothing_stays_where_space_is_short(here: host.Host, space: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "_KB", 1 << 40)
    space.push({"m0.tflite": large(1)}, cached=["m0.tflite"])
    assert kept(here) == {}


def test_many_files_go_in_several_scripts(here: host.Host, space: Workspace, monkeypatch: pytest.MonkeyPatch):
    sizes = []
    run = here.run

    def counted(script: str, *, timeout_s: float):
        sizes.append(len(script))
        return run(script, timeout_s=timeout_s)

    monkeypatch.setattr(here, "run", counted)
    files = {f"x{number:016d}.bin": b"%d" % number for number in range(120)}
    for _ in range(2):
        space.push(files)
    assert space.pushed_bytes == sum(map(len, files.values()))
    assert len(sizes) == 6 and max(sizes) < 10_000


class Silent(host.Host):
    """A target that lets us in and says nothing."""

    def start(self, script: str):
        return super().start("sleep 60 | cat")


@pytest.mark.parametrize(
    ("where", "limit", "block", "message"),
    [
        (module, "_FOLDER_S", workspace, "No folder could be created on host: it did not answer within"),
        (android, "_ANSWER_S", android.fixed_performance, "host did not answer within .* fixed-performance mode"),
    ],
)
def test_a_target_that_does_not_answer(where, limit, block, message, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(where, limit, 0.3)
    transport = Silent(addresses.parse("host"))
    try:
        with pytest.raises(TargetError, match=message), block(transport):
            pytest.fail("the block was entered")
    finally:
        transport.close()
