"""Curation methods, which choose training samples, and pool strategies, which choose samples to label next."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.registry.entry import Entry

_METHODS = "edgekit.curation.methods"

CURATIONS: Mapping[str, Entry] = {
    "none": Entry(f"{_METHODS}.none:decide", "keep every sample"),
    "auto": Entry(f"{_METHODS}.none:decide", "choose by the noise estimate and validation evidence", needs=("folds",)),
    "random": Entry(f"{_METHODS}.random:decide", "drop --budget samples at random: the control", budget="needed"),
    "iqr": Entry(
        f"{_METHODS}.iqr:decide", "drop beyond Tukey's fences of the teacher's loss (IQR study)", needs=("teacher",)
    ),
    "quantile": Entry(
        f"{_METHODS}.quantile:decide", "drop the --budget samples of highest in-sample loss",
        needs=("teacher",), budget="needed",
    ),
    "self-confidence": Entry(
        f"{_METHODS}.self_confidence:decide", "out-of-fold probability of the given label: the default ranker",
        needs=("folds",), member=True,
    ),
    "margin": Entry(
        f"{_METHODS}.margin:decide", "out-of-fold probability of the label minus the largest other one",
        needs=("folds",), member=True,
    ),
    "confident-learning": Entry(
        f"{_METHODS}.confident_learning:decide", "labels that the confident joint calls wrong; determines the number itself",
        needs=("folds",), variants=("pbnr", "pbc", "both"), member=True,
    ),
    "aum": Entry(
        f"{_METHODS}.aum:decide", "mean logit margin over the epochs of one training run",
        needs=("dynamics",), variants=("rank", "threshold"), member=True,
    ),
    "el2n": Entry(
        f"{_METHODS}.el2n:decide", "mean distance of early predictions from the label: difficulty",
        needs=("dynamics",), member=True,
    ),
    "forgetting": Entry(
        f"{_METHODS}.forgetting:decide", "how often a sample went from right to wrong in training",
        needs=("dynamics",), member=True,
    ),
    "influence": Entry(
        f"{_METHODS}.tracin:decide", "head TracIn on validation: minimum over classes, or mean under --max-edit",
        needs=("folds",), variants=("auto",), on_validation=True,
    ),
    "tracin": Entry(
        f"{_METHODS}.tracin:decide", "head TracIn: on validation by class, its mean, or on the sample itself",
        needs=("folds",), variants=("min", "mean", "self"), member=True, on_validation=True,
    ),
    "influence-function": Entry(
        f"{_METHODS}.influence_function:decide", "influence with the head's inverse Hessian",
        needs=("folds",), variants=("kfac", "exact"), member=True, on_validation=True,
    ),
    "trak": Entry(
        f"{_METHODS}.trak:decide", "TRAK on an ensemble of heads", needs=("folds",), variants=("mean", "min"),
        member=True, on_validation=True,
    ),
    "knn-shapley": Entry(
        f"{_METHODS}.knn_shapley:decide", "Shapley value of each sample for a nearest-neighbor classifier",
        needs=("folds",), member=True, on_validation=True,
    ),
    "knn-agreement": Entry(
        f"{_METHODS}.knn_agreement:decide", "share of the nearest neighbors with the same label",
        needs=("folds",), member=True,
    ),
    "ccs": Entry(
        f"{_METHODS}.ccs:decide", "coverage-centric subset: drop the hardest, cover the rest evenly",
        needs=("folds",), variants=("el2n", "aum"), budget="needed",
        subset=True,
    ),
    "glister": Entry(
        f"{_METHODS}.glister:decide", "greedy subset that lowers a head's validation loss most",
        needs=("folds",), on_validation=True,
    ),
    "duplicates": Entry(
        f"{_METHODS}.duplicates:decide", "keep one of each group of exact or near duplicates", needs=("folds", "digests"),
        budget="none",
        subset=True
    ),
    "consensus": Entry(
        f"{_METHODS}.consensus:decide", "mean rank of several methods (--members)", needs=("folds",)
    ),
}  # fmt: skip

POOLS: Mapping[str, Entry] = {
    "random": Entry("edgekit.curation.pool.random:rank", "label at random: the control"),
    "entropy": Entry(
        "edgekit.curation.pool.entropy:rank", "label samples where the teacher is least certain over all classes"
    ),
    "margin": Entry("edgekit.curation.pool.margin:rank", "label samples whose two most probable classes are closest"),
    "k-center": Entry("edgekit.curation.pool.k_center:rank", "label samples farthest from everything labeled"),
    "badge": Entry("edgekit.curation.pool.badge:rank", "label uncertain samples that differ: k-means++ on gradients"),
    "influence-entropy": Entry(
        "edgekit.curation.pool.influence_entropy:rank",
        "label samples that are uncertain and would hurt some validation class",
    ),
}
