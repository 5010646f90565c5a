"""`firebreak intake test FILE`: what an alert payload would become, without sending it anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import print_json, say
from cli.session import JsonFlag
from domain.errors import IntakeError

app = typer.Typer(help="Try alert payloads.")


@app.callback()
def group() -> None:
    """Try alert payloads."""


@app.command("test")
def intake_test(
    file: Annotated[Path, typer.Argument(help="A webhook body as its source sends it.")],
    source: Annotated[str, typer.Option(help="alertmanager, generic …; recognised from the body when left out.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Show the normalised alerts, their dedup key and where they would go.

    Example: firebreak intake test alert.json
    """
    from tools.intake import describe

    try:
        body = file.read_bytes()
    except OSError as error:
        raise IntakeError(
            f"{file} cannot be read.", expected="a file with one webhook body", found=str(error)
        ) from error
    document = describe(body, source=source or None)
    if as_json:
        print_json(document)
        return
    say(f"source: {document['source']}")
    for alert in document["alerts"]:
        say(f"  {alert['status']:<9} {alert['severity']:<9} {alert['title']}")
        say(f"      service {alert['service'] or '-'} · dedup key {alert['identity']} · episode {alert['episode_id']}")
        if alert.get("route"):
            say(f"      route: {alert['route']}")
    if document.get("hints") == []:
        say("  nothing that is followed")
    for hint in document.get("hints", []):
        what = f"comment {hint['comment']} on" if hint["comment"] else "the change of"
        say(f"  look at {what} pull request {hint['repository']}#{hint['number']} (by {hint['sender']})")
    for change in document["changes"]:
        say(f"  change {change['kind']}: {change['summary']} ({change['service'] or '-'})")
