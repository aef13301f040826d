"""runs/latest points to the run that ended last, and never takes the place of anything else."""

from edgekit.runs import latest


def test_the_link_is_relative_and_moves_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        assert latest.point_to(run) == tmp_path / "runs/latest"
        link = tmp_path / "runs/latest"
        assert link.is_symlink() and link.readlink().as_posix() == name
    assert latest.point_to(tmp_path / "runs/latest") is not None, "a run that was named by the link"
    assert (tmp_path / "runs/latest").readlink().as_posix() == "b"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["a", "b", "latest"]


def test_a_folder_or_file_of_that_name_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, taken = tmp_path / "runs/a", tmp_path / "runs/latest"
    run.mkdir(parents=True)
    taken.mkdir()
    (taken / "mine").write_text("x")
    assert latest.point_to(run) is None
    assert (taken / "mine").read_text() == "x" and not taken.is_symlink()
    (taken / "mine").unlink()
    taken.rmdir()
    taken.write_text("a file")
    assert latest.point_to(run) is None and taken.read_text() == "a file"
    taken.unlink()
    taken.mkdir()
    assert latest.point_to(taken) is None, "a run that is itself called so"


def test_runs_elsewhere_leave_no_link(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run in (tmp_path / "elsewhere", tmp_path / "runs/a/control", tmp_path / "other/runs/a"):
        run.mkdir(parents=True)
        assert latest.point_to(run) is None
    assert not list(tmp_path.rglob("latest"))


def test_a_link_that_leads_nowhere_is_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs/a"
    run.mkdir(parents=True)
    (tmp_path / "runs/latest").symlink_to("gone")
    latest.point_to(run)
    assert (tmp_path / "runs/latest").readlink().as_posix() == "a"
