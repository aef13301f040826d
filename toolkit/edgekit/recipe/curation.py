"""Which training samples to edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from edgekit import registry
from edgekit.recipe.base import Names, Section, known


class CurationSection(Section):
    """Which training samples to edit, and how."""

    method: Annotated[str, Names("curations")] = "none"
    """Curation method; `edgekit list curations` explains each one."""
    variant: str = ""
    """Variant of the method, e.g. min, mean or self of tracin. By default the first one."""
    budget: float | None = None
    """Number of samples to edit: a count (1 or more) or a share (below 1). By default the method's own cutoff or the
    noise estimate decides.
    """
    balance: bool = False
    """Edit the same share of each class, so that the class proportions stay the same."""
    max_edit: float | None = Field(None, gt=0, lt=1)
    """Edit at most this share of samples, e.g. 1%."""
    max_class_edit: float | None = Field(None, gt=0, le=1)
    """Edit at most this share of each class. By default there is a limit only if no budget is given: what the networks'
    predictions for the class support.
    """
    edit: Literal["drop", "relabel", "weight"] = "drop"
    """What to do with the selected samples: drop them, relabel them, or lower their weight."""
    relabel_confidence: float = Field(0.8, gt=0, le=1)
    """With edit relabel, drop a sample instead if the networks' probability of its new label is below this."""
    upweight: float = Field(0.0, ge=-0.5, le=0.25)
    """Share of each sample's weight that grows with its difficulty; a negative share grows with its ease."""
    folds: int | None = Field(None, ge=2, le=50)
    """Number of networks for out-of-fold predictions. By default 5, or fewer if a class has fewer samples."""
    factor: float = Field(1.5, gt=0)
    """Distance of the iqr method's fences from the quartiles, in interquartile ranges."""
    basis: Literal["in-sample", "out-of-fold"] = "in-sample"
    """Which loss the iqr method reads: of the teacher on its own training samples, or of networks that have not seen
    the sample.
    """
    per_class: bool = False
    """Compute the iqr method's fences for each class separately."""
    log_loss: bool = False
    """Let the iqr method take the logarithm of the loss."""
    beta: float | None = Field(None, ge=0, lt=1)
    """Share of the hardest samples that the ccs method leaves out."""
    epsilon: float | None = Field(None, ge=0, lt=1)
    """How far below 1 the cosine similarity of near duplicates may be, for the duplicates method; 0 finds only exact
    ones.
    """
    members: Annotated[tuple[str, ...], Names("curations", members=True)] = ()
    """Methods that vote in the consensus method."""
    trusted_val: bool = False
    """The validation labels were checked, so methods that rely on them can be trusted."""
    apply: str | None = None
    """File of manual edits (JSON Lines), which override the method's."""
    repeats: int = Field(0, ge=0)
    """Repeat with this many other RNG seeds and report how stable the scores and edits are."""
    params: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Parameters that the method alone has, by name; its line in `edgekit list curations` declares them."""

    _check_method = field_validator("method")(lambda name: known("curations", name))

    @field_validator("max_edit", mode="before")
    @classmethod
    def _percent(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            raise ValueError(f"expected a share (--max-edit) such as 1% or 0.01; found {value!r}")
        return share

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
            raise ValueError(f"{self.method!r} decides by itself how many samples to edit and takes no budget")
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
        _check_params(self.method, self.params, entry.params)
        for name in unread(self):
            raise ValueError(f"{name} is not used by {self.method!r}; leave it out")
        if self.members and self.method != "consensus":
            raise ValueError(f"members (--members) are those of 'consensus'; the method is {self.method!r}")
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """What the method is called with: every value, its own parameters among them, and the variant by its name."""
        entry = registry.CURATIONS[self.method]
        variant = self.variant or (entry.variants[0] if entry.variants else "")
        return self.model_dump(exclude={"params"}) | {"variant": variant} | dict(entry.params) | self.params

    @model_serializer(mode="wrap")
    def _without_empty_params(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Few methods have any."""
        return {name: value for name, value in dump(self).items() if name != "params" or value}

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


def _check_params(method: str, given: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in own:
            raise ValueError(f"{method!r} has no parameter {name!r} (known: {', '.join(own) or 'none'})")
        kinds = (int, float) if isinstance(own[name], float) else (type(own[name]),)
        if type(value) not in kinds:
            raise ValueError(f"expected {kinds[-1].__name__} for the parameter {name!r} of {method!r}; found {value!r}")


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
    names = [name for name, of in own.items() if section.method != of and getattr(section, name) != plain[name]]
    reads_validation = section.method in ("consensus", "auto") or registry.CURATIONS[section.method].on_validation
    if section.trusted_val and not reads_validation:
        names.append("trusted_val")
    if section.max_class_edit is not None and section.method == "none":
        names.append("max_class_edit")
    # 5 is what complete recipes of earlier versions say of every method.
    if section.folds not in (plain["folds"], 5) and "folds" not in section.needs:
        names.append("folds")
    return names
