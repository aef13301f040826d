"""The page of a study: what it shows of study.json, that it stays readable, and that it opens."""

import base64
import copy
import re

import pytest
from tests.unit.report.browser import opened

from edgekit.report import study_page, study_plots

FILES, METRICS = ("shipped", "model_float32.tflite"), ("accuracy", "augrc")
LONG = "consensus-relabel-confidence-0.8-with-trusted-validation"
EVIL = "<script>alert(1)</script>"


def verdict(arm, control, artifact, metric, word="better", effect=0.0125):
    return {
        "arm": arm, "control": control, "artifact": artifact, "metric": metric, "verdict": word, "effect": effect,
        "lower": effect - 0.0105, "upper": effect + 0.0105, "effects": [effect, effect + 0.02],
        "higher_is_better": metric == "accuracy",
        "sentence": f"{arm} ({artifact}) against {control} ({artifact}), {metric}: {word}.", "rests_on": "8 seeds", "next": None,
        "excluded": [], "seeds": list(range(8)), "unequal": None,
    }  # fmt: skip


def document(names=("iqr",), noise=None):
    """A study of arms with all their controls."""
    arms = [{"name": "full", "kind": "full", "of": None}]
    for name in names:
        arms += [{"name": name, "kind": "arm", "of": None}]
        arms += [{"name": f"{kind}-of-{name}", "kind": kind, "of": name} for kind in ("random", "matched")]
    value = {"mean": 0.5, "sd": 0.1, "seeds": {}, "higher_is_better": True}
    spread = {"mean": 0.5, "sd": 0.01}
    bins = [{"n": 10, "confidence": 0.6, "accuracy": 0.5}, {"n": 10, "confidence": 0.9, "accuracy": 0.8}]
    row = {
        "seeds": 8,
        "risk": {"mean": [i / 1000 for i in range(1, 101)], "sd": [0.001] * 100},
        "bins": {"before": bins, "after": bins},
        "temperature": {"mean": 0.626, "sd": 0.048, "at_bound": 0},
        "ece": {"before": spread, "after": spread},
        "nll": {"before": spread, "after": spread},
        "ties": {"confidences": 200.0, "at_top": 0.264, "argmax": 0.052},
    }
    common = {"what": "w", "n_dropped": [1], "n_relabeled": [0], "injected_noise": noise}
    cost = {
        "arm": "iqr", "runs": 8, "n_kept": 90.0, "steps": [30], "student_train_flops": 2e9, "curation_flops": 0,
        "student_seconds": 1.0, "curation_seconds": None, "macs": [7], "size_bytes": [101, 101],
    }  # fmt: skip
    return {
        "name": EVIL,
        "created": "now",
        "edgekit": "0",
        "study": {"arms": {name: {} for name in names}, "seeds": [1], "match": "steps", "leave_out": []},
        "arms": [arm | common | {"values": {f: dict.fromkeys(METRICS, value) for f in FILES}} for arm in arms],
        "runs": [{"name": "iqr-1", "path": "runs/iqr-1", "status": "failed", "seconds": None, "reason": "<b>no</b>"}],
        "excluded": [{"run": "iqr-1", "status": "failed", "reason": "<b>no</b>"}],
        "verdicts": [
            verdict(name, control, file, metric)
            for file in FILES
            for name in names
            for control in ("full", f"random-of-{name}", f"matched-of-{name}")
            for metric in METRICS
        ],
        "outstanding": [],
        "not_judged": [],
        "limits": ["All rest on one teacher."],
        "planning": [],
        "groups": [],
        "test_samples": 400,
        "reliability": {
            file: {
                "coverages": [i / 100 for i in range(1, 101)],
                "arms": {arm["name"]: copy.deepcopy(row) for arm in arms},
            }
            for file in FILES
        },
        "ledger": [cost],
        "equal": {"steps": True, "student_train_flops": False},
        "graphs": {"mismatches": [], "differences": []},
        "notes": ["a note"],
    }


def cells(page, heading):
    """The texts of the cells of the first table after a heading, by row."""
    table = page[page.index(f">{heading}</h") :]
    table = table[table.index("<table") : table.index("</table>")]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", r, re.DOTALL)]
        for r in rows
    ]


def test_the_answer_comes_first_a_row_for_each_comparison():
    content = document()
    content["verdicts"][0] = verdict("iqr", "full", "shipped", "accuracy", "worse", -0.0125)
    content["verdicts"][1] = verdict("iqr", "full", "shipped", "augrc", "no evidence", 0.001)
    del content["verdicts"][2]
    page = study_page.render(content)
    found = cells(page, "Verdicts")
    assert found[0] == ["arm − control", *FILES] and found[1] == [*METRICS, *METRICS]
    words = [[" ".join(cell.split()) for cell in r] for r in found[2:]]
    assert words[0] == ["iqr − full", "worse -1.25 pp", "no evidence +0.0010", "better +1.25 pp", "better +0.013"]
    assert words[1][:3] == ["iqr − random-of-iqr", "not judged", "better +0.013"]
    assert page.index("worse</b>") < page.index("data:image/svg+xml")
    assert "iqr (shipped) against full (shipped), accuracy: worse" in page


def planned(**values):
    return {
        "arm": "iqr", "control": "full", "artifact": "shipped", "metric": "accuracy", "seeds": 10, "samples": 10000,
        "unit": "test samples", "detectable": 0.0334, "worthwhile": 0.005, "seeds_needed": None, "seeds_needed_tenfold": None,
        "samples_needed": None, "file_samples_needed": None, "comparisons": 4,
    } | values  # fmt: skip


def words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_what_verdicts_rest_on_is_told_of_each_where_it_is_not_the_same():
    content = document()
    same = study_page.grounds(content)
    assert same == [{"rests_on": "8 seeds", "spans": "other seeds and other test samples", "of": []}]
    text = words(study_page.render(content))
    assert "All rest on 8 seeds. Intervals are for other seeds and other test samples." in text
    # Beside the verdicts, not after the costs.
    assert text.index("All rest on one teacher.") < text.index("Every verdict in a sentence")
    lost = {"rests_on": "7 seeds", "seeds": list(range(7)), "excluded": ["seed 3: iqr (shipped) failed"]}
    for row in content["verdicts"]:
        if (row["control"], row["artifact"]) == ("full", "shipped"):
            row |= lost
    first, second = study_page.grounds(content)
    assert (first["rests_on"], first["of"]) == ("7 seeds", ["iqr − full, shipped"])
    assert "iqr − full, shipped" not in second["of"] and len(second["of"]) == 5
    text = words(study_page.render(content))
    assert "iqr − full, shipped rest on 7 seeds." in text
    assert text.count("Left out of its comparisons: seed 3: iqr (shipped) failed.") == 1


def test_the_interval_of_one_seed_is_not_for_others():
    content = document()
    for row in content["verdicts"]:
        row["seeds"] = [1]
    assert [ground["spans"] for ground in study_page.grounds(content)] == [
        "other test samples only, with this one seed"
    ]
    content["study"]["leave_out"] = "all"
    assert "other groups only" in words(study_page.render(content))
    for row in content["verdicts"]:
        row["lower"] = row["upper"] = None  # one group, or no seed that counts
    assert [ground["spans"] for ground in study_page.grounds(content)] == [None]
    assert "Intervals are for" not in words(study_page.render(content))


def test_what_is_not_equal_not_judged_and_not_finished_stands_with_the_verdicts():
    content = document()
    content["verdicts"][0]["unequal"] = "iqr has 58.41 times the training steps of full"
    content["outstanding"] = ["iqr-7"]
    content["not_judged"] = [
        {"arm": "b", "control": "full", "artifact": "shipped", "status": "broken", "reason": "b-1 has no file"}
    ]
    page = study_page.render(content)
    assert "NOT equal: iqr has 58.41 times the training steps of full" in words(cells(page, "Verdicts")[2][0])
    text = words(page)
    assert "Interim: 1 of 1 runs are missing. --resume runs the rest" in text
    assert "b − full, shipped: not judged, b-1 has no file." in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "more than 200 seeds"),
        ({"seeds_needed": 12, "samples_needed": 34567}, "12 seeds, or 34,567 test samples"),
        ({"seeds_needed_tenfold": 31}, "more than 200 seeds, or 31 with 10 times the test samples"),
        ({"samples_needed": 40, "unit": "groups"}, "more than 200 seeds, or 40 groups"),
    ],
)
def test_a_plan_tells_seeds_and_samples(values, message):
    assert study_page.needed(planned(**values)) == message
    content = document() | {"planning": [planned(**values, file_samples_needed=1234)]}
    row = [" ".join(cell.split()) for cell in cells(study_page.render(content), "Planning")[1]]
    assert row[-1] == "1,234" and row[4] == "10,000"
    assert row[7] == str(values.get("seeds_needed", "more than 200"))


def test_effects_keep_two_digits_and_accuracy_is_in_percentage_points():
    row = verdict("a", "b", "shipped", "accuracy", effect=0.00478)
    assert study_page.effect(row) == "+0.48 pp" and study_page.effect(row, "lower") == "-0.57 pp"
    assert study_page.effect(row | {"metric": "nll", "effect": 0.001}) == "+0.0010"
    assert study_page.effect(row | {"effect": None}) == "–"


def test_all_is_escaped_and_nothing_comes_from_elsewhere():
    page = study_page.render(document())
    assert EVIL not in page and "<b>no" not in page
    assert page.count("<script>") == 1 and page.count("<script ") == page.count('<script type="application/json">')
    assert "http:" not in page and "https:" not in page
    assert "NOT equal" in page and "from an earlier build" in page


def test_recall_and_precision_are_shown_only_where_labels_were_made_wrong():
    assert "precision" not in study_page.render(document())
    noise = {"runs": 8, "count": 5400.0, "edited": 4000.0, "recall": 0.741, "precision": None}
    found = cells(study_page.render(document(noise=noise)), "Arms")
    assert found[0][:5] == ["arm", "dropped", "relabeled", "recall", "precision"]
    assert found[2][3:5] == ["74.1 %", "–"]


def test_temperatures_stand_in_one_table():
    content = document()
    content["reliability"]["shipped"]["arms"]["full"] |= dict.fromkeys(("temperature", "ece", "nll", "ties"))
    content["reliability"]["shipped"]["arms"]["full"]["bins"]["after"] = None
    found = cells(study_page.render(content), "Temperature")
    assert len(found) == 1 + 2 * 4
    assert found[1][:3] == ["full", "shipped", "none fitted"]
    assert " ".join(" ".join(found[2]).split()) == (
        "iqr shipped 0.626 ± 0.048 0.5000 → 0.5000 ± 0.0100, 0.0100 0.5000 → 0.5000 ± 0.0100, 0.0100 200 26.4 % 5.2 %"
    )


def test_a_study_of_which_nothing_finished_still_has_a_page():
    content = document() | {"verdicts": [], "reliability": {}, "ledger": [], "equal": {}}
    page = study_page.render(content)
    assert "Nothing could be judged." in page and "data:image" not in page


def test_figures_have_no_background_and_follow_the_color_scheme():
    image = study_plots.risk_coverage(
        [0.5, 1.0], {"full": {"mean": [0.1, 0.2], "sd": None}}, {"full": {"color": "#1d2733"}}, 0.3
    )
    svg = base64.b64decode(image.removeprefix("data:image/svg+xml;base64,")).decode()
    assert "@media (prefers-color-scheme:dark)" in svg
    colors = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg.split("</style>", 2)[-1]))
    assert colors <= {"none", "var(--1d2733)", "var(--9aa5b1)"}


def test_few_lines_have_a_color_each_and_many_share_that_of_their_arm():
    few = study_plots.line_styles(document()["arms"])
    assert len({style["color"] for style in few.values()}) == 4
    assert [few[name]["linestyle"] for name in few] == ["-", "-", ":", "--"]
    names = [f"arm{i}" for i in range(7)]
    many = study_plots.line_styles(document(names)["arms"])
    assert many["random-of-arm0"]["color"] == many["arm0"]["color"] != many["full"]["color"]
    drawn = {(style["color"], str(style["linestyle"]), style.get("marker")) for style in many.values()}
    assert len(drawn) == len(many)


def test_an_axis_spans_0_and_all_that_is_drawn():
    low, high = study_plots.spanned([verdict("a", "b", "shipped", "nll", effect=0.1)])
    assert -0.01 < low < 0 and 0.12 < high < 0.13
    only = verdict("a", "b", "shipped", "nll", effect=0.0) | {"lower": None, "upper": None, "effects": [0.0]}
    low, high = study_plots.spanned([only])
    assert low < 0 < high


def test_a_forest_on_a_page_with_white_figures_keeps_its_colors():
    row = verdict("a", "b", "shipped", "nll") | {"verdict": "", "effects": []}
    plain, themed = (
        base64.b64decode(study_plots.forest([row], False, themed=t).split(",")[1]).decode() for t in (False, True)
    )
    assert "prefers-color-scheme" not in plain and "#1d2733" in plain
    assert "prefers-color-scheme" in themed


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_twelve_comparisons_with_long_names_fit_the_page(tmp_path, width, dark):
    path = tmp_path / "study.html"
    path.write_text(study_page.render(document((LONG, "soft-weights", "iqr", "b"))))
    assert path.stat().st_size < 2 * 1024**2
    with opened(path, width=width, dark=dark) as driver:
        script = "return [...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().right])"
        images = driver.execute_script(script)
        assert images and all(natural > 0 and right <= width for natural, right in images)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
