"""`firebreak skill rehearse`: break what a skill claims to mend, on a real stack, and see."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import installation
from cli.client import AppClient, connect
from cli.output import Exit, note, print_json, say
from cli.rehearsed import passed, rehearsal_lines
from cli.session import SESSION, JsonFlag
from cli.skill_author import SHIPPED
from cli.skill_live import patient_get, write_report
from cli.stages import Model, Verifier, VerifierModel, service_named, verifier_of

POLL_S = 0.5


def rehearse(
    names: Annotated[list[str], typer.Argument(help="Skills, as `firebreak skill list` prints them.")],
    verifier: Verifier = "",
    verifier_model: VerifierModel = "",
    model: Model = "",
    target: Annotated[
        str, typer.Option("--target", help="Service that they are rehearsed on; empty: each one's default.")
    ] = "",
    report_out: Annotated[Path | None, typer.Option("--report-out", help="Write all rehearsals to this file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Break what a skill claims to mend, see every criterion fail, run it, see them hold, take it back, compare.

    On a temporary stack whose responder only watches, unless a home is running. Exit code 3 when one is not passed.
    A home with an inventory of your own breaks what that inventory allows (docs/how-to/run-on-a-remote-host-or-cluster.md).
    Example: firebreak skill rehearse hung-process link-latency
    Example: firebreak skill rehearse image-unpullable --target web
    """
    wish = {"target": service_named(target), **verifier_of(verifier, verifier_model or model)}
    tell = note if not as_json else lambda _: None
    if installation.owner(SESSION.home):
        with connect(SESSION.home) as client:
            found = [_follow(client, name, wish, quiet=as_json) for name in names]
    else:
        from cli.temporary import temporary_home
        from skills.shelf import Shelf

        for name in names:
            Shelf(SHIPPED).procedure(name)  # a wrong name is told before a stack is started
        os.environ["FIREBREAK_AUTONOMY"] = "observe"
        with temporary_home("", tell) as client:
            found = [_follow(client, name, wish, quiet=as_json) for name in names]
    if report_out is not None:
        write_report(report_out, {"rehearsals": found})
    if as_json:
        print_json({"rehearsals": found})
    if not all(passed(r) for r in found):
        raise typer.Exit(int(Exit.FINDING))


def _follow(client: AppClient, name: str, wish: dict[str, str], *, quiet: bool) -> dict[str, Any]:
    begun = client.post(f"/api/skills/{name}/rehearsals", wish)
    while True:
        found = patient_get(client, f"/api/skill-rehearsals/{begun['id']}")
        if found["ended_at"]:
            break
        time.sleep(POLL_S)
    for line in rehearsal_lines(found) if not quiet else []:
        say(line)
    return found
