"""The curation gallery: its text, its size, and sorting and filtering in a real browser."""

import dataclasses
import json
import re

import numpy as np
import pytest
from tests.unit.report.browser import opened

from edgekit.report import curation_page

EVIL = """</script><script>document.title="hacked"</script> "it's" & <b>bold</b> \u2028 靴"""


def render(n=4, **changes):
    rng = np.random.default_rng(0)
    values = {
        "title": "consensus on shoes",
        "classes": ["boot", EVIL, "sandal"],
        "images": rng.integers(0, 256, (n, 28, 28, 1), np.uint8),
        "ids": [f"train/{i}" for i in range(n)],
        "given": np.arange(n) % 3,
        "suggested": np.where(np.arange(n) % 2, 2, -1),
        "columns": {
            "consensus": np.arange(n, 0, -1, dtype=np.float32),
            "tracin": rng.normal(size=n).astype(np.float32),
        },
        "actions": ["drop", "relabel", "keep", "weight"] * (n // 4) + ["keep"] * (n % 4),
        "reasons": [f"reason {i}" for i in range(n)],
        "facts": {
            "method": "consensus",
            "estimated_noise": 0.1234567,
            "n_before": 54000,
            "trusted": True,
            "none": None,
        },
        "warnings": ["The estimate is low."],
        "per_class": [(100, 90), (50, 50), (0, 0)],
    }
    values |= changes
    names = [field.name for field in dataclasses.fields(curation_page.Samples)]
    samples = curation_page.Samples(**{name: values.pop(name) for name in names})
    return curation_page.render(samples, **values)


def rows(page):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1])[
        "rows"
    ]


def test_every_sample_is_there_with_its_values():
    found = rows(render())
    assert [row[:5] for row in found] == [
        ["train/0", 0, -1, "drop", "reason 0"],
        ["train/1", 1, 2, "relabel", "reason 1"],
        ["train/2", 2, -1, "keep", "reason 2"],
        ["train/3", 0, 2, "weight", "reason 3"],
    ]
    assert [row[5] for row in found] == [4, 3, 2, 1]


def test_facts_warnings_and_classes_are_shown():
    page = render()
    for text in (
        "0.1235</b> estimated noise",
        "54,000</b> n before",
        "yes</b> trusted",
        "not known</b> none",
        "The estimate is low.",
    ):
        assert text in page
    assert "10.0 %" in page


def test_hostile_names_stay_text():
    page = render(ids=[EVIL, "b\udcff", "c", "d"], reasons=[EVIL] * 4, title=EVIL, facts={EVIL: EVIL}, warnings=[EVIL])
    assert page.count("<script") == page.count("</script>") == 2
    assert "<b>bold" not in page
    assert rows(page)[0][0] == EVIL
    page.encode()


def test_missing_scores_are_no_numbers_in_json():
    found = rows(render(columns={"a": np.array([np.nan, np.inf, -np.inf, 0.1], np.float32)}))
    assert [row[5] for row in found] == [None, None, None, 0.1]


def test_no_samples_at_all():
    page = render(
        n=0,
        images=np.zeros((0, 28, 28, 1), np.uint8),
        columns={},
        actions=[],
        per_class=[],
        classes=[],
        facts={},
        warnings=[],
    )
    assert rows(page) == []


def test_columns_of_another_length_are_an_error():
    with pytest.raises(ValueError, match="zip"):
        render(ids=["a"])
    with pytest.raises(ValueError, match="3 images for 4 samples"):
        render(images=np.zeros((3, 8, 8, 1), np.uint8))


@pytest.mark.parametrize("shape", [(28, 28, 1), (96, 96, 3)])
def test_two_thousand_samples_stay_below_5_mb(shape):
    """Noise is what compresses worst."""
    images = np.random.default_rng(0).integers(0, 256, (2000, *shape), np.uint8)
    columns = {f"score_{k}": np.random.default_rng(k).normal(size=2000).astype(np.float32) for k in range(6)}
    page = render(n=2000, images=images, columns=columns)
    assert len(page.encode()) < 5_000_000
    assert "http:" not in page and "https:" not in page


@pytest.fixture
def page(tmp_path):
    def write(**values):
        path = tmp_path / "page.html"
        path.write_text(render(**values), encoding="utf-8")
        return path

    return write


def shown(driver, column=2):
    return driver.execute_script(
        f"return [...document.querySelectorAll('#samples tbody tr td:nth-child({column})')].map((cell) => cell.textContent)"
    )


def button(driver, name):
    return next(found for found in driver.find_elements("css selector", "#samples th button") if found.text == name)


@pytest.mark.browser
def test_sorting_by_click_and_by_key(page):
    from selenium.webdriver.common.keys import Keys

    scores = np.array([0.5, np.nan, -2, 1e-5], np.float32)
    with opened(page(columns={"score": scores}, ids=["train/10", "train/9", "b", "a"])) as driver:
        assert shown(driver) == ["train/10", "train/9", "b", "a"]
        head = button(driver, "score")
        head.click()
        assert shown(driver) == ["b", "a", "train/10", "train/9"]
        assert head.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
        head.send_keys(Keys.ENTER)
        assert shown(driver) == ["train/10", "a", "b", "train/9"], "a missing score stands last both ways"
        assert head.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
        button(driver, "id").click()
        assert shown(driver) == ["a", "b", "train/9", "train/10"], "numbers in names count as numbers"
        assert head.find_element("xpath", "..").get_attribute("aria-sort") == "none"
        assert shown(driver, 7) == ["1.00e-5", "-2.0000", "–", "0.5000"]


@pytest.mark.browser
def test_filters_combine_and_names_stay_text(page):
    from selenium.webdriver.support.ui import Select

    with opened(page(n=40)) as driver:
        assert driver.title == "consensus on shoes · edgekit curation"
        status = driver.find_element("id", "count")
        assert status.text == "40 samples"
        Select(driver.find_element("id", "action")).select_by_value("drop")
        assert status.text == "10 of 40 samples"
        Select(driver.find_element("id", "given")).select_by_visible_text("boot")
        assert shown(driver) == ["train/0", "train/12", "train/24", "train/36"]
        driver.find_element("id", "text").send_keys("REASON 1")
        assert shown(driver) == ["train/12"]
        driver.find_element("id", "text").clear()
        driver.find_element("id", "text").send_keys("bold")
        assert shown(driver) == []
        Select(driver.find_element("id", "given")).select_by_value("")
        assert len(shown(driver)) == 3
        assert shown(driver, 3)[0].replace("\u2028", "") == EVIL.replace("\u2028", "")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_two_thousand_samples_open_fast_fit_the_width_and_come_on_demand(page, width, dark):
    with opened(page(n=2000), width=width, dark=dark) as driver:
        timing = driver.execute_script("return performance.timing.domComplete - performance.timing.navigationStart")
        assert timing < 3000, "a second on an idle machine"
        first = len(shown(driver))
        assert 100 <= first < 2000
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        for _ in range(3):
            driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
            driver.execute_async_script("setTimeout(arguments[0], 150)")
        assert len(shown(driver)) > first
        thumb = driver.find_element("css selector", ".thumb")
        assert thumb.size["width"] >= 64
        assert "data:image/png" in thumb.value_of_css_property("background-image")
        background = driver.find_element("tag name", "body").value_of_css_property("background-color")
        assert ("255, 255, 255" in background) is not dark


@pytest.mark.browser
def test_the_thumbnail_of_a_sample_is_its_own_picture(page):
    """Sample 250 is white and alone so; it is the 51st of the second sheet."""
    images = np.zeros((300, 8, 8, 1), np.uint8)
    images[250] = 255
    with opened(page(n=300, images=images)) as driver:
        driver.find_element("id", "text").send_keys("train/250")
        assert shown(driver) == ["train/250"]
        import io

        from PIL import Image

        picture = Image.open(io.BytesIO(driver.find_element("css selector", ".thumb").screenshot_as_png)).convert("L")
        assert np.asarray(picture)[4:-4, 4:-4].min() > 250
