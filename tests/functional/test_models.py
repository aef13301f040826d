"""Every product in models/ is whole, and runs as its manifest says."""

import pytest

from edgekit.inference import litert
from edgekit.zoo import products
from edgekit.zoo.verify import verify

PRODUCTS = products()


def test_there_is_a_product():
    assert PRODUCTS


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_it_is_what_its_manifest_says(product):
    findings = verify(product)
    assert not [finding for finding in findings if finding.ok is False]
    # There is no data set in a test's environment, and verifying must not fetch one.
    assert [finding.check for finding in findings if finding.ok is None] == ["accuracy"]
    low, high = product.manifest["accuracy_interval"]
    assert low < product.manifest["accuracy"] < high
    assert product.manifest["seed"] in product.manifest["seeds"]
    head = (product.path / "recipe.yaml").read_text().splitlines()
    for word in ("command", "time", "expected", "measured"):
        assert any(line.startswith(f"# {word} ") for line in head), word


@pytest.mark.parametrize(
    "product", [p for p in PRODUCTS if p.manifest["dataset"] == "fashion-mnist"], ids=lambda product: product.name
)
def test_accuracy_on_the_shipped_images(product, shipped):
    accuracy = (litert.probabilities(product.artifact, shipped.test.x).argmax(axis=1) == shipped.test.y).mean()
    assert accuracy >= product.manifest["accuracy"] - 0.02, "the shipped test images are a fifth of the official ones"
