"""`firebreak shadow …`: what would have been done in shadow mode, against what people did."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from governance.shadow import Agreement
from graph.shadow import ShadowReport

app = typer.Typer(help="Compare what would have been done in shadow mode with what people did.")


@app.command()
def report(
    since: Annotated[str, typer.Option(help="How far back: 30d, 12h, 45m.")] = "30d",
    as_json: JsonFlag = False,
) -> None:
    """Show each proposal: the same as people did, different, unnecessary, or unknown.

    Example: firebreak shadow report --since 30d --json
    """
    with connect(SESSION.home) as client:
        document = client.get("/api/shadow", since=since)
    if as_json:
        print_json(document)
        return
    found = ShadowReport.model_validate(document)
    if not found.proposals:
        say("Nothing was proposed in shadow mode since then. Set `mode: shadow` for a service in the inventory.")
        return
    say("  ".join(f"{name} {count}" for name, count in found.counts.items()))
    for row in found.proposals:
        call = row.proposal.call
        say(f"{row.agreement.value:<11}  {row.proposal.id}  {call.action} {call.target}  ({row.why})")
        for done in row.people_did:
            say(f"             people: {done}")


@app.command()
def label(
    proposal: Annotated[str, typer.Argument(metavar="ID", help="Proposal, as the report names it.")],
    agreement: Annotated[Agreement, typer.Argument(help="same, different, unnecessary or unknown.")],
    as_json: JsonFlag = False,
) -> None:
    """Say how a proposal compares with what happened; your word wins over the comparison.

    Example: firebreak shadow label plan-4f2a9c1be07d:s1 same
    """
    with connect(SESSION.home) as client:
        document = client.post(f"/api/shadow/{proposal}", {"label": agreement.value})
    if as_json:
        print_json(document)
    else:
        say(f"{proposal}: {document['label']}")
