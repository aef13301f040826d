"""signals + section -> Selection: budgets, kinds of edit, edits by hand, files, and what is refused."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import edgekit
from edgekit.curation import manifest, select
from edgekit.curation.by_hand import Instruction, read
from edgekit.curation.signals import check
from edgekit.data.fingerprint import sample_digest
from edgekit.errors import DataError, RecipeError
from edgekit.recipe import section_of
from edgekit.types import Signals

N = 200


@pytest.fixture(scope="module")
def signals():
    """4 classes of unequal size; the first 20 samples carry the next class' label, and the network knows."""
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 2, 3], [100, 50, 30, 20])
    labels = true.copy()
    wrong = np.arange(0, N, 10)
    labels[wrong] = (true[wrong] + 1) % 4
    p = rng.dirichlet(np.ones(4), N) * 0.2 + 0.8 * np.eye(4)[true]
    return Signals(
        ids=np.array([f"train/{i}" for i in range(N)]),
        labels=labels,
        classes=4,
        oof_probs=p.astype(np.float32),
        pred_probs=p.astype(np.float32),
    )


def chosen(signals, method="self-confidence", by_hand=(), **options):
    return select(signals, section_of({"method": method, **options}), seed=1, by_hand=by_hand)


def test_selection_accounts_for_every_sample(signals):
    selection, _ = chosen(signals, budget=20)
    assert len(selection.dropped) == 20
    assert sorted([*selection.kept, *selection.dropped]) == sorted(signals.ids)
    assert sum(before - kept for before, kept in selection.per_class) == 20
    assert {int(name.split("/")[1]) for name in selection.dropped} == set(range(0, N, 10))
    assert np.array_equal(selection.labels, signals.labels[np.isin(signals.ids, selection.kept)])
    assert selection.weights is None


def test_a_budget_is_a_count_or_a_share(signals):
    assert len(chosen(signals, budget=0.1)[0].dropped) == len(chosen(signals, budget=20)[0].dropped) == 20
    assert len(chosen(signals, "random", budget=7)[0].dropped) == 7


@pytest.mark.parametrize("budget", [0, 200, 500, 1.5, 0.0001, 0.9999, -3])
def test_a_budget_of_none_or_all_is_refused(signals, budget):
    with pytest.raises(DataError, match="budget"):
        chosen(signals, budget=budget)


def test_without_a_budget_the_noise_estimate_cuts(signals):
    selection, _ = chosen(signals, max_class_edit=1)
    assert selection.facts["cut"] == "noise estimate"
    assert len(selection.dropped) == round(selection.facts["estimated_noise"] * N)


def test_a_budget_overrides_a_methods_own_cut(signals):
    own, _ = chosen(signals, "confident-learning", max_class_edit=1)
    assert own.facts["cut"] == "the method's own"
    fewer, _ = chosen(signals, "confident-learning", budget=3)
    assert len(fewer.dropped) == 3
    assert set(fewer.dropped) < set(own.dropped)


def test_balance_takes_the_same_share_of_each_class(signals):
    selection, _ = chosen(signals, budget=0.2, balance=True)
    for before, kept in selection.per_class:
        assert (before - kept) / before == pytest.approx(0.2, abs=0.03)
    plain, _ = chosen(signals, budget=0.2)
    shares = [(before - kept) / before for before, kept in plain.per_class]
    assert max(shares) - min(shares) > 0.1


def test_max_edit_limits_every_cut(signals):
    selection, decision = chosen(signals, "confident-learning", max_edit=0.01)
    assert len(selection.edits) == 2
    worst = np.argsort(decision.scores.values, kind="stable")[:2]
    assert set(selection.edits) == {f"train/{i}" for i in worst}


def test_relabel_where_the_networks_are_sure_and_drop_elsewhere(signals):
    selection, _ = chosen(signals, budget=20, edit="relabel", relabel_confidence=0.85)
    p = signals.oof_probs.max(axis=1)[::10]
    assert 0 < len(selection.relabeled) == (p >= 0.85).sum() < 20
    assert len(selection.dropped) == (p < 0.85).sum()
    true = np.repeat([0, 1, 2, 3], [100, 50, 30, 20])
    assert np.array_equal(selection.labels, true[np.isin(signals.ids, selection.kept)])


def test_relabel_leaves_what_the_networks_agree_with(signals):
    selection, _ = chosen(signals, budget=100, edit="relabel", relabel_confidence=0.5)
    assert len(selection.edits) == 20
    assert not selection.dropped


def test_weights_shrink_with_the_loss_and_average_one(signals):
    selection, _ = chosen(signals, budget=20, edit="weight")
    assert len(selection.kept) == N
    assert selection.weights.mean() == pytest.approx(1)
    assert selection.weights[::10].max() < 0.5 < selection.weights[1::10].min()
    edit = selection.edits["train/0"]
    loss = -np.log(signals.oof_probs[0, signals.labels[0]])
    assert edit.new == pytest.approx((1 + np.exp(-2)) / (1 + np.exp(2 * (loss - 1))), rel=1e-4)


def test_upweighting_mixes_in_difficulty_up_to_a_quarter(signals):
    selection, _ = chosen(signals, "none", upweight=0.25)
    e = np.linalg.norm(signals.oof_probs - np.eye(4)[signals.labels], axis=1)
    expected = 0.75 + 0.25 * e / e.mean()
    assert selection.weights == pytest.approx(expected / expected.mean(), rel=1e-4)
    easy, _ = chosen(signals, "none", upweight=-0.5)
    assert np.corrcoef(easy.weights, selection.weights)[0, 1] < -0.99
    with pytest.raises(RecipeError, match="upweight"):
        section_of({"upweight": 0.3})


def test_edits_by_hand_veto_change_and_add(signals):
    hand = [
        Instruction(id="train/0", action="keep"),
        Instruction(id="train/1", action="drop"),
        Instruction(id="train/10", action="relabel", new=3),
        Instruction(id="train/2", action="weight", new=0.5),
    ]
    selection, _ = chosen(signals, budget=20, by_hand=hand)
    assert "train/0" in selection.kept
    assert selection.edits["train/1"].reason == "by hand"
    assert selection.relabeled["train/10"].new == 3
    assert len(selection.dropped) == 20 - 2 + 1
    assert selection.weights[list(selection.kept).index("train/2")] == pytest.approx(0.5, rel=0.01)


def test_edits_files_are_read_and_mistakes_named(tmp_path, signals):
    path = tmp_path / "edits.jsonl"
    path.write_text('{"id": "a", "action": "relabel", "new": 2, "score": 1}\n\n{"id": "b", "action": "keep"}\n')
    assert read(path) == [Instruction(id="a", action="relabel", new=2.0), Instruction(id="b", action="keep")]
    for text, message in (
        ("nonsense", "line 1 is not JSON"),
        ('{"id": 3, "action": "drop"}', "line 1: expected"),
        ('{"id": "a", "action": "burn"}', "line 1: expected"),
        ('{"id": "a", "action": "relabel"}', 'needs "new"'),
        ('{"id": "a", "action": "drop"}\n{"id": "a", "action": "keep"}', "line 2: 'a' already has an edit"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read(path)
    with pytest.raises(DataError, match="Cannot read"):
        read(tmp_path / "missing.jsonl")
    with pytest.raises(DataError, match="not a training sample"):
        chosen(signals, by_hand=[Instruction(id="nobody", action="drop")])
    with pytest.raises(DataError, match="0 to 3"):
        chosen(signals, by_hand=[Instruction(id="train/1", action="relabel", new=4)])


def test_a_selection_file_can_be_given_back_as_edits(signals, tmp_path):
    selection, _ = chosen(signals, budget=20, edit="relabel")
    index = {name: i for i, name in enumerate(signals.ids)}
    edits = {index[name]: edit for name, edit in selection.edits.items()}
    (tmp_path / "e.jsonl").write_bytes(manifest.selection_lines(signals.ids, edits, None))
    again, _ = chosen(signals, "none", by_hand=read(tmp_path / "e.jsonl"))
    assert np.array_equal(again.labels, selection.labels)
    assert np.array_equal(again.kept, selection.kept)


def test_selection_jsonl_is_canonical_hashed_and_in_order(shipped):
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.full(10, 0.2), len(shipped.train)).astype(np.float32)
    signals = Signals(ids=shipped.train.ids, labels=shipped.train.y, classes=10, pred_probs=p)
    section = section_of({"method": "quantile", "budget": 50})
    selection, _ = select(signals, section, seed=1, digest=lambda i: sample_digest(shipped.train.x[i]))
    position = {name: i for i, name in enumerate(shipped.train.ids)}
    edits = {position[name]: edit for name, edit in selection.edits.items()}
    lines = manifest.selection_lines(shipped.train.ids, edits, lambda i: sample_digest(shipped.train.x[i]))
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["id"] for row in rows] == sorted(selection.dropped, key=position.get)
    assert set(rows[0]) == {"id", "sha256", "action", "old", "new", "score", "reason"}
    first = position[rows[0]["id"]]
    assert rows[0]["sha256"] == sample_digest(shipped.train.x[first])
    assert rows[0]["old"] == shipped.train.y[first]
    assert manifest.selection_sha256(lines) == selection.sha256


def test_scores_parquet_has_a_column_for_the_method_and_each_member(signals, tmp_path):
    _, decision = chosen(signals, "consensus", members=("self-confidence", "margin"), budget=5)
    (tmp_path / "s.parquet").write_bytes(manifest.scores_parquet(decision, signals.labels))
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["id", "label", "consensus", "self-confidence", "margin"]
    assert table["id"].to_pylist() == signals.ids.tolist()
    assert table["consensus"].to_numpy() == pytest.approx(decision.scores.values)


def test_a_class_that_would_vanish_is_an_error(signals):
    sure = signals.oof_probs.copy()
    sure[signals.labels == 3] = [0.4, 0.3, 0.29, 0.01]
    with pytest.raises(DataError, match="no sample of class 3"):
        chosen(dataclasses.replace(signals, oof_probs=sure), budget=50)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.array(["train/0"] * N)}, "occurs 200 times"),
        ({"labels": np.zeros(N, np.int64)}, "All 200 samples have label 0"),
        ({"labels": np.arange(N) % 5}, "expected 0 to 3"),
        ({"labels": np.zeros(3, np.int64)}, r"200 ids but labels of shape \(3,\)"),
        ({"labels": np.arange(N) % 4 / 2}, "must be integers"),
        ({"oof_probs": np.full((N, 4), np.nan, np.float32)}, "800 NaN or infinite"),
        ({"oof_probs": np.ones((N, 4), np.float32)}, "sum to 1"),
        ({"oof_probs": np.ones((N, 3), np.float32)}, r"must have shape \(200, 4\)"),
        ({"embeddings": np.ones((3, 5), np.float32)}, "must have shape"),
        ({"margins": np.ones((5, 3), np.float32)}, "must have shape"),
        ({"val_labels": np.array([0, -1])}, "'val_labels' must contain whole numbers from 0 to 3"),
        ({"val_labels": np.array([], np.int64)}, "at least one"),
        ({"folds": np.zeros(N)}, "'folds' must contain whole numbers"),
    ],
)
def test_signals_that_cannot_be_are_refused(signals, change, message):
    with pytest.raises(DataError, match=message):
        check(dataclasses.replace(signals, **change))


def test_none_edits_nothing_even_where_auto_was_given_a_budget(signals):
    from edgekit.curation import auto as chooser

    clean = dataclasses.replace(
        signals,
        labels=np.repeat([0, 1, 2, 3], [100, 50, 30, 20]),
        embeddings=signals.oof_probs,
        val_embeddings=signals.oof_probs[None, ::5],
        val_labels=np.repeat([0, 1, 2, 3], [100, 50, 30, 20])[::5],
    )
    section, facts = chooser.choose(clean, section_of({"method": "auto", "budget": 20}), seed=0)
    assert facts["chosen"] == "none"
    assert not select(clean, section, seed=0)[0].edits


def test_methods_that_choose_a_subset_keep_their_choice():
    for options in ({"method": "ccs", "budget": 5, "balance": True}, {"method": "duplicates", "max_edit": 0.1}):
        with pytest.raises(RecipeError, match="subset"):
            section_of(options)
    with pytest.raises(RecipeError, match="takes no budget"):
        section_of({"method": "duplicates", "budget": 5})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "margin", "max_edit": 0.1, "upweight": 0.1}, "does not go with max_edit"),
        ({"method": "margin", "per_class": True}, "per_class is not used by 'margin'"),
        ({"method": "margin", "beta": 0.2}, "beta is not used"),
        ({"method": "margin", "trusted_val": True}, "trusted_val is not used"),
        ({"method": "iqr", "folds": 3}, "folds is not used"),
        ({"method": "random", "budget": 3, "repeats": 2}, "nothing to repeat"),
        ({"method": "consensus", "members": ["margin"]}, "at least 2 members"),
        ({"method": "consensus", "members": ["margin", "influence"]}, "cannot be a member"),
        ({"method": "ccs", "budget": 0.2, "beta": 0.3}, "more of the hardest"),
    ],
)
def test_values_that_would_be_ignored_or_contradict_are_refused(options, message):
    with pytest.raises(RecipeError, match=message):
        section_of(options)


def test_a_share_of_edits_below_one_sample_is_refused(signals):
    with pytest.raises(DataError, match="less than one"):
        chosen(signals, budget=20, max_edit=0.001)


def test_edits_that_are_no_numbers_are_refused(signals, tmp_path):
    path = tmp_path / "edits.jsonl"
    for number in ("NaN", "Infinity", "1e999"):
        for action in ("relabel", "weight"):
            path.write_text(f'{{"id": "train/1", "action": "{action}", "new": {number}}}')
            with pytest.raises(DataError, match="a label number, or a weight"):
                read(path)
    nothing = [Instruction(id=str(name), action="weight", new=0.0) for name in signals.ids]
    with pytest.raises(DataError, match="weight 0"):
        chosen(signals, "none", by_hand=nothing)


def test_influence_goes_by_its_own_name_and_by_the_mean_under_max_edit():
    rng = np.random.default_rng(0)
    y, val_y = rng.integers(0, 3, 300), rng.integers(0, 3, 60)
    centers = rng.normal(size=(3, 4)) * 2
    known = Signals(
        ids=np.arange(300).astype(str),
        labels=y,
        classes=3,
        embeddings=(centers[y] + rng.normal(size=(300, 4))).astype(np.float32),
        val_embeddings=(centers[val_y] + rng.normal(size=(60, 4))).astype(np.float32)[None],
        val_labels=val_y,
    )
    plain, decision = chosen(known, "influence", budget=20)
    assert plain.facts["variant"] == "min"
    assert decision.scores.method == "influence"
    few, decision = chosen(known, "influence", budget=20, max_edit=0.01)
    assert few.facts["variant"] == "mean"
    assert len(few.edits) == 3
    assert np.array_equal(decision.scores.values, chosen(known, "tracin", variant="mean", budget=3)[1].scores.values)


def test_clean_data_and_a_hardness_cut_is_a_warning():
    labels = np.repeat([0, 1], 100)
    p = np.full(200, 0.99)
    p[::5] = 0.6  # 20 % hard, yet right
    both = np.stack([np.where(labels == 0, p, 1 - p), np.where(labels == 0, 1 - p, p)], axis=1).astype(np.float32)
    clean = Signals(ids=np.arange(200).astype(str), labels=labels, classes=2, pred_probs=both)
    selection, _ = chosen(clean, "iqr", max_class_edit=1)
    assert selection.facts["estimated_noise"] == 0
    assert len(selection.dropped) == 40
    assert any("likely hurts" in warning for warning in selection.warnings)


def test_a_method_that_reads_untrusted_validation_says_so(signals):
    rng = np.random.default_rng(0)
    more = dataclasses.replace(
        signals,
        embeddings=rng.normal(size=(N, 3)).astype(np.float32),
        val_embeddings=rng.normal(size=(1, 12, 3)).astype(np.float32),
        val_labels=np.arange(12) % 4,
    )
    message = "as noisy as the training labels"
    assert any(message in warning for warning in chosen(more, "tracin", budget=5)[0].warnings)
    assert not any(message in warning for warning in chosen(more, "tracin", variant="self", budget=5)[0].warnings)
    trusted = dataclasses.replace(more, val_trusted=True)
    assert not any(message in warning for warning in chosen(trusted, "tracin", budget=5)[0].warnings)


def test_the_public_function_takes_arrays(signals):
    selection = edgekit.curate(signals, method="self-confidence", budget=20)
    assert len(selection.dropped) == 20
    assert edgekit.curate(signals, "margin", budget=0.05, edit="relabel").relabeled
    with pytest.raises(edgekit.EdgekitError, match="Did you mean 'margin'"):
        edgekit.curate(signals, "margn")
    with pytest.raises(RecipeError, match="buget"):
        edgekit.curate(signals, "margin", buget=3)
    with pytest.raises(RecipeError, match="auto"):
        edgekit.curate(signals, "auto")
    with pytest.raises(RecipeError, match="works only in builds"):
        edgekit.curate(signals, "margin", apply="edits.jsonl")


def test_the_public_function_takes_lists_and_checks_them(signals):
    plain = edgekit.Signals(
        ids=signals.ids.tolist(), labels=signals.labels.tolist(), classes=4, oof_probs=signals.oof_probs.tolist()
    )
    assert edgekit.curate(plain, "margin", budget=20).sha256 == edgekit.curate(signals, "margin", budget=20).sha256
    with pytest.raises(DataError, match="shape"):
        edgekit.curate(dataclasses.replace(signals, labels=signals.labels[:, None]), "margin", budget=20)
