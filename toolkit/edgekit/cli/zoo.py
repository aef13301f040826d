"""edgekit zoo: check the products that edgekit has built, and add one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import Json
from edgekit.errors import GateNotMet, IntegrityError, UnknownName, UsageError

app = typer.Typer(help="Check the products that edgekit has built, or add one.", no_args_is_help=True)

Zoo = Annotated[
    Path | None,
    typer.Option("--zoo", metavar="DIR", help="The zoo; default: $EDGEKIT_ZOO, or models/ of the source checkout."),
]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Products; all when left out.")]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished run folders, one for each RNG seed.")]


@app.callback()
def zoo() -> None:
    """Check the products that edgekit has built, or add one."""


def rows(*, required: bool) -> list[tuple[str, str]]:
    """(name, summary) of each product, for `edgekit list`; where there is no zoo at all, an error only if it is `required`."""
    from edgekit.zoo import products

    try:
        return [(product.name, product.summary) for product in products()]
    except UsageError:
        if required:
            raise
        return []


@app.command("verify")
def verify(
    names: Names = None,
    data: Annotated[
        str | None, typer.Option(metavar="SPEC", help="The data set to measure accuracy on; default: the recipe's.")
    ] = None,
    zoo: Zoo = None,
    as_json: Json = False,
) -> None:
    """Digests, size, labels, recipe, how each file runs, and its test accuracy where the data is on this machine."""
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
    told = "; ".join(f"{each.product}: {each.check}: {each.detail}" for each in wrong)
    if any(finding.check != "accuracy" for finding in wrong):
        raise IntegrityError(f"The zoo is not what its manifests say. {told}.")
    if wrong:
        raise GateNotMet(f"Accuracy is not the manifest's. {told}.")
    if data is not None and all(each.ok is None for each in found if each.check == "accuracy"):
        raise UsageError(f"--data {data} is the test set of none of these products; leave it out, or name another.")


@app.command("publish")
def publish(
    runs: Runs,
    name: Annotated[str, typer.Option(help="Of the product: its folder in the zoo.")],
    title: Annotated[str, typer.Option(help="First line of the recipe; default: student, data and precision.")] = "",
    results: Annotated[str, typer.Option(metavar="FILE", help="The result file that holds the figures.")] = "",
    zoo: Zoo = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the product of that name.")] = False,
    as_json: Json = False,
) -> None:
    """Make a product of finished runs: the file with the best validation accuracy, and the mean over their seeds."""
    from edgekit.zoo import root
    from edgekit.zoo.publish import publish as make

    product = make(runs, name, root(zoo), title=title, results=results, force=force)
    typer.echo(json.dumps(dict(product.manifest), indent=2) if as_json else f"{product.path}: {product.summary}")
