"""Factorized influence against the example of docs/methods.md, "TracIn", and against explicit gradients."""

import numpy as np
import pytest

from edgekit.curation import attribution, curvature, trak
from edgekit.curation.head import Checkpoint, probabilities, standardized, train_head, with_one

H = np.array([[1.0, 0.0], [0.0, 2.0]])
HEAD = Checkpoint(
    weights=np.array([[0.5, -0.5, 0.0], [0.0, 0.25, -0.25]]), bias=np.array([0.1, 0.0, -0.1]), learning_rate=0.1
)
Y = np.array([0, 2])
VAL_H, VAL_Y = np.array([[1.0, 1.0]]), np.array([1])


def test_the_published_vector():
    pairs = attribution.pairwise(H, Y, VAL_H, VAL_Y, [HEAD])
    assert pairs[:, 0] == pytest.approx([-0.06622713, -0.11246816], abs=1e-8)
    assert attribution.self_influence(H, Y, [HEAD]) == pytest.approx([0.06246943, 0.52822527], abs=1e-8)
    mean, by_class = attribution.on_validation(H, Y, VAL_H, VAL_Y, [HEAD])
    assert mean == pytest.approx(pairs[:, 0])
    assert by_class[:, 0] == pytest.approx(pairs[:, 0])


@pytest.fixture(scope="module")
def random_case():
    rng = np.random.default_rng(0)
    h, val_h = rng.normal(size=(40, 6)), rng.normal(size=(25, 6))
    y, val_y = rng.integers(0, 4, 40), rng.integers(0, 4, 25)
    heads = [
        Checkpoint(weights=rng.normal(size=(6, 4)), bias=rng.normal(size=4), learning_rate=rate) for rate in (0.3, 0.1)
    ]
    return h, y, val_h, val_y, heads


def explicit_gradients(h, y, head):
    """(n, (d+1) K): one gradient a row, written out."""
    p = probabilities(h, head)
    return np.stack([np.outer([*row, 1.0], q - np.eye(len(q))[k]).ravel() for row, q, k in zip(h, p, y, strict=True)])


def test_means_are_those_of_the_explicit_pairs(random_case):
    h, y, val_h, val_y, heads = random_case
    pairs = sum(
        head.learning_rate * explicit_gradients(h, y, head) @ explicit_gradients(val_h, val_y, head).T for head in heads
    )
    assert attribution.pairwise(h, y, val_h, val_y, heads) == pytest.approx(pairs)
    mean, by_class = attribution.on_validation(h, y, val_h, val_y, heads)
    assert mean == pytest.approx(pairs.mean(axis=1))
    assert by_class == pytest.approx(np.stack([pairs[:, val_y == k].mean(axis=1) for k in range(4)], axis=1))
    own = sum(head.learning_rate * (explicit_gradients(h, y, head) ** 2).sum(axis=1) for head in heads)
    assert attribution.self_influence(h, y, heads) == pytest.approx(own)


def test_el2n_is_the_mean_distance_from_the_label(random_case):
    h, y, _, _, heads = random_case
    distance = [np.linalg.norm(probabilities(h, head) - np.eye(4)[y], axis=1) for head in heads]
    assert attribution.el2n(h, y, heads) == pytest.approx(np.mean(distance, axis=0))


def test_the_hessian_is_the_one_of_finite_differences(random_case):
    h, y, _, _, (head, _) = random_case

    def gradient(flat):
        moved = Checkpoint(weights=flat[:24].reshape(6, 4), bias=flat[24:], learning_rate=1.0)
        return explicit_gradients(h, y, moved).mean(axis=0)

    start = np.concatenate([head.weights.ravel(), head.bias])
    step = 1e-5
    numeric = np.stack(
        [(gradient(start + step * e) - gradient(start - step * e)) / (2 * step) for e in np.eye(len(start))]
    )
    assert curvature.hessian(with_one(h), probabilities(h, head)) == pytest.approx(numeric, abs=1e-8)


def test_solves_are_those_of_the_written_out_matrices(random_case):
    h, _, _, _, (head, _) = random_case
    one, p = with_one(h), probabilities(h, head)
    g = np.random.default_rng(1).normal(size=(2, 7, 4))
    full = curvature.hessian(one, p)
    damped = full + np.eye(28) * 0.01 * np.trace(full) / 28
    expected = np.linalg.solve(damped, g.reshape(2, 28).T).T.reshape(g.shape)
    assert curvature.solve_exact(full, 0.01, g) == pytest.approx(expected)
    a, s = one.T @ one / 40, np.diag(p.mean(axis=0)) - p.T @ p / 40
    kronecker = np.kron(a + 0.1 * np.eye(7), s + 0.1 * np.eye(4))
    expected = np.linalg.solve(kronecker, g.reshape(2, 28).T).T.reshape(g.shape)
    assert curvature.solve_kfac(one, p, 0.01, g) == pytest.approx(expected)


@pytest.mark.tf
def test_influence_and_trak_equal_automatic_differentiation_on_a_real_head(trained, shipped):
    """TracIn, influence function and TRAK on the default student's embeddings, gradients by tf.GradientTape."""
    import tensorflow as tf

    from edgekit.frameworks import backend
    from edgekit.training import signals

    describer = signals.describing(backend.load("tensorflow"), trained)
    _, h, _ = signals.describe(describer, shipped.train.x[:150])
    _, val_h, _ = signals.describe(describer, shipped.val.x[:60])
    h, val_h = (a.astype(np.float64) for a in standardized(h, val_h))
    y, val_y = shipped.train.y[:150], shipped.val.y[:60]
    head = train_head(h.astype(np.float32), y, 10, seed=0)[-1]
    weights, bias = (tf.Variable(v.astype(np.float64)) for v in (head.weights, head.bias))

    def gradients(inputs, labels, output):
        rows = []
        for row, label in zip(inputs, labels, strict=True):
            with tf.GradientTape() as tape:
                value = output(tf.linalg.matvec(tf.transpose(weights), row) + bias, int(label))
            dw, db = tape.gradient(value, [weights, bias])
            rows.append(np.concatenate([dw.numpy(), db.numpy()[None]]).ravel())
        return np.array(rows)

    def cross_entropy(logits, label):
        return tf.reduce_logsumexp(logits) - logits[label]

    def margin(logits, label):
        others = tf.concat([logits[:label], logits[label + 1 :]], axis=0)
        return logits[label] - tf.reduce_logsumexp(others)

    g, val_g = gradients(h, y, cross_entropy), gradients(val_h, val_y, cross_entropy)
    exact = Checkpoint(weights=weights.numpy(), bias=bias.numpy(), learning_rate=head.learning_rate)
    assert attribution.pairwise(h, y, val_h, val_y, [exact]) == pytest.approx(
        head.learning_rate * g @ val_g.T, rel=1e-4
    )
    mean, _ = attribution.on_validation(h, y, val_h, val_y, [exact])
    assert mean == pytest.approx(head.learning_rate * (g @ val_g.T).mean(axis=1), rel=1e-4, abs=1e-9)

    one, p = with_one(h), probabilities(h, exact)
    full = curvature.hessian(one, p)
    damped = full + np.eye(len(full)) * 0.01 * np.trace(full) / len(full)
    influence = g @ np.linalg.solve(damped, val_g.mean(axis=0))
    direction = curvature.solve_exact(full, 0.01, val_g.mean(axis=0).reshape(1, *weights.shape[:0], -1, 10))
    assert g @ direction.ravel() == pytest.approx(influence, rel=1e-4)

    phi, val_phi = gradients(h, y, margin), gradients(val_h, val_y, margin)
    kernel = phi.T @ phi
    kernel += np.eye(len(kernel)) * 0.01 * np.trace(kernel) / len(kernel)
    classes = np.unique(val_y)
    targets = np.stack([val_phi[val_y == k].mean(axis=0) for k in classes])
    missing = 1 - p[np.arange(150), y]
    expected = (phi @ np.linalg.solve(kernel, targets.T)) * missing[:, None]
    found = trak.scores(h, y, val_h, val_y, [exact], damping=0.01)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_trak_of_an_ensemble_multiplies_the_means(random_case):
    h, y, val_h, val_y, heads = random_case
    single = [trak.scores(h, y, val_h, val_y, [head], damping=0.01) for head in heads]
    missing = [1 - probabilities(h, head)[np.arange(40), y] for head in heads]
    attributions = [s / m[:, None] for s, m in zip(single, missing, strict=True)]
    expected = np.mean(attributions, axis=0) * np.mean(missing, axis=0)[:, None]
    assert trak.scores(h, y, val_h, val_y, heads, damping=0.01) == pytest.approx(expected)
