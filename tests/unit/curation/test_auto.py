"""--curate auto: nothing on clean labels, a curation on noisy ones, and never a candidate that evidence speaks against."""

import dataclasses

import numpy as np
import pytest

from edgekit.curation import auto as chooser
from edgekit.curation import select
from edgekit.errors import RecipeError
from edgekit.recipe import section_of
from edgekit.types import Signals


def signals_of(rate, seed=0):
    """Overlapping classes as one network sees them; training and validation labels are equally noisy."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(4, 10)) * 1.2

    def draw(count):
        true = rng.integers(0, 4, count)
        given = np.where(rng.random(count) < rate, (true + rng.integers(1, 4, count)) % 4, true)
        return given, (centers[true] + rng.normal(size=(count, 10))).astype(np.float32)

    labels, embeddings = draw(4000)
    val_labels, val = draw(500)
    # The posterior under clean labels, which is what a good out-of-fold network comes to.
    logits = embeddings @ centers.T - (centers**2).sum(axis=1) / 2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Signals(
        ids=np.arange(4000).astype(str),
        labels=labels,
        classes=4,
        oof_probs=(p / p.sum(axis=1, keepdims=True)).astype(np.float32),
        embeddings=embeddings,
        val_embeddings=val[None],
        val_labels=val_labels,
    )


def test_clean_labels_are_left_alone():
    section, facts = chooser.choose(signals_of(0.0), section_of({"method": "auto"}), seed=0)
    assert section.method == facts["chosen"] == "none"
    assert "look wrong" in facts["why"]


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
def test_noisy_labels_are_curated_with_the_evidence_recorded(rate):
    section, facts = chooser.choose(signals_of(rate), section_of({"method": "auto", "balance": True}), seed=0)
    assert section.method not in ("none", "auto")
    assert section.balance, "what else the user asked for stays"
    assert facts["chosen"].startswith(section.method)
    assert len(facts["evidence"]) == 6
    best = min(
        (row for row in facts["evidence"] if row["candidate"] == facts["chosen"]), key=lambda row: row["difference"]
    )
    assert best["interval"][0] <= 0, "the evidence does not speak against it"


def test_signals_without_validation_are_refused():
    with pytest.raises(RecipeError, match="validation"):
        chooser.choose(
            Signals(ids=np.array(["a", "b"]), labels=np.array([0, 1]), classes=2),
            section_of({"method": "auto"}),
            seed=0,
        )


def test_networks_that_learned_nothing_choose_nothing():
    signals = signals_of(0.1)
    rng = np.random.default_rng(1)
    weak = dataclasses.replace(signals, oof_probs=rng.dirichlet(np.ones(4), 4000).astype(np.float32))
    section, facts = chooser.choose(weak, section_of({"method": "auto"}), seed=0)
    assert section.method == "none"
    assert "too weak" in facts["why"]
    selection, _ = select(weak, section_of({"method": "confident-learning"}), seed=0)
    assert any("too weak" in warning for warning in selection.warnings)


def test_auto_abstains_where_the_networks_always_say_the_largest_class():
    labels = np.repeat([0, 1], [359, 22])
    rng = np.random.default_rng(0)
    p = np.tile(np.array([0.94, 0.06]), (381, 1)) + rng.normal(0, 0.01, (381, 1)) * [1, -1]
    embeddings = rng.normal(size=(381, 4)).astype(np.float32)
    signals = Signals(
        ids=np.arange(381).astype(str), labels=labels, classes=2, oof_probs=p.astype(np.float32), embeddings=embeddings,
        val_embeddings=embeddings[None, ::10], val_labels=labels[::10],
    )  # fmt: skip
    section, facts = chooser.choose(signals, section_of({"method": "auto"}), seed=0)
    assert section.method == facts["chosen"] == "none"
    assert "not clearly more than the largest class has (94%)" in facts["why"]
