import json
import shutil

import pytest
from tests.conftest import REPOSITORY, SHIPPED

from edgekit.errors import IntegrityError, OutputInUse, UsageError
from edgekit.evidence.proportion import wilson
from edgekit.inference import litert
from edgekit.zoo import products, root
from edgekit.zoo.publish import publish
from edgekit.zoo.verify import verify

NAME = "fashion-mnist-microresnet-int8"


@pytest.fixture
def zoo(tmp_path):
    """A zoo of one product, a copy that may be damaged."""
    shutil.copytree(REPOSITORY / "models" / NAME, tmp_path / "zoo" / NAME)
    return tmp_path / "zoo"


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def states(zoo, **options):
    (product,) = products(zoo)
    return {finding.check: finding.ok for finding in verify(product, **options)}


def test_the_zoo_is_where_it_is_said_to_be(zoo, monkeypatch):
    assert root() == REPOSITORY / "models"
    monkeypatch.setenv("EDGEKIT_ZOO", str(zoo))
    assert root() == zoo
    assert root(zoo.parent) == zoo.parent
    with pytest.raises(UsageError, match="--zoo DIR"):
        root(zoo / "nowhere")


def test_a_whole_product_passes_every_check_and_its_accuracy_needs_the_data(zoo):
    checks = ("digests", "size", "recipe", "labels", "runs", "batch")
    assert states(zoo) == dict.fromkeys(checks, True) | {"accuracy": None}
    assert states(zoo, spec="mnist")["accuracy"] is None, "another named set is not even read"
    assert states(zoo, spec=str(SHIPPED))["accuracy"] is None, "2,000 images are not the 10,000 of the manifest"


@pytest.mark.parametrize("name", ["model_int8.tflite", "card.md", "recipe.yaml", "labels.txt"])
def test_a_changed_file_is_found_and_nothing_is_run(zoo, name):
    with open(zoo / NAME / name, "ab") as file:
        file.write(b"\n")
    found = states(zoo)
    assert found["digests"] is False
    assert found["size"] is (name != "model_int8.tflite")
    assert found["runs"] is found["accuracy"] is None


def test_missing_and_added_files_are_found(zoo):
    (zoo / NAME / "card.md").unlink()
    (zoo / NAME / "notes.txt").write_text("")
    (product,) = products(zoo)
    assert verify(product)[0].detail == "card.md is missing; notes.txt is not in the manifest"


def test_accuracy_is_measured_on_the_data_and_held_against_the_manifest(zoo, shipped):
    p = litert.probabilities(products(zoo)[0].artifact, shipped.test.x)
    accuracy = float((p.argmax(axis=1) == shipped.test.y).mean())
    for recorded, ok in ((accuracy, True), (accuracy - 0.001, False), (accuracy + 0.001, False)):
        change(zoo / NAME / "manifest.json", n=2000, accuracy=recorded)
        assert states(zoo, spec=str(SHIPPED))["accuracy"] is ok


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"artifact": "../model.tflite"}, "leads out of the folder"),
        ({"files": {"/etc/passwd": ""}}, "leads out of the folder"),
        ({"artifact": "sub/model.tflite"}, "not a file of its own folder"),
        ({"files": ["model.tflite"]}, "to map names to digests"),
    ],
)
def test_a_manifest_may_name_only_files_beside_it(zoo, values, message):
    change(zoo / NAME / "manifest.json", **values)
    with pytest.raises(IntegrityError, match=message):
        products(zoo)


@pytest.mark.parametrize("text", ["{", "[]", '{"artifact": "model_int8.tflite"}'])
def test_a_damaged_manifest_is_named(zoo, text):
    (zoo / NAME / "manifest.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        products(zoo)


def test_wilsons_interval_of_five_in_ten():
    """(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with z = 1.95996: 0.5 ± 0.26341."""
    assert wilson(0.5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)
    assert wilson(1.0, 100)[1] == pytest.approx(1)


def test_what_is_no_finished_run_is_not_published(zoo, tmp_path):
    with pytest.raises(IntegrityError, match="not a finished run"):
        publish([tmp_path], "new", zoo)
    with pytest.raises(UsageError, match="is not a valid product name"):
        publish([tmp_path], "../new", zoo)
    with pytest.raises(OutputInUse, match="--force"):
        publish([tmp_path], NAME, zoo)
    (zoo / "mine").mkdir()
    with pytest.raises(OutputInUse, match="not a product"):
        publish([tmp_path], "mine", zoo, force=True)
    assert sorted(path.name for path in zoo.iterdir()) == [NAME, "mine"]
