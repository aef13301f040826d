"""A review as a person does it: the page in a real browser, by keyboard, and what curate makes of the decisions."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tests.unit.report.browser import opened
from tests.unit.review.conftest import edgekit, reviewing

pytestmark = pytest.mark.browser


def browsing(served, **options):
    return opened(SimpleNamespace(as_uri=lambda: served.url), **options)


def until(driver, what):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 30).until(what)


def press(driver, *keys):
    driver.switch_to.active_element.send_keys(*keys)


def current(driver):
    """The id of the sample that is both current and focused, once the first page of samples is there."""
    return until(
        driver,
        lambda d: d.execute_script(
            "const card = document.activeElement; return card.getAttribute('aria-current') === 'true' ?"
            " card.querySelector('.name').textContent : null"
        ),
    )


def said(driver, text):
    until(driver, lambda d: text in d.find_element("id", "status").text)


def test_keep_drop_relabel_and_undo_by_keyboard_reach_curate(run, tmp_path):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    with reviewing(run) as served, browsing(served) as driver:
        found = served.session.samples
        worst = [str(found.ids[row]) for row in found.order]
        assert current(driver) == worst[0]
        assert len(driver.find_elements("css selector", "#samples li")) == 60
        press(driver, "d")
        said(driver, f"{worst[0]}: drop. 1 decision.")
        assert current(driver) == worst[1]
        press(driver, "k")
        said(driver, f"{worst[1]}: keep. 2 decisions.")
        press(driver, "r")
        until(driver, lambda d: d.switch_to.active_element.get_attribute("id") == "new")
        given = int(found.labels[found.find(worst[2])])
        assert Select(driver.find_element("id", "new")).first_selected_option.text == found.classes[given]
        new = (given + 1) % 3
        Select(driver.find_element("id", "new")).select_by_value(str(new))
        press(driver, Keys.ENTER)
        said(driver, f"{worst[2]}: relabel to {found.classes[new]}. 3 decisions.")
        assert current(driver) == worst[3], "the dialog gives the focus back to the next sample"
        press(driver, Keys.ARROW_RIGHT)
        press(driver, "d")
        said(driver, "4 decisions.")
        press(driver, "u")
        said(driver, f"Undone: {worst[4]} has no decision again. 3 decisions.")
        assert current(driver) == worst[4]
        press(driver, Keys.ARROW_DOWN)
        press(driver, Keys.ARROW_UP)
        press(driver, Keys.HOME)
        assert current(driver) == worst[0]
        press(driver, "r")
        until(driver, lambda d: d.switch_to.active_element.get_attribute("id") == "new")
        press(driver, Keys.ESCAPE)
        assert current(driver) == worst[0]
        outline = driver.switch_to.active_element.value_of_css_property("outline-style")
        assert outline == "solid", "the focus is visible"
        edits = served.session.decisions.path
        lines = [json.loads(line) for line in edits.read_text().splitlines()]
        assert lines == [
            {"id": worst[0], "action": "drop"},
            {"id": worst[1], "action": "keep"},
            {"id": worst[2], "action": "relabel", "new": new},
        ]

    again = tmp_path / "again"
    edgekit("curate", "--recipe", run / "recipe.yaml", "--apply", edits, "--out", again)
    rows = {row["id"]: row for row in map(json.loads, (again / "curation/selection.jsonl").read_text().splitlines())}
    assert rows[worst[0]]["reason"] == rows[worst[2]]["reason"] == "by hand"
    assert worst[1] not in rows

    with reviewing(run) as served, browsing(served) as driver:
        assert current(driver) == worst[0]
        verdicts = [each.text for each in driver.find_elements("css selector", "#samples .verdict")[:4]]
        assert verdicts == ["you: drop", "you: keep", f"you: relabel to {found.classes[new]}", ""]


def test_filters_find_what_is_left_and_more_comes_on_demand(run):
    from selenium.webdriver.support.ui import Select

    def cards(driver):
        return driver.find_elements("css selector", "#samples li")

    with reviewing(run) as served, browsing(served) as driver:
        found, total = served.session.samples, len(served.session.samples)
        current(driver)
        driver.execute_script("document.getElementById('more').scrollIntoView()")
        until(driver, lambda d: len(cards(d)) == total)
        names = [each.text for each in driver.find_elements("css selector", "#samples .name")]
        assert names == [str(found.ids[row]) for row in found.order]

        Select(driver.find_element("id", "class")).select_by_visible_text("<cat>")
        own = int(np.sum(found.labels == 2))
        until(driver, lambda d: len(cards(d)) == own)
        labels = {each.text for each in driver.find_elements("css selector", "#samples .label")}
        assert labels == {"<cat>"}
        Select(driver.find_element("id", "class")).select_by_value("")
        Select(driver.find_element("id", "reason")).select_by_value("drop: low random score")
        until(driver, lambda d: len(cards(d)) == 10)
        driver.find_element("id", "keep").click()
        said(driver, "keep. 1 decision.")
        Select(driver.find_element("id", "decided")).select_by_value("no")
        until(driver, lambda d: len(cards(d)) == 9)


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_the_page_fits_and_its_pictures_load(run, width, dark):
    with reviewing(run) as served, browsing(served, width=width, dark=dark) as driver:
        current(driver)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        until(driver, lambda d: d.execute_script("return document.querySelector('#samples img').naturalWidth") == 8)
        background = driver.find_element("tag name", "body").value_of_css_property("background-color")
        assert ("255, 255, 255" in background) is not dark


def test_what_cannot_be_saved_is_said(run):
    with reviewing(run) as served, browsing(served) as driver:
        current(driver)
        driver.execute_script("window.fetch = () => Promise.reject(new TypeError('gone'))")
        press(driver, "d")
        said(driver, "Not saved: the review has ended, or does not respond.")
        assert len(served.session.decisions) == 0
