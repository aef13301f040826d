import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tests.unit.data import pictures

from edgekit import data
from edgekit.errors import DataError


@pytest.fixture
def pets(tmp_path):
    return pictures.classes(tmp_path / "pets")


def load(folder, **options):
    return data.load(str(folder), **{"val_fraction": 0.3} | options)


def everything(dataset):
    return sorted(np.concatenate([getattr(dataset, part).ids for part in ("train", "val", "cal", "test")]).tolist())


def test_class_folders_are_split_by_class(pets):
    dataset = load(pets)
    assert dataset.classes == ("cat", "dog")
    assert dataset.input.shape == (8, 8, 1)
    assert np.bincount(dataset.test.y).tolist() == [3, 3]
    assert everything(dataset) == sorted(f"{name}/{i:03}.png" for name in ("cat", "dog") for i in range(20))
    for name, label in zip(dataset.train.ids, dataset.train.y, strict=True):
        assert name.startswith(dataset.classes[label])
    assert not dataset.own_val
    assert "no test part" in dataset.notes[0]
    assert np.bincount(load(pets, test_fraction=0.5).test.y).tolist() == [10, 10]
    assert load(pets).fingerprint == dataset.fingerprint != load(pets, seed=1).fingerprint


def test_a_folder_too_small_for_validation_says_what_to_do(tmp_path):
    root = pictures.classes(tmp_path / "few", each=12)
    with pytest.raises(DataError, match=r"raise data\.val_fraction"):
        load(root, val_fraction=0.1)
    with pytest.raises(DataError, match=r"raise data\.test_fraction"):
        load(root, test_fraction=0.02)


def test_pixels_are_those_of_the_file_with_that_id(pets):
    dataset = load(pets)
    for name, image in zip(dataset.val.ids, dataset.val.x, strict=True):
        assert np.array_equal(image[..., 0], np.asarray(Image.open(pets / name)))


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_parts_of_its_own_are_used_as_they_are(tmp_path, val):
    root = tmp_path / "pets"
    for part, each in (("train", 20), (val, 4), ("cal", 3), ("test", 5)):
        pictures.classes(root / part, each=each)
    dataset = load(root)
    assert [len(getattr(dataset, part)) for part in ("train", "val", "cal", "test")] == [40, 8, 6, 10]
    assert dataset.own_val
    assert dataset.val.ids[0] == f"{val}/cat/000.png"
    assert dataset.notes == ()


def test_a_class_may_be_missing_from_test_but_not_from_train(tmp_path):
    root = tmp_path / "pets"
    pictures.classes(root / "train", ("cat", "dog", "owl"))
    pictures.classes(root / "test")
    assert load(root).classes == ("cat", "dog", "owl")
    pictures.classes(root / "test", ("emu",))
    with pytest.raises(DataError, match="test has the class 'emu', which train lacks"):
        load(root)


def test_a_test_folder_without_classes_is_noted_and_not_used(tmp_path):
    root = tmp_path / "pets"
    pictures.classes(root / "train")
    pictures.save(root / "test" / "1.png")
    pictures.save(root / "extra" / "1.png")
    dataset = load(root)
    assert len(dataset.test) == 6
    notes = "\n".join(dataset.notes)
    assert "no class folders" in notes
    assert "not used: extra" in notes


def test_numbered_classes_are_in_the_order_of_their_numbers_and_case_tells_classes_apart(tmp_path):
    assert load(pictures.classes(tmp_path / "n", ("10", "9", "2"))).classes == ("2", "9", "10")
    assert load(pictures.classes(tmp_path / "c", ("Cat", "cat"))).classes == ("Cat", "cat")


def test_all_formats_at_any_depth_and_in_color(tmp_path):
    root = pictures.classes(tmp_path / "pets")
    for i, suffix in enumerate((".jpg", ".JPEG", ".bmp", ".webp")):
        pictures.save(root / "cat" / "more" / f"x{i}{suffix}", 100 + i, mode="RGB")
    dataset = load(root)
    assert dataset.input.shape == (8, 8, 3)
    assert len(everything(dataset)) == 44
    assert "cat/more/x1.JPEG" in everything(dataset)


def test_sizes_that_differ_need_an_image_size(pets):
    pictures.save(pets / "dog" / "large.png", size=(12, 16))
    with pytest.raises(DataError, match=r"8x8 \(40 images, cat/000\.png\), 12x16 \(1 .*dog/large\.png\).*--image-size"):
        load(pets)
    assert load(pets, image_size=(6, 10)).input.shape == (6, 10, 1)


def test_groups_come_from_groups_csv(pets):
    lines = [f"{name}/{i:03}.png,camera{i % 4}" for name in ("cat", "dog") for i in range(20)]
    (pets / "groups.csv").write_text("path,group\n" + "\n".join(lines))
    dataset = load(pets, leave_out="camera2")
    assert set(dataset.test.group) == {"camera2"}
    assert len(dataset.test) == 10
    assert "camera2" not in set(dataset.train.group) | set(dataset.val.group) | set(dataset.cal.group)
    with pytest.raises(DataError, match="no group 'x' to leave out; its groups are camera0, camera1, camera2, camera3"):
        load(pets, leave_out="x")
    (pets / "groups.csv").write_text("path,group\n" + "\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"no line for 1 files, the first 'dog/019\.png'"):
        load(pets)
    (pets / "groups.csv").unlink()
    with pytest.raises(DataError, match="has no groups"):
        load(pets, leave_out="camera2")


def test_litter_is_ignored_and_other_files_are_counted(pets):
    for name in (".DS_Store", "Thumbs.db", ".hidden.png"):
        (pets / "cat" / name).write_bytes(b"x")
    (pets / ".git").mkdir()
    assert all("not images" not in note for note in load(pets).notes)
    (pets / "cat" / "notes.txt").write_text("hello")
    (pets / "README.md").write_text("hello")
    (pets / "stray.png").write_bytes(b"")
    note = next(note for note in load(pets).notes if "not images" in note)
    assert note.startswith("3 files")
    assert "1 .txt" in note


def bad_files(root):
    (root / "cat" / "a-empty.png").write_bytes(b"")
    (root / "cat" / "b-text.jpg").write_text("hello")
    whole = pictures.save(root / "dog" / "c-cut.jpg", size=(64, 64)).read_bytes()
    (root / "dog" / "c-cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "dog" / "d-gone.png").symlink_to(root / "nowhere.png")


def test_files_that_cannot_be_read_are_all_listed(pets):
    bad_files(pets)
    with pytest.raises(DataError) as error:
        load(pets)
    message = str(error.value)
    assert message.startswith("4 of 44 images cannot be read: ")
    for part in (
        "a-empty.png (empty file)",
        "b-text.jpg (not a PNG",
        "c-cut.jpg (truncated",
        "d-gone.png (No such file",
    ):
        assert part in message
    assert "--skip-bad leaves them out" in message
    assert "\n" not in message
    for i in range(4):
        (pets / "dog" / f"e{i}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"8 of 48 .* and 3 more"):
        load(pets)


def test_skip_bad_leaves_them_out_and_says_so(pets):
    bad_files(pets)
    before = sorted((path, path.lstat().st_mtime_ns) for path in pets.rglob("*"))
    dataset = load(pets, skip_bad=True)
    assert [skip.path for skip in dataset.skipped] == [
        "cat/a-empty.png",
        "cat/b-text.jpg",
        "dog/c-cut.jpg",
        "dog/d-gone.png",
    ]
    assert dataset.skipped[0].reason == "empty file"
    assert len(everything(dataset)) == 40
    assert sorted((path, path.lstat().st_mtime_ns) for path in pets.rglob("*")) == before


def test_when_nothing_of_a_class_can_be_read_it_has_no_samples(pets):
    for path in (pets / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no training sample of 'cat'"):
        load(pets, skip_bad=True)
    for path in (pets / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="None of the 40 images can be read"):
        load(pets, skip_bad=True)


def test_a_decompression_bomb_is_listed(pets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    pictures.save(pets / "cat" / "bomb.png", size=(11, 11))
    with pytest.raises(DataError, match=r"cat/bomb\.png \(more than 100 pixels\)"):
        load(pets)


def test_an_empty_class_folder_is_an_error(pets):
    (pets / "owl").mkdir()
    with pytest.raises(DataError, match=r"class folder .*owl has no PNG"):
        load(pets)


def test_one_class_is_an_error_that_looks_for_the_classes_below(pets, tmp_path):
    shutil.rmtree(pets / "dog")
    with pytest.raises(DataError, match="one class only, 'cat'"):
        load(pets)
    outer = tmp_path / "outer"
    pictures.classes(outer / "inner")
    with pytest.raises(DataError, match=r"Its folders may be the classes: --data .*outer/inner"):
        load(outer)


@pytest.mark.parametrize("names", [("Train", "Test"), ("Training", "Testing"), ("TRAIN", "test"), ("train", "TESTING")])
def test_parts_are_known_in_any_spelling(tmp_path, names):
    root = tmp_path / "pets"
    for name, each in zip(names, (20, 5), strict=True):
        pictures.classes(root / name, each=each)
    dataset = load(root)
    assert dataset.classes == ("cat", "dog")
    assert (len(dataset.test), len(everything(dataset))) == (10, 50)
    assert all(name.startswith(f"{names[1]}/") for name in dataset.test.ids)
    assert not any("not used" in note for note in dataset.notes)


def test_the_lists_of_speech_commands_decide_the_parts(tmp_path):
    root = pictures.classes(tmp_path / "pets", each=20)
    pictures.save(root / "_background_noise_" / "1.png")
    (root / "testing_list.txt").write_text("".join(f"{name}/{i:03}.png\n" for name in ("cat", "dog") for i in range(4)))
    (root / "validation_list.txt").write_text("cat/010.png\ncat/011.png\r\ndog/012.png\n\n")
    dataset = load(root)
    assert dataset.classes == ("cat", "dog")
    assert sorted(dataset.test.ids) == sorted(f"{name}/{i:03}.png" for name in ("cat", "dog") for i in range(4))
    assert sorted(dataset.val.ids) == ["cat/010.png", "cat/011.png", "dog/012.png"]
    assert any("_background_noise_ holds noise to mix in, so it is no class" in note for note in dataset.notes)
    assert any("testing_list.txt and validation_list.txt in" in note for note in dataset.notes)
    (root / "validation_list.txt").write_text("cat/001.png\n")
    with pytest.raises(DataError, match=r"'cat/001\.png' is in both"):
        load(root)
    (root / "validation_list.txt").write_text("cat/999.png\n")
    with pytest.raises(DataError, match=r"lists of parts name 1 files that are not there, such as 'cat/999\.png'"):
        load(root)
    names = [f"{name}/{i:03}.png\n" for name in ("cat", "dog") for i in range(20)]
    (root / "validation_list.txt").unlink()
    (root / "testing_list.txt").write_text("".join(names))
    with pytest.raises(DataError, match="no samples to train on"):
        load(root)


def test_a_sample_of_two_groups_is_refused(pets):
    """The last line would win, and a group that is left out would be trained on."""
    lines = [f"{name}/{i:03}.png,Ann" for name in ("cat", "dog") for i in range(20)]
    (pets / "groups.csv").write_text("path,group\n" + "\n".join([*lines, lines[3]]))
    assert set(load(pets).train.group) == {"Ann"}, "twice the same is one group"
    (pets / "groups.csv").write_text("path,group\n" + "\n".join([*lines, "cat/003.png,Bo"]))
    with pytest.raises(
        DataError, match=r"groups\.csv, line 42: 'cat/003\.png' has the group 'Bo' here and 'Ann' above"
    ):
        load(pets)


def test_a_folder_without_classes_is_an_error(tmp_path):
    pictures.save(tmp_path / "flat" / "1.png")
    with pytest.raises(DataError, match="no class folders"):
        load(tmp_path / "flat")


def test_test_without_train_and_two_validation_folders_are_errors(tmp_path):
    pictures.classes(tmp_path / "a" / "test")
    with pytest.raises(DataError, match="no train/"):
        load(tmp_path / "a")
    for part in ("train", "val", "valid"):
        pictures.classes(tmp_path / "b" / part)
    with pytest.raises(DataError, match="two folders of one part"):
        load(tmp_path / "b")


def test_links_are_followed_unless_they_lead_back(pets, tmp_path):
    shutil.move(pets / "dog", tmp_path / "elsewhere")
    (pets / "dog").symlink_to(tmp_path / "elsewhere")
    assert len(everything(load(pets))) == 40
    (tmp_path / "elsewhere" / "up").symlink_to(pets)
    with pytest.raises(DataError, match="a link to a folder above it"):
        load(pets)
    (tmp_path / "elsewhere" / "up").unlink()
    (pets / "self").symlink_to(pets / "self")
    with pytest.raises(DataError, match=r"cannot be followed|no PNG"):
        load(pets)


def test_a_folder_that_cannot_be_listed_is_an_error(pets, monkeypatch):
    real = os.scandir

    def refuse(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"Cannot read the folder .*dog: Permission denied"):
        load(pets)
