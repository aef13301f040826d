"""Products made of real runs, and the command line of the zoo."""

import json
import shutil

import pytest
from tests.commands import edgekit
from tests.conftest import REPOSITORY, SHIPPED

from edgekit import recipe
from edgekit.errors import IntegrityError, OutputInUse, UsageError
from edgekit.pipeline.build import build
from edgekit.zoo import products
from edgekit.zoo.publish import publish
from edgekit.zoo.verify import verify

NAME = "fashion-mnist-microresnet-int8"


def test_list_shows_the_products_as_the_manifest_has_them():
    assert NAME in edgekit("list", "zoo").stdout
    assert NAME in json.loads(edgekit("list", "zoo", "--json").stdout)["zoo"]


def test_verify_says_what_is_wrong_and_exits_with_it(tmp_path):
    shutil.copytree(REPOSITORY / "models" / NAME, tmp_path / NAME)
    zoo = {"EDGEKIT_ZOO": str(tmp_path)}
    done = edgekit("zoo", "verify", "--json", env=zoo)
    assert done.returncode == 0, done.stderr
    assert {row["product"] for row in json.loads(done.stdout)} == {NAME}
    assert edgekit("zoo", "verify", "fashion", env=zoo).returncode == 2
    assert edgekit("zoo", "verify", "--data", SHIPPED, env=zoo).returncode == 2

    manifest = tmp_path / NAME / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"n": 2000, "accuracy": 0.99}))
    done = edgekit("zoo", "verify", "--data", SHIPPED, env=zoo)
    assert done.returncode == 7
    assert "manifest 0.9900" in done.stderr

    (tmp_path / NAME / "labels.txt").write_text("a\n")
    done = edgekit("zoo", "verify", env=zoo)
    assert done.returncode == 9
    assert "labels.txt changed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def runs(small_npz, tmp_path_factory):
    """Two runs that differ in the RNG seed, and one of another recipe."""
    folder = tmp_path_factory.mktemp("runs")
    values = {"data.spec": str(small_npz), "student.name": "conv8", "training.epochs": 1, "bench.targets": ()}
    for name, more in (
        ("1", {"seed": 1}),
        ("2", {"seed": 2}),
        ("other", {"seed": 1, "quantization.calibration_samples": 99}),
    ):
        build(recipe.load(values={**values, **more}), folder / name)
    return folder


@pytest.mark.tf
def test_a_product_ships_the_file_that_validation_chose_and_reports_all_seeds(runs, tmp_path):
    product = publish([runs / "2", runs / "1"], "small", tmp_path, results="results.json")
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    assert {finding.check: finding.ok for finding in verify(product)} == dict.fromkeys(
        ("digests", "size", "recipe", "labels", "runs", "batch", "accuracy"), True
    )
    found = product.manifest
    rows = {}
    for seed in (1, 2):
        report = json.loads((runs / str(seed) / "report.json").read_text())
        rows[seed] = {
            e["split"]: e["accuracy"] for e in report["evaluations"] if e["artifact"] == report["run"]["shipped"]
        }
    assert found["seeds"] == [1, 2]
    assert found["accuracies"] == [rows[1]["test"], rows[2]["test"]]
    assert found["mean_accuracy"] == pytest.approx((rows[1]["test"] + rows[2]["test"]) / 2, abs=1e-6)
    assert found["seed"] == max((1, 2), key=lambda seed: rows[seed]["val"])
    shipped = runs / str(found["seed"]) / "artifacts" / found["artifact"]
    assert product.artifact.read_bytes() == shipped.read_bytes()
    text = (product.path / "recipe.yaml").read_text()
    assert "2 RNG seeds" in text and "results.json" in text
    assert recipe.load(product.path / "recipe.yaml").seed == found["seed"]


@pytest.mark.tf
def test_it_is_replaced_only_when_asked(runs, tmp_path):
    publish([runs / "1"], "small", tmp_path)
    with pytest.raises(OutputInUse):
        publish([runs / "2"], "small", tmp_path)
    publish([runs / "2"], "small", tmp_path, force=True)
    (product,) = products(tmp_path)
    assert product.manifest["seed"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.tf
def test_runs_that_do_not_belong_together_or_were_changed_are_refused(runs, tmp_path):
    with pytest.raises(UsageError, match=r"differ in quantization\.calibration_samples"):
        publish([runs / "1", runs / "other"], "small", tmp_path)
    with pytest.raises(UsageError, match="seed 1"):
        publish([runs / "1", runs / "1"], "small", tmp_path)
    changed = shutil.copytree(runs / "1", tmp_path / "changed")
    (changed / "artifacts" / "labels.txt").write_text("a\n")
    with pytest.raises(IntegrityError, match="changed"):
        publish([changed], "small", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["changed"]
