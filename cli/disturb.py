"""`firebreak drill disturb`: trouble for an agent itself, and what governance made of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli import installation
from cli.client import AppClient, connect
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from domain.agents import AgentDetail
from domain.errors import UpstreamError

AFTER_S = 2.0
"""What was seen at the very end is on record by then."""


def disturb(
    condition: Annotated[str, typer.Argument(help="token_revoked, lock_lost, heartbeat_timeout or state_corrupted.")],
    incident: Annotated[str, typer.Argument(help="The open incident on which the agent works.")],
    agent: Annotated[str, typer.Option(help="Whom.")] = "responder",
    seconds: Annotated[float, typer.Option(min=0.1, max=900, help="For how long.")] = 60.0,
    as_json: JsonFlag = False,
) -> None:
    """Disturb an agent at work, and show what governance made of it. It costs a compliant agent nothing.

    Exit code 3 when it was charged all the same. Example: firebreak drill disturb lock_lost inc-4f2a9c1be07d
    """
    began = datetime.now(UTC)
    with AppClient(_chaos_url(), SESSION.home.token("chaos")) as chaos:
        chaos.post(f"/conditions/{condition}", {"agent": agent, "task": incident, "duration_s": seconds})
    time.sleep(seconds + AFTER_S)
    with connect(SESSION.home) as client:
        found = AgentDetail.model_validate(client.get(f"/api/agents/{agent}"))
    rows = [row for row in found.violations if row.at >= began and row.change == incident]
    charged = [row for row in rows if row.charged]
    if as_json:
        told = [row.model_dump(mode="json") for row in rows]
        print_json({"condition": condition, "agent": agent, "incident": incident, "violations": told})
    else:
        for row in rows:
            say(f"{row.violation:<24} {row.consequence:<11} {row.cause}: {row.evidence}")
        say(f"{condition} for {seconds:g} s: {len(rows)} suspicions, {len(charged)} charged.")
    if charged:
        raise typer.Exit(int(Exit.FINDING))


def _chaos_url() -> str:
    url = next((str(r["url"]) for r in installation.status(SESSION.home) if r["name"] == "chaos"), "")
    if not url:
        raise UpstreamError("no chaos server runs in this home", hint="firebreak up starts one beside the local stack")
    return url
