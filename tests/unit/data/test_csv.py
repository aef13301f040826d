import numpy as np
import pytest
from tests.unit.data import pictures

from edgekit import data
from edgekit.errors import DataError

PIXELS = ",".join(f"pixel{i}" for i in range(16))


def kaggle(path, rows=60, header=f"label,{PIXELS}", labels=("0", "1", "2"), change=None):
    lines = [header] + [
        f"{labels[i % len(labels)]},{','.join(str((i * 7 + k) % 256) for k in range(16))}" for i in range(rows)
    ]
    if change:
        number, text = change
        lines[number - 1] = text
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def load(path, **options):
    return data.load(str(path), **{"val_fraction": 0.3} | options)


def everything(dataset):
    return sorted(np.concatenate([getattr(dataset, part).ids for part in ("train", "val", "cal", "test")]).tolist())


def test_the_digit_recognizer_form(tmp_path):
    dataset = load(kaggle(tmp_path / "train.csv"))
    assert dataset.input.shape == (4, 4, 1)
    assert dataset.classes == ("0", "1", "2")
    assert everything(dataset) == sorted(f"train/{i}" for i in range(60))
    for name, image, label in zip(dataset.test.ids, dataset.test.x, dataset.test.y, strict=True):
        row = int(name.split("/")[1])
        assert image.ravel().tolist() == [(row * 7 + k) % 256 for k in range(16)]
        assert label == row % 3


def test_a_folder_with_an_unlabeled_test_file_names_it_and_cuts_test_from_train(tmp_path):
    kaggle(tmp_path / "digits" / "train.csv")
    lines = [PIXELS] + [",".join(str(i) for _ in range(16)) for i in range(5)]
    (tmp_path / "digits" / "test.csv").write_text("\n".join(lines))
    dataset = load(tmp_path / "digits")
    assert dataset.name == "digits"
    assert len(dataset.test) == 9
    assert "test.csv has no labels" in dataset.notes[0]
    assert dataset.fingerprint == load(tmp_path / "digits" / "train.csv").fingerprint


def test_a_labeled_test_file_is_the_test_part(tmp_path):
    kaggle(tmp_path / "digits" / "train.csv")
    kaggle(tmp_path / "digits" / "test.csv", rows=6)
    assert load(tmp_path / "digits").test.ids.tolist() == [f"test/{i}" for i in range(6)]


def test_quotes_byte_order_marks_blank_lines_and_names_as_labels_are_read(tmp_path):
    plain = load(kaggle(tmp_path / "plain.csv", labels=("cat", "dog")))
    text = (tmp_path / "plain.csv").read_text().replace("cat,", '"cat", ').replace("dog,14,", 'dog,"14",')
    (tmp_path / "odd.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n\r\n").encode())
    odd = load(tmp_path / "odd.csv")
    assert odd.classes == plain.classes == ("cat", "dog")
    assert odd.fingerprint == plain.fingerprint


def test_labels_need_not_count_from_zero(tmp_path):
    assert load(kaggle(tmp_path / "t.csv", labels=("1", "5", "10"))).classes == ("1", "5", "10")


def test_image_size_gives_the_sides_of_oblong_images_or_resizes(tmp_path):
    path = kaggle(tmp_path / "t.csv")
    assert load(path, image_size=(2, 8)).input.shape == (2, 8, 1)
    assert load(path, image_size=(6, 6)).input.shape == (6, 6, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((31, f"0,{'1,' * 14}1"), "line 31: 16 fields, but the header has 17 columns"),
        ((31, f"0,{'1,' * 15}x"), "line 31: pixel15 is 'x'; expected a whole number from 0 to 255"),
        ((31, f"0,{'1,' * 15}256"), "line 31: pixel15 is '256'"),
        ((31, f"0,{'1,' * 15}-1"), "line 31: pixel15 is '-1'"),
        ((31, f"0,{'1,' * 15}1.5"), "line 31: pixel15 is '1.5'"),
        ((31, f"0,{'1,' * 15}"), "line 31: pixel15 is ''"),
        ((31, f",{'1,' * 15}1"), "line 31: label is empty"),
        ((31, f"\n0,{'1,' * 15}x"), "line 32: pixel15 is 'x'"),
        ((1, PIXELS + ",pixel16"), "no column 'label'"),
        ((1, f"label,pixel0,{PIXELS.replace('pixel15', 'x')}"[:-2]), "two columns named 'pixel0'"),
        ((1, f"label,group,{PIXELS[:-8]}"), "15 pixel columns, which do not form a square"),
    ],
)
def test_a_pixel_table_that_does_not_fit_is_refused_with_the_line(tmp_path, change, message):
    path = kaggle(tmp_path / "t.csv", change=change)
    with pytest.raises(DataError, match=message) as error:
        load(path)
    assert "\n" not in str(error.value)


def test_empty_and_binary_files_are_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="is empty; expected a header"):
        load(tmp_path / "empty.csv")
    (tmp_path / "header.csv").write_text(f"label,{PIXELS}\n\n")
    with pytest.raises(DataError, match="a header but no rows"):
        load(tmp_path / "header.csv")
    (tmp_path / "binary.csv").write_bytes(b"label,pixel0\n\xff\xfe\x00\x81")
    with pytest.raises(DataError, match=r"not readable as CSV|which do not form a square"):
        load(tmp_path / "binary.csv")


@pytest.fixture
def listed(tmp_path):
    """40 pictures of two classes from four cameras and the CSV that lists them."""
    root = pictures.classes(tmp_path / "pets")
    lines = [f"{name}/{i:03}.png,{name},camera{i % 4}" for name in ("cat", "dog") for i in range(20)]
    path = root / "labels.csv"
    path.write_text("path,label,group\n" + "\n".join(lines) + "\n")
    return path


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_a_list_of_files_gives_what_the_folder_gives(listed):
    dataset, folder = load(listed), load(listed.parent)
    assert dataset.test.ids.tolist() == folder.test.ids.tolist()
    assert np.array_equal(dataset.test.x, folder.test.x)
    assert set(dataset.train.group) == {f"camera{i}" for i in range(4)}


def test_a_split_column_decides_the_parts(listed):
    text = listed.read_text().splitlines()
    parts = ["split"] + [("train", "train", "val", "test", "train")[i % 5] for i in range(40)]
    listed.write_text("\n".join(f"{line},{part}" for line, part in zip(text, parts, strict=True)))
    dataset = load(listed)
    assert dataset.own_val
    assert (len(dataset.val), len(dataset.test)) == (8, 8)
    rewrite(listed, ",val\n", ",spare\n")
    with pytest.raises(DataError, match="line 4: split is 'spare'"):
        load(listed)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cat/003.png,cat,camera3", "cat/003.png,cat", "line 5: 2 fields, but the header has 3 columns"),
        ("cat/003.png,cat,", "cat/003.png,,", "line 5: label is empty"),
        ("cat/003.png,cat,camera3", "cat/003.png,cat,", "line 5: group is empty"),
        ("cat/003.png", "cat/002.png", r"line 5: 'cat/002\.png' is already listed \(labels\.csv, line 4\)"),
        ("cat/003.png", "./cat/002.png", "already listed"),
        ("cat/003.png", "cat/gone.png", r"1 of 40 images cannot be read: cat/gone\.png \(No such file"),
        ("path,label,group", "path,class,group", "no column 'label'; its columns are path, class, group"),
        ("cat/003.png,cat", '"cat/003.png,cat', "not readable as CSV"),
        ("cat/003.png,cat", "cat/\0.png,cat", "line 5: not readable as CSV in UTF-8 .line contains NUL"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_with_the_line(listed, old, new, message):
    with pytest.raises(DataError, match=message):
        load(rewrite(listed, old, new))


def test_missing_files_can_be_left_out(listed):
    dataset = load(rewrite(listed, "cat/003.png", "cat/gone.png"), skip_bad=True)
    assert [skip.path for skip in dataset.skipped] == ["cat/gone.png"]
    assert len(everything(dataset)) == 39
    assert dataset.train.group is not None


def test_one_label_only_is_an_error(listed):
    listed.write_text(listed.read_text().replace(",dog,", ",cat,"))
    with pytest.raises(DataError, match="at least 2"):
        load(listed)


def test_csv_files_as_other_programs_write_them(listed, tmp_path):
    """Windows' paths are read; no header line, other separators and UTF-16 are named."""
    plain, text = load(listed), listed.read_text()
    listed.write_text(text.replace("/", "\\"))
    dataset = load(listed)
    assert dataset.test.ids.tolist() == plain.test.ids.tolist() and np.array_equal(dataset.test.x, plain.test.x)
    for change, message in (
        (text.replace(",", ";"), r"separates its columns by ';'; expected commas"),
        (text.replace(",", "\t"), r"separates its columns by '\\t'"),
    ):
        listed.write_text(change)
        with pytest.raises(DataError, match=message):
            load(listed)
    listed.write_text(text, encoding="utf-16")
    with pytest.raises(DataError, match="is encoded in UTF-16; expected UTF-8"):
        load(listed)
    numbers = kaggle(tmp_path / "numbers" / "t.csv", header="3,0,0,7")
    with pytest.raises(DataError, match=r"has no header line: its first line is 3,0,0,7\. Put one first"):
        load(numbers)
    counted = kaggle(tmp_path / "counted" / "t.csv", header=",".join(map(str, range(17))))
    with pytest.raises(DataError, match="no column 'label'"):
        load(counted)
