"""Influence functions on a linear head: the gradient preconditioned by the inverse Hessian, exactly or by K-FAC.

The Hessian of the mean softmax cross-entropy with respect to [W; b] is (1/n) Σ ĥĥᵀ ⊗ (diag p - ppᵀ), which is also its
Gauss-Newton matrix (Koh & Liang 2017, arXiv 1703.04730; docs/methods.md, "Influence functions"). Adding a constant to all logits
changes nothing, so the matrix is singular and needs damping.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def hessian(one: NDArray[Any], p: NDArray[Any]) -> NDArray[np.float64]:
    """((d+1)K, (d+1)K) exact Hessian of the mean loss; index = feature * K + class.

    one: (n, d+1) embeddings with a column of ones. p: (n, K) probabilities.
    """
    count, width = one.shape
    classes = p.shape[1]
    full = np.empty((width, classes, width, classes), np.float64)
    for k in range(classes):
        for j in range(k, classes):
            weight = p[:, k] * ((k == j) - p[:, j])
            full[:, k, :, j] = full[:, j, :, k] = (one * weight[:, None]).T @ one
    matrix: NDArray[np.float64] = full.reshape(width * classes, width * classes) / count
    return matrix


def solve_exact(matrix: NDArray[np.float64], damping: float, gradients: NDArray[Any]) -> NDArray[np.float64]:
    """(H + λI)⁻¹ G by Cholesky. gradients: (c, d+1, K); λ = damping * mean diagonal. Returns the same shape."""
    from scipy.linalg import cho_factor, cho_solve

    size = len(matrix)
    damped = matrix + np.eye(size) * (damping * np.trace(matrix) / size)
    solved = cho_solve(cho_factor(damped, lower=True), gradients.reshape(len(gradients), size).T.astype(np.float64))
    return np.asarray(solved.T.reshape(gradients.shape))


def solve_kfac(one: NDArray[Any], p: NDArray[Any], damping: float, gradients: NDArray[Any]) -> NDArray[np.float64]:
    """(A + √λ I)⁻¹ G (S + √λ I)⁻¹ with A = mean ĥĥᵀ, S = mean(diag p - ppᵀ) (Martens & Grosse 2015, arXiv 1503.05671).

    damping: λ. gradients: (c, d+1, K). Returns the same shape.
    """
    root = np.sqrt(damping)
    a = (one.T @ one).astype(np.float64) / len(one)
    s = np.diag(p.mean(axis=0, dtype=np.float64)) - (p.T @ p).astype(np.float64) / len(p)
    left = np.linalg.inv(a + root * np.eye(len(a)))
    right = np.linalg.inv(s + root * np.eye(len(s)))
    return np.asarray(left @ gradients.astype(np.float64) @ right)
