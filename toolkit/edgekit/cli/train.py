"""edgekit train: a build up to the student."""

from __future__ import annotations

from edgekit.cli import options as o
from edgekit.cli.build import curation, reading, run, training


def train(
    data: o.Data = None,
    image_size: o.ImageSize = None,
    skip_bad: o.SkipBad = False,
    recipe: o.RecipeFile = None,
    set_: o.Settings = None,
    curate: o.Curate = None,
    variant: o.Variant = None,
    budget: o.Budget = None,
    balance: o.Balance = False,
    max_edit: o.MaxEdit = None,
    edit: o.EditKind = None,
    folds: o.Folds = None,
    members: o.Members = None,
    trusted_val: o.TrustedVal = False,
    apply: o.Apply = None,
    student: o.StudentName = None,
    width: o.Width = None,
    max_size: o.MaxSize = None,
    weights: o.Weights = None,
    distill: o.Distill = None,
    teacher: o.TeacherName = None,
    backend: o.Backend = None,
    seed: o.Seed = None,
    deterministic: o.Deterministic = False,
    out: o.Out = None,
    force: o.Force = False,
    resume: o.Resume = False,
    as_json: o.Json = False,
) -> None:
    """Only curate and train the student; needs no TensorFlow with --backend jax. `edgekit build --resume` goes on."""
    values = (
        curation(
            data,
            curate,
            teacher,
            seed,
            variant=variant,
            budget=budget,
            balance=balance,
            max_edit=max_edit,
            edit=edit,
            folds=folds,
            members=members,
            trusted_val=trusted_val,
            apply=apply,
        )
        | training(student, width, max_size, weights, distill, backend, deterministic)
        | reading(image_size, skip_bad)
    )
    run("train", recipe, set_, values, out, force=force, resume=resume, as_json=as_json)
