"""hf: and tfds: through the real libraries, on data prepared here; skipped where the extras are not installed."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from tests.unit.data import pictures

from edgekit import data, registry
from edgekit.errors import DataError, MissingExtra

NAMES = ["cat", "dog"]


def load(spec, **options):
    return data.load(spec, **{"val_fraction": 0.3} | options)


@pytest.mark.parametrize("source", ["hf", "tfds"])
def test_a_missing_extra_is_named(source, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=rf"edgekit\[{source}\]"):
        load(f"{source}:mnist")


def test_the_hub_sources_are_no_names_to_be_mixed_up_with_data_sets():
    with pytest.raises(DataError, match="does not exist"):
        load("hf/mnist")
    assert registry.SOURCES["hf"].extra == "hf"


@pytest.fixture
def parquet(tmp_path):
    """A folder with a train and a test parquet file, as `push_to_hub` lays them out."""
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    folder = tmp_path / "toy"
    folder.mkdir()

    def table(count, labels):
        columns = {
            "image": [Image.fromarray(np.full((8, 8), i * 5, np.uint8)) for i in range(count)],
            "label": labels or [i % 2 for i in range(count)],
            "group": [f"g{i % 5}" for i in range(count)],
        }
        features = datasets.Features(
            image=datasets.Image(), label=datasets.ClassLabel(names=NAMES), group=datasets.Value("string")
        )
        return datasets.Dataset.from_dict(columns, features=features)

    def write(test_labels=None):
        table(40, None).to_parquet(folder / "train-00000-of-00001.parquet")
        table(6, test_labels).to_parquet(folder / "test-00000-of-00001.parquet")
        return f"hf:{folder}"

    datasets.disable_progress_bars()
    return write


def test_a_local_parquet_folder(parquet):
    dataset = load(parquet())
    assert dataset.classes == ("cat", "dog")
    assert dataset.input.shape == (8, 8, 1)
    assert dataset.test.ids.tolist() == [f"test/{i}" for i in range(6)]
    assert dataset.test.x[:, 0, 0, 0].tolist() == [0, 5, 10, 15, 20, 25]
    assert dataset.test.y.tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.test.group.tolist() == ["g0", "g1", "g2", "g3", "g4", "g0"]


def test_secret_test_labels_are_noted_and_test_is_cut_from_train(parquet):
    dataset = load(parquet(test_labels=[-1] * 6))
    assert "test has no labels" in dataset.notes[0]
    assert len(dataset.test) == 6  # 15 % of a set of 40


def test_a_local_image_folder(tmp_path):
    pytest.importorskip("datasets")
    pictures.classes(tmp_path / "pets" / "train")
    pictures.classes(tmp_path / "pets" / "test", each=3)
    dataset, ours = load(f"hf:{tmp_path / 'pets'}"), load(str(tmp_path / "pets"))
    assert dataset.classes == ours.classes
    assert np.array_equal(dataset.test.x, ours.test.x)


def test_what_the_hub_cannot_give_is_one_line(tmp_path):
    datasets = pytest.importorskip("datasets")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded"):
        load(f"hf:{tmp_path / 'empty'}")
    datasets.Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "empty" / "train.parquet")
    with pytest.raises(DataError, match="no image column; its columns are text"):
        load(f"hf:{tmp_path / 'empty'}")


# Writing needs TensorFlow, reading does not: both have processes of their own.
_WRITE = """
import sys
import numpy as np
import tensorflow_datasets as tfds

class Toy(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=["cat", "dog"]),
            "group": np.str_,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, download):
        return {"train": self._generate_examples(40), "test": self._generate_examples(6)}

    def _generate_examples(self, count):
        for i in range(count):
            yield i, {"image": np.full((8, 8, 1), i * 5, np.uint8), "label": i % 2, "group": f"g{i % 5}"}

for file_format in ("array_record", "tfrecord"):
    Toy(data_dir=f"{sys.argv[1]}/{file_format}", file_format=file_format).download_and_prepare()
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """{file format: a spec of the toy set in it}"""
    pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("prepared")
    subprocess.run([sys.executable, "-c", _WRITE, str(folder)], check=True, capture_output=True)
    return {path.name: f"tfds:{path}/toy/1.0.0" for path in folder.iterdir()}


@pytest.mark.tf
def test_a_prepared_tfds_folder_is_read_without_tensorflow(prepared):
    spec = prepared["array_record"]
    dataset = load(spec)
    assert dataset.classes == ("cat", "dog")
    assert dataset.input.shape == (8, 8, 1)
    # tfds shuffles when it writes: each image must still have its own label and group.
    value = dataset.test.x[:, 0, 0, 0] // 5
    assert sorted(value.tolist()) == list(range(6))
    assert (value % 2).tolist() == dataset.test.y.tolist()
    assert [f"g{i % 5}" for i in value] == dataset.test.group.tolist()
    code = f"import sys; from edgekit import data; data.load({spec!r}, val_fraction=.3); print('tensorflow' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


@pytest.mark.tf
def test_other_tfds_files_are_refused_with_the_way_out(prepared):
    with pytest.raises(DataError, match="--file_format=array_record"):
        load(prepared["tfrecord"])


def test_a_tfds_name_that_is_none_is_one_line(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(DataError, match=r"tfds:nosuchset: Dataset nosuchset not found\.$"):
        load("tfds:nosuchset")
    with pytest.raises(DataError, match=r"no dataset_info\.json"):
        load(f"tfds:{tmp_path}")
