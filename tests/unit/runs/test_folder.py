"""Crash safety: atomic writes, run folders and the stage cache."""

import os
import subprocess
import sys

import pytest
from tests.unit.bad_names import DIGEST, SECRET, untouched, victims, written

from edgekit.errors import DiskFull, IntegrityError, OutputInUse, UsageError
from edgekit.runs.cache import StageCache
from edgekit.runs.files import canonical_json, write_atomic
from edgekit.runs.folder import RunFolder


def test_a_failed_write_leaves_the_old_content_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DiskFull, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def make_run(path):
    folder = RunFolder.open(path)
    folder.write("a.txt", "a")
    folder.save_manifest(edgekit="0", status="running")
    folder.close()


def test_a_folder_with_a_run_is_not_overwritten_by_accident(tmp_path):
    make_run(tmp_path / "run")
    with pytest.raises(OutputInUse, match="--resume"):
        RunFolder.open(tmp_path / "run")


def test_force_keeps_files_that_the_user_made_or_changed(tmp_path):
    run = tmp_path / "run"
    make_run(run)
    (run / "notes.txt").write_text("mine")
    (run / "a.txt").write_text("changed by hand")
    folder = RunFolder.open(run, force=True)
    folder.write("a.txt", "of the new run")
    folder.close()
    assert (run / "notes.txt").read_text() == "mine"
    assert (run / "a.txt.kept").read_text() == "changed by hand"


def test_force_replaces_the_control_too(tmp_path):
    make_run(tmp_path / "run")
    make_run(tmp_path / "run" / "control")
    RunFolder.open(tmp_path / "run", force=True).close()
    assert not (tmp_path / "run" / "control" / "a.txt").exists()


def test_a_folder_is_a_run_from_the_first_moment(tmp_path):
    """Killed right after open: --resume and --force both know the folder."""
    RunFolder.open(tmp_path / "run", recipe="seed: 1").close()
    (tmp_path / "run" / ".edgekit-partial-x").write_text("half a write")
    folder = RunFolder.open(tmp_path / "run", resume=True)
    assert folder.manifest["recipe"] == "seed: 1"
    folder.close()
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["manifest.json"]


def test_a_folder_of_someone_elses_is_never_touched(tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")
    for options in ({}, {"force": True}, {"resume": True}):
        with pytest.raises(OutputInUse, match="not an edgekit run"):
            RunFolder.open(tmp_path, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


HOLD = """
import sys; from pathlib import Path; from edgekit.runs.folder import RunFolder
folder = RunFolder.open(Path(sys.argv[1])); print("held", flush=True); sys.stdin.read(); folder.close()
"""


def test_a_folder_that_another_process_writes_to_is_refused(tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputInUse, match="Another edgekit build"):
            RunFolder.open(run, resume=True)
        other.communicate("")
    RunFolder.open(run, resume=True).close()


def test_out_that_is_a_file_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not a folder"):
        RunFolder.open(tmp_path / "file")


def test_verify_names_the_file_that_changed(tmp_path):
    make_run(tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run", resume=True)
    folder.verify()
    (tmp_path / "run" / "a.txt").write_text("b")
    with pytest.raises(IntegrityError, match=r"a\.txt changed"):
        folder.verify()
    folder.verify(ignoring=("a.txt",))
    folder.close()


def test_a_damaged_manifest_is_an_integrity_error(tmp_path):
    make_run(tmp_path / "run")
    (tmp_path / "run" / "manifest.json").write_text("{")
    with pytest.raises(IntegrityError):
        RunFolder.open(tmp_path / "run", resume=True)


@pytest.mark.parametrize("files", [[], ["a"], "a", 3, None, {"a": 1}, {"a": None}, {"a": {"sha256": DIGEST}}])
@pytest.mark.parametrize("place", [".", "control"])
def test_files_that_are_no_names_with_digests_are_one_clear_error(tmp_path, files, place):
    run = tmp_path / "run"
    RunFolder.open(run).close()
    written(run / place / "manifest.json", {"files": files})
    (run / "a").write_text("kept")
    for options in ({"force": True}, {"resume": True}):
        with pytest.raises(IntegrityError, match="to map names to digests"):
            RunFolder.open(run, **options)
    assert (run / "a").read_text() == "kept"


@pytest.mark.parametrize("text", ["[]", "3", '"files"', "null", "[" * 100_000, "{"])
def test_a_manifest_of_another_kind_is_no_run(tmp_path, text):
    written(tmp_path / "manifest.json", text)
    with pytest.raises((OutputInUse, IntegrityError)):
        RunFolder.open(tmp_path, force=True)


@pytest.mark.parametrize("name", ["artifacts", "control", "models", "manifest.json", ".lock"])
def test_a_link_in_the_place_of_what_a_build_writes_is_refused_before_it(tmp_path, name):
    victim = tmp_path / "victim"
    victims(tmp_path, tmp_path / "elsewhere")
    written(tmp_path / "run" / "manifest.json", {"files": {}})
    if name == "control":  # a whole run of someone else's
        written(tmp_path / "other" / "manifest.json", {"files": {"mine": DIGEST}})
        (tmp_path / "other" / "mine").write_bytes(SECRET)
        victim = tmp_path / "other"
    (tmp_path / "run" / name).unlink(missing_ok=True)
    (tmp_path / "run" / name).symlink_to(victim if "." not in name else victim / "new")
    with pytest.raises(IntegrityError, match="by a link"):
        RunFolder.open(tmp_path / "run", force=True)
    untouched(tmp_path)
    assert (victim / "mine").read_bytes() == SECRET


def test_only_half_written_files_of_a_run_are_cleared_away(tmp_path):
    run = tmp_path / "run"
    victims(tmp_path, tmp_path / "elsewhere")
    part = ".edgekit-partial-"
    for folder in (run, run / "models", tmp_path / "mine"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{part}1").write_text("half")
    (run / f"{part}folder").mkdir()
    (run / f"{part}link").symlink_to(tmp_path / "victim" / "mine")
    (run / "notes").symlink_to(tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(OutputInUse):
        RunFolder.open(tmp_path / "mine", force=True)
    written(run / "manifest.json", {"files": {"../victim/mine": DIGEST}})
    with pytest.raises(IntegrityError):
        RunFolder.open(run, force=True)
    assert (run / f"{part}1").exists()
    written(run / "manifest.json", {"files": {}})
    RunFolder.open(run, force=True).close()
    assert sorted(path.name for path in run.rglob("*")) == [f"{part}folder", "manifest.json", "models", "notes"]
    assert (tmp_path / "mine" / f"{part}1").read_text() == "half"
    untouched(tmp_path)


def test_a_stage_runs_once_and_again_when_its_result_is_damaged(tmp_path):
    cache, calls = StageCache(tmp_path), []

    def work(folder):
        calls.append(1)
        (folder / "out.txt").write_text("result")

    folder = cache.run("s", {"a": 1}, work)
    assert cache.run("s", {"a": 1}, work) == folder
    assert len(calls) == 1
    cache.run("s", {"a": 2}, work)
    assert len(calls) == 2
    (folder / "out.txt").write_text("damaged")
    assert not cache.has("s", {"a": 1})
    cache.run("s", {"a": 1}, work)
    assert len(calls) == 3
    assert (folder / "out.txt").read_text() == "result"


def test_a_result_that_another_build_made_meanwhile_is_kept(tmp_path):
    """Two builds make the same stage: the slower one must not pull the files from under the other."""
    cache = StageCache(tmp_path)

    def slow(folder):
        cache.run("s", {}, lambda other: (other / "out.txt").write_text("first"))
        (folder / "out.txt").write_text("second")

    folder = cache.run("s", {}, slow)
    assert (folder / "out.txt").read_text() == "first"
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_stage_that_fails_leaves_nothing_behind(tmp_path):
    cache = StageCache(tmp_path)

    def work(folder):
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.run("s", {}, work)
    assert not cache.has("s", {})
    assert list((tmp_path / "s").iterdir()) == []


def test_size_and_clear(tmp_path):
    cache = StageCache(tmp_path / "c")
    cache.run("s", {}, lambda folder: (folder / "x").write_bytes(bytes(1000)))
    assert cache.size_bytes() > 1000
    assert cache.clear() > 1000
    assert cache.size_bytes() == 0


def test_canonical_json_has_one_spelling():
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})
