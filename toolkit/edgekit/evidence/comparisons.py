"""Two files on the same test samples: difference, McNemar's mid-p, and what that may be called."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import IntegrityError
from edgekit.evidence.significance import mcnemar

Predictions = tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.float32]]
LEVEL = 0.05


def compare(kind: str, name_a: str, a: Predictions, name_b: str, b: Predictions) -> dict[str, Any]:
    """Compare file A with file B; a row of report.json's `comparisons`.

    Args:
        kind: "quantization" (A made from B) or "curation" (A curated, B the control).
        a, b: (ids, labels, (N, K) probabilities) of the same samples.

    Raises:
        IntegrityError: the predictions are not of the same samples.
    """
    (ids_a, labels, p_a), (ids_b, _, p_b) = a, b
    if not np.array_equal(ids_a, ids_b):
        raise IntegrityError(f"{name_a} and {name_b} were evaluated on different samples and cannot be paired.")
    right_a, right_b = p_a.argmax(axis=1) == labels, p_b.argmax(axis=1) == labels
    test = mcnemar(right_a, right_b)
    word = "no significant difference" if test.mid_p >= LEVEL else ("better" if test.difference > 0 else "worse")
    return {
        "kind": kind,
        "a": name_a,
        "b": name_b,
        "split": "test",
        "n": len(labels),
        "accuracy_a": float(right_a.mean()),
        "accuracy_b": float(right_b.mean()),
        "difference": test.difference,
        "only_a_right": test.only_a,
        "only_b_right": test.only_b,
        "agreement": float((p_a.argmax(axis=1) == p_b.argmax(axis=1)).mean()),
        "mcnemar_exact_p": test.exact_p,
        "mcnemar_mid_p": test.mid_p,
        # One RNG seed a side: this is about these two files, never about the methods that made them.
        "files": f"{name_a} against {name_b}: {word} (mid-p {test.mid_p:.3g})",
        "verdict": "no evidence (1 seed)" if kind == "curation" else word,
    }
