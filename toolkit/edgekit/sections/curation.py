"""Which training samples to edit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from edgekit import registry
from edgekit.sections.base import Section, known


class CurationSection(Section):
    """Which training samples to edit, and how.

    method: a name of registry.CURATIONS. variant: of the method, "" = its first. budget: how many samples to edit, a count
    (>= 1) or a share (< 1); without one the method's own cut, or as many as the noise estimate says. balance: keep the
    class prior. max_edit: the most edits, as a share. max_class_edit: the most edits of each class, as a share of it; None
    = where no number was asked for, what the networks' view of the class supports (curation/bound.py). edit: what happens
    to a chosen sample. relabel_confidence: "relabel" drops where the networks' probability of the new label is under it.
    upweight: share in [-0.5, 0.25] of each weight that grows with the sample's difficulty (negative: with its ease). folds:
    networks for out-of-fold probabilities; None = 5, or as many as the rarest class has samples. factor: of iqr's fences,
    in interquartile ranges. per_class: iqr's fences are those of each class. log_loss: iqr takes the logarithm of the loss.
    basis: of iqr's loss, the teacher's own samples or those that a network has not seen. beta: of ccs, the share of hardest
    samples to leave out. epsilon: of duplicates, how far below 1 the cosine of near ones may be; 0 = exact only. members:
    of a consensus. trusted_val: the validation labels are cleaner than the training labels. apply: a file of edits by hand
    that override the method's. repeats: trainings for the stability report (0 = none).
    """

    method: str = "none"
    variant: str = ""
    budget: float | None = None
    balance: bool = False
    max_edit: float | None = Field(None, gt=0, lt=1)
    max_class_edit: float | None = Field(None, gt=0, le=1)
    edit: Literal["drop", "relabel", "weight"] = "drop"
    relabel_confidence: float = Field(0.8, gt=0, le=1)
    upweight: float = Field(0.0, ge=-0.5, le=0.25)
    folds: int | None = Field(None, ge=2, le=50)
    factor: float = Field(1.5, gt=0)
    basis: Literal["in-sample", "out-of-fold"] = "in-sample"
    per_class: bool = False
    log_loss: bool = False
    beta: float | None = Field(None, ge=0, lt=1)
    epsilon: float | None = Field(None, ge=0, lt=1)
    members: tuple[str, ...] = ()
    trusted_val: bool = False
    apply: str | None = None
    repeats: int = Field(0, ge=0)

    _check_method = field_validator("method")(lambda name: known("curations", name))

    @field_validator("members")
    @classmethod
    def _check_members(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            known("curations", name)
            if not registry.CURATIONS[name].member:
                can = ", ".join(n for n, entry in registry.CURATIONS.items() if entry.member)
                raise ValueError(f"{name!r} cannot be a member of a consensus; those that can: {can}")
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _goes_together(self) -> CurationSection:
        entry = registry.CURATIONS[self.method]
        if self.variant and self.variant not in entry.variants:
            known = ", ".join(entry.variants) or "none"
            raise ValueError(f"{self.method!r} has no variant {self.variant!r} (known: {known})")
        if entry.budget == "needed" and self.budget is None:
            raise ValueError(f"{self.method!r} needs budget (--budget): how many samples to drop, a count or a share")
        if self.method == "none" and self.budget is not None:
            raise ValueError("'none' keeps every sample and takes no budget")
        if self.budget is not None and entry.budget == "none":
            raise ValueError(f"{self.method!r} finds its own samples and takes no budget")
        if entry.subset and (self.balance or self.max_edit is not None or self.max_class_edit is not None):
            raise ValueError(
                f"{self.method!r} chooses a whole subset; balance, max_edit and max_class_edit would undo its choice"
            )
        if self.upweight and self.max_edit is not None:
            raise ValueError("upweight changes the weight of every sample; it does not go with max_edit")
        if self.repeats and self.method in ("none", "random"):
            raise ValueError(f"{self.method!r} has nothing to repeat for a stability report")
        if len(self.members) == 1:
            raise ValueError(f"a consensus needs at least 2 members, found only {self.members[0]!r}")
        if self.beta is not None and self.budget is not None and self.beta > self.budget and self.budget < 1:
            raise ValueError(
                f"beta {self.beta:g} leaves out more of the hardest samples than the budget {self.budget:g}"
            )
        for name in unread(self):
            raise ValueError(f"{name} is not read by {self.method!r}; leave it out")
        if self.members and self.method != "consensus":
            raise ValueError(f"members (--members) are those of 'consensus'; the method is {self.method!r}")
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """What the method is called with: every value, and the variant by its name."""
        variants = registry.CURATIONS[self.method].variants
        return self.model_dump() | {"variant": self.variant or (variants[0] if variants else "")}

    @property
    def needs(self) -> tuple[str, ...]:
        """The signals to compute: of "teacher", "dynamics", "folds", "threshold" and "digests"."""
        names = [self.method, *self.members]
        needed = [need for name in names for need in registry.CURATIONS[name].needs]
        instead = {("aum", "threshold"): ["threshold"], ("ccs", "aum"): ["dynamics"]}
        if self.method == "iqr" and self.basis == "out-of-fold":
            needed = ["folds"]
        needed = instead.get((self.method, self.variant), needed)
        if self.edit == "relabel" or self.upweight or self.edit == "weight":
            needed.append("folds")
        return tuple(dict.fromkeys(needed))


def unread(section: CurationSection) -> list[str]:
    """The keys of `section` that were set, yet its method does not read."""
    own = {
        "factor": "iqr",
        "basis": "iqr",
        "per_class": "iqr",
        "log_loss": "iqr",
        "beta": "ccs",
        "epsilon": "duplicates",
    }
    plain = {name: field.default for name, field in CurationSection.model_fields.items()}
    found = [name for name, of in own.items() if section.method != of and getattr(section, name) != plain[name]]
    reads_validation = section.method in ("consensus", "auto") or registry.CURATIONS[section.method].on_validation
    if section.trusted_val and not reads_validation:
        found.append("trusted_val")
    if section.max_class_edit is not None and section.method == "none":
        found.append("max_class_edit")
    # 5 is what complete recipes of earlier versions say of every method.
    if section.folds not in (plain["folds"], 5) and "folds" not in section.needs:
        found.append("folds")
    return found
