"""`firebreak ledger …`: what was done, and the proof that nobody changed the record."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import LedgerError, UpstreamError
from domain.guard import LedgerVerification

app = typer.Typer(help="Verify, read and export the ledger.")


@app.command()
def verify(as_json: JsonFlag = False) -> None:
    """Walk the whole chain and compare it with its anchor. Exit code 3 when anything is broken.

    Works on a running home through its action server, and on a stopped one by reading the file.

    Example: firebreak ledger verify
    """
    try:
        found = _verify()
    except LedgerError as error:
        found = LedgerVerification(entries=0, verified=False, problem=error.message)
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif found.verified:
        say(f"verified: {found.entries} entries, head {found.head[:16]}")
    else:
        say(f"BROKEN at entry {found.broken_at}: {found.problem}")
    if not found.verified:
        raise typer.Exit(int(Exit.FINDING))


@app.command()
def show(
    incident: Annotated[str, typer.Option(help="Only entries of this incident, drill or change.")] = "",
    after: Annotated[int, typer.Option(min=0, help="Only entries after this sequence number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show ledger entries in order.

    Example: firebreak ledger show --incident inc-1a2b3c4d5e6f
    """
    page = _page(after, limit, incident)
    if as_json:
        print_json(page)
        return
    for entry in page["entries"]:
        say(
            f"{entry['seq']:>5}  {entry['at'][:19]}  {entry['kind']:<14} {entry['actor']:<12} {_brief(entry['content'])}"
        )
    if page.get("next"):
        say(f"more: firebreak ledger show --after {page['entries'][-1]['seq']}")


@app.command()
def export() -> None:
    """Write every entry as one JSON line to stdout.

    Example: firebreak ledger export > ledger.jsonl
    """
    after = 0
    while True:
        page = _page(after, 500, "")
        for entry in page["entries"]:
            sys.stdout.write(json.dumps(entry, ensure_ascii=False) + "\n")
        if not page.get("next"):
            return
        after = page["entries"][-1]["seq"]


def _verify() -> LedgerVerification:
    try:
        with connect(SESSION.home) as client:
            return LedgerVerification.model_validate(client.get("/api/ledger/verify"))
    except UpstreamError:
        from cli.offline import verify_offline

        return verify_offline(SESSION.home)


def _page(after: int, limit: int, change: str) -> dict[str, Any]:
    try:
        with connect(SESSION.home) as client:
            return client.get("/api/ledger", after=after, limit=limit, change=change or None)
    except UpstreamError:
        from cli.offline import read_page

        return read_page(SESSION.home, after, limit, change)


def _brief(content: dict[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= 110 else text[:107] + "…"
