"""`firebreak events …`: what happened, as other systems are told (CloudEvents 1.0)."""

from __future__ import annotations

import json
import sys
import time
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from cli.client import AppClient, connect
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag

app = typer.Typer(help="Follow what happens, as CloudEvents.")
POLL_S = 0.5


@app.command()
def tail(
    limit: Annotated[int, typer.Option("--last", min=0, max=500, help="Begin with that many events.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay and print what happens.")] = False,
    type_: Annotated[str, typer.Option("--type", help="Only these types; `*` matches anything.")] = "*",
    as_json: JsonFlag = False,
) -> None:
    """Print events, oldest first; with --json one document, with --follow --json one CloudEvent per line.

    Example: firebreak events tail --follow --type 'dev.firebreak.approval_*'
    """
    with connect(SESSION.home) as client:
        newest = int(client.get("/api/cloudevents", after=-1)["next"])
        page = (
            client.get("/api/cloudevents", after=max(0, newest - limit), limit=max(1, limit))
            if limit
            else {"events": []}
        )
        events = [event for event in page["events"] if fnmatchcase(event["type"], type_)]
        if as_json and not follow:
            print_json({"events": events})
            return
        _print(events, as_json)
        if not events and not follow:
            say("No events yet.")
        if follow:
            _follow(client, newest, type_, as_json)


def _follow(client: AppClient, after: int, type_: str, as_json: bool) -> None:
    while True:
        page = client.get("/api/cloudevents", after=after, limit=200)
        after = int(page["next"])
        _print([event for event in page["events"] if fnmatchcase(event["type"], type_)], as_json)
        time.sleep(POLL_S)


def _print(events: list[dict[str, Any]], as_json: bool) -> None:
    for event in events:
        if as_json:
            sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            say(f"{event['time'][:19]}  {event['type']:<44} {event['subject']:<20} {_brief(event['data'])}")


def _brief(data: dict[str, Any]) -> str:
    found = data.get("customData", data)
    text = found.get("text") or " ".join(f"{k}={v}" for k, v in found.items() if k not in {"hash", "evidence"} and v)
    return text if len(text) <= 100 else text[:97] + "…"
