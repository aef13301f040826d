"""report.html: the answer first, the numbers behind every figure, and a size that stays small."""

import re

import numpy as np
import pytest
from tests.unit.report.made_run import FLOAT, made

from edgekit.report import html

EVIL = "<script>alert(1)</script>"


def words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)).split())


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """(document, page) of a run with all there is."""
    folder = tmp_path_factory.mktemp("run")
    document = made(folder)
    return document, html.render(document, folder)


def test_the_answer_comes_first(rendered):
    document, page = rendered
    text = words(page)
    row = document["comparisons"][0]
    assert f"{100 * row['accuracy_a']:.2f} % test accuracy of model_int8.tflite; 95 % interval" in text
    assert "1 of 2 gates met : size_kb<=1 is NOT" in text.replace("&lt;", "<")
    assert "Curation iqr: no evidence (1 seed)." in text
    assert "43.9 KB file size (45,000 bytes; 1 KB = 1,024), 20 MAC per sample" in text
    assert "0.045 ms p50 on host, 1 thread: suspect (no governor)" in text
    assert "0.225 ms p50 on ssh://user@pi, 1 thread: valid" in text
    assert f"{100 * row['difference']:+.2f} points accuracy, float32 → int8" in text
    changed = round(200 * (1 - row["agreement"]))
    assert f"{changed} of 200 predictions changed : {row['only_b_right']} lost, {row['only_a_right']} won" in text
    assert text.index("What was lost?") < text.index("Files") < text.index("What changed")
    assert page.index("What was lost?") < page.index("data:image")


def test_a_run_of_the_float_file_has_no_section_on_what_changed(tmp_path):
    text = words(html.render(made(tmp_path, shipped=FLOAT), tmp_path))
    assert "Nothing The shipped file is the float32 one" in text
    assert "What changed" not in text and "prediction changed" not in text and "Errors of model_float32.tflite" in text


def test_a_run_without_gates_targets_or_pictures_says_so(tmp_path):
    document = made(tmp_path, pictures=False, gates=[], measurements=[], bench_failures={})
    text = words(html.render(document, tmp_path))
    assert "No gate was set" in text and "Latency was not measured." in text and "Targets" not in text
    assert "this run has none" in text


def test_changed_samples_are_shown_lost_first_and_counted(tmp_path):
    page = html.render(made(tmp_path, n=2000), tmp_path)
    (shown, total) = re.search(r"(\d+) of ([\d,]+) shown", words(page)).groups()
    assert int(shown) == 60 == len(re.findall(r'<li class="(?:lost|won|both)">', page)) and int(total) > 60
    outcomes = re.findall(r'<li class="(lost|won|both)">', page)
    assert outcomes == sorted(outcomes, key=["lost", "both", "won"].index)


def test_targets_have_a_row_for_each_file_target_and_thread_count(rendered):
    _, page = rendered
    table = page[page.index('aria-label="Measured files, targets and threads"') :]
    rows = [words(row) for row in re.findall(r"<tr.*?</tr>", table[: table.index("</table>")], re.DOTALL)]
    assert len(rows) == 1 + 4
    assert "host" in rows[1] and "suspect no governor" in rows[1] and "10.0 MB" in rows[1]
    assert "ssh://user@pi" in rows[2] and "valid" in rows[2] and "0.9000" in rows[2] and "not reported" in rows[2]
    assert "adb could not be measured: no phone is attached" in words(page)


def test_all_is_escaped_and_nothing_comes_from_elsewhere(tmp_path):
    ids = [f"{EVIL}{i}" for i in range(200)]
    page = html.render(made(tmp_path, classes=(EVIL, "b", "c", "d"), ids=ids), tmp_path)
    assert "<script>alert" not in page and "http:" not in page and "https:" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'") and "unsafe-inline'; script-src 'sha256-" in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_every_figure_has_its_numbers(rendered):
    _, page = rendered
    labels = re.findall(r'role="region" aria-label="([^"]+)"', page)
    assert len(labels) == len(set(labels)), "regions are told apart by their names"
    for label in (
        "Recall of each class", "Size, latency and accuracy of each file", "Classes, before and after", "Confusions",
        "Test samples", "Loss and accuracy per epoch",
        "Reliability diagrams", "Risk over coverage", "Differences", "Kept and removed training samples per class",
    ):  # fmt: skip
        assert label in labels


@pytest.mark.parametrize(("n", "classes"), [(10_000, 10), (10_000, 100)])
def test_ten_thousand_samples_stay_below_5_mb(tmp_path, n, classes):
    ids = np.array([f"some/folder/of/class/number/{i % classes}/picture-{i:05}.jpeg" for i in range(n)])
    document = made(tmp_path, n=n, classes=[f"class number {k}" for k in range(classes)], ids=ids)
    assert len(html.render(document, tmp_path).encode()) < 5 * 1024**2
