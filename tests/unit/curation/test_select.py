import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from edgekit.curation import manifest, select
from edgekit.data.fingerprint import sample_digest
from edgekit.errors import DataError
from edgekit.types import Signals


@pytest.fixture(scope="module")
def decided(shipped):
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.full(10, 0.2), len(shipped.train)).astype(np.float32)
    p[np.arange(len(p)), shipped.train.y] += 3
    p /= p.sum(axis=1, keepdims=True)
    signals = Signals(ids=shipped.train.ids, labels=shipped.train.y, pred_probs=p)
    return select(signals, shipped, "iqr", budget=None, seed=1, params={"factor": 1.5})


def test_selection_accounts_for_every_sample(shipped, decided):
    selection, decision = decided
    assert len(selection.dropped) == len(decision.drop) > 0
    assert sorted([*selection.kept, *selection.dropped]) == sorted(shipped.train.ids)
    assert sum(before - kept for before, kept in selection.per_class.values()) == len(selection.dropped)


def test_selection_jsonl_is_canonical_hashed_and_in_order(shipped, decided):
    selection, decision = decided
    lines = manifest.selection_lines(shipped.train, decision)
    rows = [json.loads(line) for line in lines.splitlines()]
    position = {name: i for i, name in enumerate(shipped.train.ids)}
    assert [row["id"] for row in rows] == sorted(selection.dropped, key=position.get)
    assert set(rows[0]) == {"id", "sha256", "action", "old", "new", "score", "reason"}
    first = position[rows[0]["id"]]
    assert rows[0]["sha256"] == sample_digest(shipped.train.x[first])
    assert rows[0]["old"] == shipped.train.y[first]
    assert manifest.selection_sha256(lines) == selection.sha256


def test_scores_parquet_has_a_column_named_after_the_method(shipped, decided, tmp_path):
    _, decision = decided
    (tmp_path / "s.parquet").write_bytes(manifest.scores_parquet(decision.scores, shipped.train.y))
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["id", "label", "iqr"]
    assert table["id"].to_pylist() == shipped.train.ids.tolist()
    assert table["iqr"].to_numpy() == pytest.approx(decision.scores.values)


def test_signals_of_other_samples_are_refused(shipped):
    signals = Signals(ids=shipped.train.ids[::-1], labels=shipped.train.y[::-1])
    with pytest.raises(DataError, match="other samples"):
        select(signals, shipped, "none", budget=None, seed=1, params={"factor": 1.5})


def test_a_class_that_would_vanish_is_an_error(shipped):
    p = np.full((len(shipped.train), 10), 0.001, np.float32)
    p[np.arange(len(p)), shipped.train.y] = 0.991
    gone = shipped.train.y == 3
    p[gone] = 0.1109
    p[gone, 3] = 0.002
    signals = Signals(ids=shipped.train.ids, labels=shipped.train.y, pred_probs=p)
    with pytest.raises(DataError, match="every sample of 'Dress'"):
        select(signals, shipped, "iqr", budget=None, seed=1, params={"factor": 1.5})
