import numpy as np
import pytest

from edgekit.types import Pool


@pytest.fixture(scope="session")
def pool() -> Pool:
    """120 samples of 3 clusters, 30 labeled and 40 validation ones."""
    rng = np.random.default_rng(5)
    centers = rng.normal(size=(3, 5)) * 2

    def draw(count):
        labels = rng.integers(0, 3, count)
        return (centers[labels] + rng.normal(size=(count, 5))).astype(np.float32), labels

    embeddings, _ = draw(120)
    labeled_embeddings, labeled = draw(30)
    val_embeddings, val_labels = draw(40)
    logits = -((embeddings[:, None] - centers) ** 2).sum(axis=2) / 4
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Pool(
        ids=np.array([f"pool/{i}" for i in range(120)]),
        pred_probs=(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32),
        embeddings=embeddings,
        labeled_embeddings=labeled_embeddings,
        labeled=labeled,
        val_embeddings=val_embeddings,
        val_labels=val_labels,
    )
