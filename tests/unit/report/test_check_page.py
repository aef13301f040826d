"""The page of the data check: what it shows, and that it opens."""

import dataclasses

import numpy as np
import pytest
from tests.unit.report.browser import opened

from edgekit.data.check import check
from edgekit.data.splits import take
from edgekit.report import check_page
from edgekit.types import Skipped

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def faulty(shipped):
    """An exact copy, copies with two labels, a leak, a blank picture, an unreadable file and an odd name."""
    train, test = take(shipped.train, np.arange(400)), take(shipped.test, np.arange(100))
    x, y, held = train.x.copy(), train.y.copy(), test.x.copy()
    x[300], y[300] = x[0], y[0]
    x[301], y[301] = x[1], (y[1] + 1) % 10
    x[302] = 0
    held[0] = x[2]
    return dataclasses.replace(
        shipped,
        train=dataclasses.replace(train, x=x, y=y),
        test=dataclasses.replace(test, x=held),
        classes=(f" {EVIL}", *shipped.classes[1:]),
        skipped=(Skipped(path=f"{EVIL}\udcff.png", reason="empty file"),),
        notes=("The source has no test part.",),
    )


def test_every_finding_is_on_the_page_with_its_pictures(faulty):
    findings = check(faulty)
    page = check_page.render(findings, faulty)
    for text in ("labels differ", "empty file", "starts or ends with a space", "The source has no test part."):
        assert text in page
    samples = {sample for group in findings.duplicates for sample in group.samples} | set(findings.blank)
    samples |= {sample for leak in findings.leaks for sample in (leak.sample, leak.partner)}
    for sample in samples:
        assert f"{sample.part}: {sample.id}<" in page
    assert page.count("data:image/png") >= len(samples)
    assert page.count("<script") == 1 and EVIL not in page, "the page's own, which sorts tables"
    assert "http:" not in page and "https:" not in page
    page.encode()


def test_a_clean_set_says_so(faulty, shipped):
    few = dataclasses.replace(
        shipped,
        **{part: take(getattr(shipped, part), np.arange(50)) for part in ("train", "val", "cal", "test")},
    )
    page = check_page.render(dataclasses.replace(check(few), duplicates=(), leaks=()), few)
    assert page.count("None found.") >= 7


def test_hundreds_of_findings_are_cut_and_counted(shipped):
    train = take(shipped.train, np.arange(600))
    x = train.x.copy()
    x[300:] = x[:300]
    many = dataclasses.replace(shipped, train=dataclasses.replace(train, x=x, y=np.concatenate([train.y[:300]] * 2)))
    page = check_page.render(check(many, near=1), many)
    assert "260 more are not shown here" in page
    assert page.count("data:image/png") < 700


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_opens_without_a_complaint_and_fits(faulty, tmp_path, width, dark):
    path = tmp_path / "check.html"
    path.write_text(check_page.render(check(faulty), faulty), encoding="utf-8")
    with opened(path, width=width, dark=dark) as driver:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        broken = "return [...document.images].filter((image) => !image.naturalWidth).length"
        assert driver.execute_script(broken) == 0
        assert len(driver.find_elements("css selector", ".rows > li")) >= 4
