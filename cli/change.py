"""`firebreak change record`: tell Firebreak what you changed, so that it can be evidence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.client import connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.value import new_id

app = typer.Typer(help="Record changes made outside Firebreak.")


@app.callback()
def group() -> None:
    """Record changes made outside Firebreak."""


@app.command("record")
def record(
    service: Annotated[str, typer.Argument(help="Service of the inventory.")],
    summary: Annotated[str, typer.Argument(help="What was changed, in one line.")],
    kind: Annotated[str, typer.Option(help="deploy, config, migration, flag or commit.")] = "deploy",
    version: Annotated[str, typer.Option(help="Version that went out.")] = "",
    commit: Annotated[str, typer.Option(help="Commit that went out; read from the service's `repository`.")] = "",
    diff: Annotated[
        typer.FileText | None,
        typer.Option(help="File with its unified diff, redacted on arrival; - reads it from stdin."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Record a change. What its diff does is weighed when the service suffers afterwards.

    Examples: firebreak change record api "raise pool to 20" --kind config

    firebreak change record api "release 7" --version 7 --commit 1f0c2ab

    git diff v6 v7 | firebreak change record api "release 7" --version 7 --diff -
    """
    change = {
        "id": new_id("chg"),
        "kind": kind,
        "time": datetime.now(UTC).isoformat(),
        "service": service,
        "summary": summary,
        "version": version,
        "commit": commit,
        "diff": diff.read() if diff else "",
    }
    with connect(SESSION.home) as client:
        document = client.post_raw("/intake/change", json.dumps(change).encode(), {"Content-Type": "application/json"})
    if as_json:
        print_json({**document, "change": change})
    else:
        say(f"recorded {change['id']}")
