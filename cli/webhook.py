"""`firebreak webhook …`: who is told what, what did not arrive, and telling it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag

app = typer.Typer(help="List, test and repair outgoing webhooks.")


@app.command("list")
def list_webhooks(as_json: JsonFlag = False) -> None:
    """List the webhooks of firebreak.yaml and what became of their deliveries.

    Example: firebreak webhook list
    """
    with connect(SESSION.home) as client:
        document = client.get("/api/webhooks")
    if as_json:
        print_json(document)
        return
    for row in document["webhooks"]:
        state = "ready" if row["ready"] else f"NOT READY: {row['problem']}"
        say(f"{row['name']:<20} {row['url']}  [{', '.join(row['events'])}]")
        say(f"  {state}; {row['delivered']} delivered, {row['waiting']} waiting, {row['dead']} dead")
    if not document["webhooks"]:
        say("No webhooks. Add one under `webhooks:` in firebreak.yaml; see docs/how-to/send-webhooks.md")


@app.command()
def deliveries(
    state: Annotated[str, typer.Option(help="waiting, delivered or dead.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List deliveries, newest first; the dead ones are the dead letters.

    Example: firebreak webhook deliveries --state dead
    """
    with connect(SESSION.home) as client:
        document = client.get("/api/webhook-deliveries", state=state or None, limit=limit)
    if as_json:
        print_json(document)
        return
    for row in document["deliveries"]:
        say(_line(row))
    if not document["deliveries"]:
        say("No deliveries.")


@app.command("test")
def send_test(name: Annotated[str, typer.Argument(help="Name of the webhook.")], as_json: JsonFlag = False) -> None:
    """Send one signed test event now. Exit code 3 when it did not arrive.

    Example: firebreak webhook test pager
    """
    _tried(f"/api/webhooks/{name}/test", as_json)


@app.command()
def redeliver(
    delivery: Annotated[int, typer.Argument(min=1, help="Id of a dead or delivered delivery.")],
    as_json: JsonFlag = False,
) -> None:
    """Try a delivery again from the first attempt on. Exit code 3 when it did not arrive at once.

    Example: firebreak webhook redeliver 17
    """
    _tried(f"/api/webhook-deliveries/{delivery}/redeliver", as_json)


def _tried(path: str, as_json: bool) -> None:
    with connect(SESSION.home) as client:
        row = client.post(path)
    if as_json:
        print_json(row)
    else:
        say(_line(row))
    if row["state"] != "delivered":
        raise typer.Exit(int(Exit.FINDING))


def _line(row: dict[str, Any]) -> str:
    tries = f"{row['attempts']} tries" if row["attempts"] != 1 else "1 try"
    return f"{row['id']:>6}  {row['state']:<9} {row['webhook']:<20} {row['event']:<40} {tries}  {row['answer']}"
