"""`firebreak ledger …`: what was done, and the proof that nobody changed the record."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.client import connect
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import LedgerError, UpstreamError
from domain.guard import NEWEST, EntriesFound, EntrySearch, LedgerEntry, LedgerVerification

app = typer.Typer(help="Verify, read and export the ledger.")


@app.command()
def verify(
    export_file: Annotated[
        Path | None, typer.Option("--export", help="Check this export offline instead, with FILE.sig beside it.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The exporter's key as you got it; else FILE.pub.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Walk the whole chain and compare it with its anchor. Exit code 3 when anything is broken.

    Works on a running home through its action server, and on a stopped one by reading the file.

    Example: firebreak ledger verify --export ledger.jsonl --public-key auditor/ledger.pub
    """
    try:
        found = _verify() if export_file is None else _verify_export(export_file, public_key)
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
    after: Annotated[int, typer.Option(min=-1, help="Only entries after this sequence number.")] = -1,
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
        say(_line(entry))
    if page.get("next"):
        say(f"more: firebreak ledger show --after {page['entries'][-1]['seq']}")


@app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(help="Words that stand anywhere in an entry.")] = None,
    kind: Annotated[str, typer.Option(help="Only this kind, such as refusal.")] = "",
    actor: Annotated[str, typer.Option(help="Only this agent or person.")] = "",
    incident: Annotated[str, typer.Option(help="Only entries of this incident, drill or change.")] = "",
    before: Annotated[int, typer.Option(min=0, max=NEWEST, help="Only entries before this sequence number.")] = NEWEST,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 40,
    as_json: JsonFlag = False,
) -> None:
    """Find ledger entries, newest first.

    Example: firebreak ledger search restart_service --kind refusal
    """
    text = " ".join(words or [])[:200]
    wanted = EntrySearch(
        words=text, kind=kind[:40], actor=actor[:200], change=incident[:200], before=before, limit=limit
    )
    found = _search(wanted)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for entry in found.entries:
        say(_line(entry.model_dump(mode="json")))
    if found.older is not None:
        say(f"{'more' if found.entries else 'none so far'}: the same with --before {found.older}")
    elif not found.entries:
        say("no entry matches")


@app.command()
def export(
    out: Annotated[Path | None, typer.Option("--out", help="Write a signed file, with FILE.sig and FILE.pub.")] = None,
    format_: Annotated[Literal["jsonl", "cloudevents"], typer.Option("--format", help="One entry per line.")] = "jsonl",
    as_json: JsonFlag = False,
) -> None:
    """Write every entry as one line: to stdout, or signed (Ed25519) into a file.

    Example: firebreak ledger export --out ledger.jsonl
    """
    from governance.ledger.export import Format, line_of, sign, signing_key, write_export

    source = f"/firebreak/{SESSION.home.path.name}"
    if out is None:
        for entry in _all():
            sys.stdout.buffer.write(line_of(entry, Format(format_), source))
        return
    manifest = write_export(out, _all(), Format(format_), source)
    sign(out, manifest, signing_key(SESSION.home.secrets / "ledger-export.key"))
    if as_json:
        print_json({"file": str(out), **manifest.model_dump(mode="json")})
    else:
        say(
            f"{out}: {manifest.entries} entries, head {manifest.head[:16]}; signed in {out.name}.sig, key {out.name}.pub"
        )


def _all() -> Iterator[LedgerEntry]:
    after = -1
    while True:
        page = _page(after, 500, "")
        yield from (LedgerEntry.model_validate(entry) for entry in page["entries"])
        if not page.get("next"):
            return
        after = page["next"]


def _verify_export(file: Path, public_key: Path | None) -> LedgerVerification:
    from governance.ledger.export import verify_export

    return verify_export(file, public_key)


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


def _search(wanted: EntrySearch) -> EntriesFound:
    try:
        with connect(SESSION.home) as client:
            return EntriesFound.model_validate(client.get("/api/ledger/search", **wanted.model_dump()))
    except UpstreamError:
        from cli.offline import search_offline

        return search_offline(SESSION.home, wanted)


def _line(entry: dict[str, Any]) -> str:
    """An entry for a person."""
    return f"{entry['seq']:>5}  {entry['at'][:19]}  {entry['kind']:<14} {entry['actor']:<12} {_brief(entry['content'])}"


def _brief(content: dict[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= 110 else text[:107] + "…"
