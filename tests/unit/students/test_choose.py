"""`--student auto`, by the sizes in facts.json."""

import pytest

from edgekit.errors import RecipeError
from edgekit.students.choose import choose, expected_sizes
from edgekit.students.facts import facts

GRAY = (28, 28, 1)


def size(name, width, shape):
    return next(fact.int8_bytes for fact in facts()[name][width] if fact.input == shape)


def test_the_largest_width_that_fits_is_chosen():
    for width in ("xs", "s", "m", "l"):
        exact = size("microresnet", width, GRAY)
        name, chosen, reason = choose(GRAY, 10, exact)
        assert (name, chosen) == ("microresnet", width)
        assert f"{exact:,} bytes" in reason
    assert choose(GRAY, 10, size("microresnet", "m", GRAY) - 1)[1] == "s"


def test_widths_are_in_ascending_order():
    for name, shape in (("microresnet", GRAY), ("mobilenetv2", (96, 96, 3))):
        sizes = list(expected_sizes(name, shape, 10).values())
        assert sizes == sorted(sizes)


def test_the_sizes_of_the_issue():
    """About 16, 40, 100 and 300 KB are what the widths were made for."""
    bounds = {"xs": 20, "s": 40, "m": 100, "l": 300}
    assert {width: choose(GRAY, 10, kilobytes * 1024)[1] for width, kilobytes in bounds.items()} == {
        w: w for w in bounds
    }


def test_without_a_bound_the_largest_is_taken():
    assert choose((96, 96, 3), 10, None)[:2] == ("microresnet", "l")
    assert choose((97, 97, 3), 10, None)[:2] == ("mobilenetv2", "050")


def test_large_images_too_small_a_file_for_mobilenet():
    least = min(expected_sizes("mobilenetv2", (224, 224, 3), 10).values())
    assert choose((224, 224, 3), 10, least)[:2] == ("mobilenetv2", "025")
    name, _, reason = choose((224, 224, 3), 10, 60_000)
    assert name == "microresnet" and "224x224" in reason


def test_a_long_and_low_image_is_no_photo():
    assert choose((128, 20, 1), 10, None)[0] == "microresnet"


def test_classes_and_colors_count():
    fact = facts()["microresnet"]["xs"][0]
    assert fact.estimate(3, 110) == fact.int8_bytes + round(100 * fact.bytes_per_class) + 2 * fact.bytes_per_channel
    sizes = expected_sizes("microresnet", (40, 40, 1), 110)
    assert sizes["xs"] == round(1.01 * fact.estimate(1, 110)), "nothing measured at 40x40: one percent to spare"


def test_nothing_fits():
    smallest = expected_sizes("microresnet", GRAY, 10)["xs"]
    with pytest.raises(
        RecipeError, match=f"smallest for 10 classes of 28x28 images is microresnet xs .* {smallest:,} bytes"
    ):
        choose(GRAY, 10, 2_000)
