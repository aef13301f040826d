"""edgekit zoo: check the products that edgekit has built, and add one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.help import Command, Group, examples
from edgekit.cli.options import Json
from edgekit.errors import GateNotMet, IntegrityError, UnknownName, UsageError

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

Zoo = Annotated[
    Path | None,
    typer.Option(
        "--zoo", metavar="DIR", help="Folder of the zoo. By default $EDGEKIT_ZOO, or models/ of the source checkout."
    ),
]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Products to verify. By default all.")]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN", help="Finished run folders, one per RNG seed.")]


@app.callback()
def zoo() -> None:
    """Verify the ready-made models of the zoo, or add one."""


def rows(*, required: bool) -> list[tuple[str, str]]:
    """(name, summary) of each product, for `edgekit list`; where there is no zoo at all, an error only if it is `required`."""
    from edgekit.zoo import products

    try:
        return [(product.name, product.summary) for product in products()]
    except UsageError:
        if required:
            raise
        return []


@app.command(
    "verify",
    cls=Command,
    epilog=examples("edgekit zoo verify", "edgekit zoo verify fashion-mnist-s-int8 --data fashion-mnist"),
)
def verify(
    names: Names = None,
    data: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Data set to measure accuracy on. By default that of the recipe.")
    ] = None,
    zoo: Zoo = None,
    as_json: Json = False,
) -> None:
    """Verify digests, size, labels, recipe, how each file runs, and its test accuracy if the data is on this machine."""
    from edgekit.zoo import products
    from edgekit.zoo.verify import verify as check

    known = {product.name: product for product in products(zoo)}
    if strange := next((name for name in names or () if name not in known), None):
        raise UnknownName("product", strange, known)
    found = [finding for name in names or known for finding in check(known[name], data)]
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    else:
        for each in found:
            state = {True: "ok", False: "WRONG", None: "-"}[each.ok]
            typer.echo(f"{each.product:<34} {each.check:<9} {state:<6} {each.detail}")
    wrong = [finding for finding in found if finding.ok is False]
    failures = "; ".join(f"{each.product}: {each.check}: {each.detail}" for each in wrong)
    if any(finding.check != "accuracy" for finding in wrong):
        raise IntegrityError(f"The zoo does not match its manifests. {failures}.")
    if wrong:
        raise GateNotMet(f"Accuracy does not match the manifest. {failures}.")
    if data is not None and all(each.ok is None for each in found if each.check == "accuracy"):
        raise UsageError(f"--data {data} is the test set of none of these products; leave it out, or name another.")


@app.command(
    "publish",
    cls=Command,
    epilog=examples(
        "edgekit zoo publish runs/a runs/b --name my-model", "edgekit zoo publish runs/a --name my-model --force"
    ),
)
def publish(
    runs: Runs,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the product, which is its folder in the zoo.")],
    title: Annotated[
        str,
        typer.Option(metavar="TEXT", help="First line of the recipe. By default student, data and precision."),
    ] = "",
    results: Annotated[str, typer.Option(metavar="FILE", help="Result file that holds the figures.")] = "",
    zoo: Zoo = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the product with this name.")] = False,
    as_json: Json = False,
) -> None:
    """Publish finished runs as a product: the file with the best validation accuracy, and the mean over their seeds."""
    from edgekit.zoo import root
    from edgekit.zoo.publish import publish as make

    product = make(runs, name, root(zoo), title=title, results=results, force=force)
    typer.echo(json.dumps(dict(product.manifest), indent=2) if as_json else f"{product.path}: {product.summary}")
