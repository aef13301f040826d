"""Negative influence plus entropy against explicit gradients of the same head."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import rankdata

from edgekit.curation.head import residuals, standardized, train_head, with_one
from edgekit.curation.pool import influence_entropy
from edgekit.errors import DataError


def test_score_by_explicit_gradients(pool):
    labeled, unlabeled, validation = standardized(pool.labeled_embeddings, pool.embeddings, pool.val_embeddings)
    influence = np.zeros((120, 3))
    for head in train_head(labeled, pool.labeled, 3, seed=3):

        def gradients(x, y, head=head):
            return np.einsum("nd,nk->ndk", with_one(x), residuals(x, y, head)).reshape(len(x), -1)

        ours = gradients(unlabeled, pool.pred_probs.argmax(axis=1))
        theirs = gradients(validation, pool.val_labels)
        for k in range(3):
            influence[:, k] += head.learning_rate * (ours @ theirs[pool.val_labels == k].mean(axis=0))
    entropy = -(pool.pred_probs * np.log(pool.pred_probs)).sum(axis=1)
    expected = (rankdata(-influence.min(axis=1)) - 1 + rankdata(entropy) - 1) / 119 / 2
    assert influence_entropy.rank(pool, count=1, seed=3) == pytest.approx(expected, abs=0.02)


def test_it_needs_labeled_samples(pool):
    bare = dataclasses.replace(pool, labeled=pool.labeled[:0], labeled_embeddings=pool.labeled_embeddings[:0])
    with pytest.raises(DataError, match="needs labeled"):
        influence_entropy.rank(bare, count=1, seed=1)
