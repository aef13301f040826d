"""Negative influence plus entropy: label what the teacher is unsure of and what would hurt some class if predicted wrongly.

Rule (the data-centric protocol; docs/methods.md, "Influence with entropy"): score = alpha rank(-I_min) + (1 - alpha) rank(H(p)),
alpha = .5, ranks scaled to [0, 1]. I_min is the smallest, over the validation classes, of the head's TracIn of the sample under
its argmax label: the expectation over the predicted labels would be 0 identically, because sum_k p_k (p - one_hot(k)) = 0.

Cost: a head on the labeled samples and one matrix product over the pool for each checkpoint. Do not use it with few labeled
samples per class or with noisy validation labels: the influence then reflects noise, and plain entropy does better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from edgekit.curation.attribution import on_validation
from edgekit.curation.head import standardized, train_head
from edgekit.curation.picks import shares_of_ranks
from edgekit.errors import DataError
from edgekit.types import Pool

_ALPHA = 0.5


def rank(pool: Pool, *, count: int, seed: int) -> NDArray[np.float32]:
    """(N,) float32 in [0, 1], higher = label earlier.

    Raises:
        DataError: there are no labeled or no validation samples.
    """
    if not len(pool.labeled) or not len(pool.val_labels):
        raise DataError("'influence-entropy' needs labeled and validation samples; start with another pool strategy.")
    labeled, unlabeled, validation = standardized(pool.labeled_embeddings, pool.embeddings, pool.val_embeddings)
    checkpoints = train_head(labeled, pool.labeled, pool.pred_probs.shape[1], seed=seed)
    guesses = pool.pred_probs.argmax(axis=1)
    _, by_class = on_validation(unlabeled, guesses, validation, pool.val_labels, checkpoints)
    influence = shares_of_ranks(-by_class.min(axis=1))
    doubt = shares_of_ranks(entr(pool.pred_probs.astype(np.float64)).sum(axis=1))
    return (_ALPHA * influence + (1 - _ALPHA) * doubt).astype(np.float32)
