"""`firebreak kill` and `firebreak resume`: stop every effect, now."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("kill")(kill)
    app.command("resume")(resume)


def kill(
    unwind: Annotated[
        bool, typer.Option("--unwind", help="Then show and run the compensations of what was applied.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before unwinding.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Freeze: within five seconds no further effect of any kind. Only a person can resume.

    Example: firebreak kill --unwind --reason "it made things worse"
    """
    started = time.monotonic()
    with connect(SESSION.home) as client:
        document = client.post("/api/kill", {"reason": reason})
        answered_s = round(time.monotonic() - started, 2)
        undone: list[dict[str, Any]] = []
        if unwind and (yes or as_json or _confirmed(client.get("/api/unwind"))):
            undone = client.post("/api/unwind", {"reason": reason})["report"]["receipts"]
    if as_json:
        print_json({**document, "answered_s": answered_s, "unwound": undone})
        return
    stopped = len(document["stopped"])
    say(f"Frozen; quiet after {document['quiet_s']:.2f} s. Nothing acts any more. firebreak resume lifts it.")
    if stopped:
        say(f"{stopped} running effects were stopped; what came of them is read back.")
    for receipt in undone:
        say(f"  {receipt['step_id']}: {receipt['outcome']}: {receipt['summary']}")


def resume(as_json: JsonFlag = False) -> None:
    """Lift the freeze.

    Example: firebreak resume
    """
    with connect(SESSION.home) as client:
        document = client.post("/api/resume")
    if as_json:
        print_json(document)
    else:
        say("Resumed.")


def _confirmed(document: dict[str, Any]) -> bool:
    rows = document.get("items", [])
    if not rows:
        say("Nothing to unwind.")
        return False
    for row in rows:
        say(f"  would undo {row['applied']['action']}: {row['undo']['action']} on {row['undo']['target']}")
    return typer.confirm("Run these compensations?")
