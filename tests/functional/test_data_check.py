"""`edgekit data check`, on folders and files as users have them."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.commands import edgekit


@pytest.fixture
def folder(tmp_path, shipped):
    """60 + 20 real pictures in two classes; one file is cut short, one empty, one copied into test, one re-encoded there."""
    root = tmp_path / "clothes"
    for part, count in (("train", 30), ("test", 10)):
        given = getattr(shipped, part)
        for name, k in (("shirt", 6), ("bag", 8)):
            (root / part / name).mkdir(parents=True)
            for i in np.flatnonzero(given.y == k)[:count]:
                Image.fromarray(given.x[i, ..., 0]).save(root / part / name / f"{i:05}.png")
    bags = sorted((root / "train/bag").iterdir())
    (root / "train/bag/cut.png").write_bytes(bags[0].read_bytes()[:150])
    (root / "train/bag/empty.jpg").write_bytes(b"")
    (root / "test/bag/copy.png").write_bytes(bags[1].read_bytes())
    Image.open(bags[2]).save(root / "test/bag/again.jpg", quality=90)
    (root / "train/shirt/copy.png").write_bytes(bags[3].read_bytes())
    return root


def test_unreadable_files_are_named_after_the_whole_report(folder):
    done = edgekit("data", "check", folder)
    assert done.returncode == 4
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    for text in ("2 files", "cut.png", "empty.jpg", "--skip-bad"):
        assert text in errors[0]
    for text in (
        "leaks, exact             1 of test",
        "leaks, near              1 of test",
        "copies, labels differ    1 group",
    ):
        assert text in done.stdout
    assert (folder / "train/bag/cut.png").exists(), "nothing is moved or deleted"


def test_json_and_the_page(folder, tmp_path):
    done = edgekit("data", "check", folder, "--skip-bad", "--json", "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {file["path"].rsplit("/", 1)[-1] for file in found["unreadable"]} == {"cut.png", "empty.jpg"}
    leaks = {leak["sample"]["id"].rsplit("/", 1)[-1]: leak["exact"] for leak in found["leaks"]}
    assert leaks["copy.png"] is True and leaks["again.jpg"] is False
    page = (tmp_path / "page.html").read_text()
    assert "copy.png" in page and "cut.png" in page and "data:image/png" in page


def test_pictures_can_be_resized(folder):
    done = edgekit("data", "check", folder, "--skip-bad", "--image-size", "16x20", "--near", "1")
    assert done.returncode == 0, done.stderr
    assert "near copies              not looked for" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fashon-mnist"], 2, "Did you mean 'fashion-mnist'"),
        (["nowhere/at/all"], 4, "does not exist"),
        (["fashion-mnist-mini", "--near", "2"], 2, "'--near'"),
        (["fashion-mnist-mini", "--image-size", "wide"], 2, "such as 96 or 96x128"),
        (["fashion-mnist-mini", "--html", "nowhere/page.html"], 2, "a folder that exists"),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_input_is_one_line(arguments, code, message, tmp_path):
    done = edgekit("data", "check", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_nan_in_an_npz_is_a_data_error(tmp_path):
    x = np.zeros((20, 8, 8), np.float32)
    x[3, 2, 2] = np.nan
    y = np.arange(20) % 2
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    done = edgekit("data", "check", tmp_path / "d.npz")
    assert done.returncode == 4
    assert "NaN" in done.stderr


def test_control_characters_in_names_do_not_reach_the_terminal(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 8, 8), np.uint8), np.arange(40) % 2
    np.savez(
        tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2], classes=np.array(["\x1b[31mred", "b"])
    )
    done = edgekit("data", "check", tmp_path / "d.npz")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "invisible characters" in done.stdout


def test_a_set_too_small_to_be_split_can_be_checked(tmp_path, shipped):
    for name, k in (("shirt", 6), ("bag", 8)):
        (tmp_path / "few" / name).mkdir(parents=True)
        for i in np.flatnonzero(shipped.train.y == k)[:3]:
            Image.fromarray(shipped.train.x[i, ..., 0]).save(tmp_path / "few" / name / f"{i}.png")
    done = edgekit("data", "check", tmp_path / "few", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["counts"]["train"] == [3, 3]


def test_files_that_leave_a_class_empty_are_named(tmp_path, shipped):
    for name in ("a", "b"):
        (tmp_path / "lost" / name).mkdir(parents=True)
    for i in range(4):
        Image.fromarray(shipped.train.x[i, ..., 0]).save(tmp_path / "lost/a" / f"{i}.png")
    (tmp_path / "lost/b/broken.png").write_bytes(b"nothing")
    done = edgekit("data", "check", tmp_path / "lost")
    assert done.returncode == 4
    assert "b/broken.png" in done.stderr
