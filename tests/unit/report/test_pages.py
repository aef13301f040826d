"""Every page in a real browser: sorting, filters, CSV, keyboard, phone width, color schemes, and what axe-core says."""

import csv
import io

import numpy as np
import pytest
from tests.unit.report import axe
from tests.unit.report.browser import opened
from tests.unit.report.made_run import made
from tests.unit.report.test_check_page import faulty  # noqa: F401 (a fixture)
from tests.unit.report.test_curation_page import render as gallery
from tests.unit.report.test_study_page import LONG, document

from edgekit.data.check import check
from edgekit.report import check_page, html, study_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """report.html of a run whose class names are not nice."""
    root = tmp_path_factory.mktemp("run")
    root.joinpath("report.html").write_text(html.render(made(root, n=2000, classes=CLASSES), root), encoding="utf-8")
    return root / "report.html"


CLASSES = (
    "=SUM(A1)",
    'with "quotes", and commas',
    "coat",
    "a-name-that-goes-on-" * 4,
    *(f"class {k}" for k in range(9)),
)


@pytest.fixture(scope="module")
def pages(report, faulty, tmp_path_factory):  # noqa: F811
    root = tmp_path_factory.mktemp("pages")
    content = {
        "study": study_page.render(document((LONG, "iqr"))),
        "check": check_page.render(check(faulty), faulty),
        "curation": gallery(n=40),
    }
    for name, text in content.items():
        (root / f"{name}.html").write_text(text, encoding="utf-8")
    return {"report": report} | {name: root / f"{name}.html" for name in content}


def region(driver, label):
    return driver.find_element("css selector", f'.scroll[aria-label="{label}"]')


def column(driver, label, place):
    return driver.execute_script(
        "return [...arguments[0].querySelectorAll('tbody tr')].map((row) => row.cells[arguments[1]].textContent)",
        region(driver, label), place,
    )  # fmt: skip


def head(driver, label, place):
    return region(driver, label).find_elements("css selector", "thead th")[place]


def test_a_heading_sorts_by_click_and_by_key(report):
    from selenium.webdriver.common.keys import Keys

    with opened(report) as driver:
        button = head(driver, "Files", 1).find_element("tag name", "button")
        button.click()
        sizes = column(driver, "Files", 1)
        assert sizes == ["45,000", "76,000", "150,000", "160,000"], "as numbers, not as text"
        assert head(driver, "Files", 1).get_attribute("aria-sort") == "ascending"
        button.send_keys(Keys.ENTER)
        assert column(driver, "Files", 1) == sizes[::-1]
        assert head(driver, "Files", 1).get_attribute("aria-sort") == "descending"
        head(driver, "Files", 0).find_element("tag name", "button").click()
        assert head(driver, "Files", 1).get_attribute("aria-sort") == "none"
        head(driver, "Measured files, targets and threads", 6).find_element("tag name", "button").click()
        assert column(driver, "Measured files, targets and threads", 6)[-2:] == ["not reported"] * 2, (
            "what is missing is last"
        )


def test_samples_are_filtered_by_text_class_and_outcome(report):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    label = "Test samples"
    with opened(report) as driver:
        assert len(column(driver, label, 0)) == 20
        tools = region(driver, label).find_element("xpath", "preceding-sibling::div[@class='tools']")
        status = tools.find_element("css selector", "[role=status]")
        assert status.text == "2,000 rows"
        chosen = {each.accessible_name: Select(each) for each in tools.find_elements("tag name", "select")}
        assert set(chosen) == {"true class", "answer", "outcome"}
        chosen["outcome"].select_by_visible_text("lost")
        assert set(column(driver, label, 6)) == {"lost"}
        chosen["true class"].select_by_visible_text("=SUM(A1)")
        assert set(column(driver, label, 1)) == {"=SUM(A1)"} and "of 2,000 rows" in status.text
        for select in chosen.values():
            select.select_by_index(0)
        tools.find_element("tag name", "input").send_keys("TEST/1999")
        assert column(driver, label, 0) == ["test/1999"] and status.text == "1 of 2,000 rows"
        tools.find_element("tag name", "input").send_keys(Keys.BACKSPACE * 9)
        more = region(driver, label).find_element("xpath", "following-sibling::button")
        assert more.text == "Show more (1,980 left)"
        more.click()
        assert len(column(driver, label, 0)) == 120
        head(driver, label, 3).find_element("tag name", "button").click()
        shown = [float(text) for text in column(driver, label, 3)]
        assert shown == sorted(shown)


def test_of_many_classes_the_worst_dozen_is_shown_first(report):
    label = "Recall of each class"
    with opened(report) as driver:
        recalls = [float(text) for text in column(driver, label, 2)]
        assert len(recalls) == 12 < len(CLASSES) and recalls == sorted(recalls)
        region(driver, label).find_element("xpath", "following-sibling::button[text()='Show more (1 left)']").click()
        assert sorted(column(driver, label, 0)) == sorted(CLASSES)
        for _ in range(2):
            head(driver, label, 2).find_element("tag name", "button").click()
        assert float(column(driver, label, 2)[0]) >= max(recalls) and len(column(driver, label, 2)) == 12


def test_a_table_is_there_as_csv_with_full_numbers_and_no_formula(report):
    with opened(report) as driver:
        details = region(driver, "Classes, before and after").find_element(
            "xpath", "following-sibling::details[@class='csv']"
        )
        details.find_element("tag name", "summary").click()
        area = details.find_element("tag name", "textarea")
        assert area.accessible_name == "CSV of Classes, before and after"
        rows = list(csv.reader(io.StringIO(area.get_attribute("value"))))
        assert rows[0] == [
            "class",
            "test samples",
            "recall, float",
            "recall, int8",
            "difference, points",
            "lost",
            "won",
        ]
        assert [row[0] for row in rows[1:3]] == ["'=SUM(A1)", CLASSES[1]] and len(rows) == 14
        assert float(rows[1][2]) != round(float(rows[1][2]), 4), "more digits than the page shows"
        link = details.find_element("tag name", "a")
        assert link.get_attribute("download") == "classes-before-and-after.csv"
        assert link.get_attribute("href").startswith("data:text/csv")


def test_the_keyboard_reaches_the_content_and_wide_tables(report):
    from selenium.webdriver.common.keys import Keys

    with opened(report, width=390) as driver:
        body = driver.find_element("tag name", "body")
        body.send_keys(Keys.TAB)
        link = driver.switch_to.active_element
        assert link.text == "Skip to the content" and link.rect["x"] >= 0
        link.send_keys(Keys.ENTER)
        assert driver.switch_to.active_element.get_attribute("id") == "main"
        frame = region(driver, "Files")
        assert frame.get_attribute("tabindex") == "0"
        frame.send_keys(Keys.ARROW_RIGHT)
        driver.execute_async_script("setTimeout(arguments[0], 300)")
        assert driver.execute_script("return arguments[0].scrollLeft", frame) > 0


@pytest.mark.parametrize("name", ["report", "study", "check", "curation"])
@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_pages_fit_follow_the_color_scheme_and_please_axe(pages, name, width, dark):
    with opened(pages[name], width=width, dark=dark) as driver:
        driver.set_script_timeout(120)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        background = driver.find_element("tag name", "body").value_of_css_property("background-color")
        assert ("255, 255, 255" in background) is not dark
        broken = "return [...document.images].filter((image) => !image.naturalWidth).length"
        assert driver.execute_script(broken) == 0
        assert axe.violations(driver) == {}
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width, "with all details open"


def test_axe_finds_what_is_wrong(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><title>t</title><main style='color: #bbb; background: #fff'>hard to read<img src='data:,'></main>"
    )
    with opened(page) as driver:
        assert {"color-contrast (serious)", "html-has-lang (serious)"} <= set(axe.violations(driver))


def test_no_other_script_runs(report, tmp_path):
    """The policy names the page's script by its digest: an injected one is refused, which stands in the console."""
    text = report.read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text(text.replace("</main>", "<script>document.title = 'hacked'</script></main>"), encoding="utf-8")
    with pytest.raises(AssertionError), opened(page) as driver:  # by its complaint in the console
        title = driver.title
    assert title != "hacked"


def test_every_image_of_a_changed_sample_is_named(report):
    with opened(report) as driver:
        images = driver.find_elements("css selector", ".changed img")
        assert 0 < len(images) <= 60 and all(image.get_attribute("alt").startswith("test/") for image in images)
        widths = np.array([image.rect["width"] for image in images])
        assert (widths == 64).all()
