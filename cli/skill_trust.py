"""`firebreak skill promote | quarantine`: how far a skill is trusted is a person's word, kept in the ledger."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from cli.skill_live import Name


def promote(
    skill: Name,
    reason: Annotated[str, typer.Option(help="Why; goes to the ledger.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """One step up: draft to validated, rehearsed to trusted (validated becomes rehearsed by a rehearsal alone).

    Trust is signed and bound to the digest: another byte makes another skill. Example: firebreak skill promote hung-process
    """
    _say("promote", skill, reason, as_json)


def quarantine(
    skill: Name,
    reason: Annotated[str, typer.Option(help="Why; goes to the ledger.")],
    as_json: JsonFlag = False,
) -> None:
    """Take a skill out of use; dry runs stay possible.

    Example: firebreak skill quarantine hung-process --reason "resumed the wrong process"
    """
    _say("quarantine", skill, reason, as_json)


def _say(word: str, skill: str, reason: str, as_json: bool) -> None:
    with connect(SESSION.home) as client:
        standing: dict[str, Any] = client.post(f"/api/skills/{skill}/{word}", {"reason": reason})
    if as_json:
        print_json(standing)
    else:
        say(
            f"{standing['skill']} {standing['version']} is {standing['trust']} (L{standing['ledger']}): {standing['reason']}"
        )
