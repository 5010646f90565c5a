"""`firebreak contract …`: what a deployment promises, drafted from the change itself."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import note, print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from contracts.draft import Doubt
    from contracts.reading import Read

app = typer.Typer(help="Deployments as contracts: risk, guardrails, canary, proofs and the way back.")


@app.callback()
def group() -> None:
    """Deployments as contracts: risk, guardrails, canary, proofs and the way back."""


@app.command("draft")
def draft(
    context: Annotated[Path, typer.Argument(help="Deployment context (JSON); - reads standard input.")],
    as_json: JsonFlag = False,
) -> None:
    """Draft the contract of one deployment: what could break, what is asked of it and why.

    Example: firebreak contract draft docs/examples/deployment-context.json
    """
    from contracts.card import lines_of
    from contracts.draft import draft_contract
    from domain.value import new_id

    found = _read(context)
    contract = draft_contract(found.context, id=new_id("con"), at=datetime.now(UTC), doubts=_doubts(found))
    if as_json:
        print_json(contract.document())
        return
    for line in lines_of(contract):
        say(line)


def _read(file: Path) -> Read:
    from contracts.reading import read_context

    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read", expected="a deployment context (JSON)", found=error.strerror or str(error)
        ) from error
    return read_context(text, "standard input" if str(file) == "-" else str(file))


def _doubts(found: Read) -> list[Doubt]:
    for name in found.unknown:
        note(f"not used: {name}")
    return [(f"not used, because it is not known: {name}", 0.0) for name in found.unknown[:20]]
