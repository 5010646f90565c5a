"""The ledger as it is shown: newest first, searched, verified, exported. Read from the action server, never written here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from domain.guard import NEWEST, EntriesFound, EntrySearch, LedgerVerification
from governance.ledger.export import Format, line_of
from web.pages import Pages
from web.ports import Door, LedgerPage, Ports

PAGE_SIZE = 40
_LOOKS = 10
"""Searches of the action server for one page: each looks through a limited number of entries."""
_CHUNK = 500
KINDS = (
    "attempt", "judgement", "refusal", "skipped", "intent",
    "effect", "read_back", "compensation", "approval", "decision", "observation",
    "grant", "promotion", "demotion", "review", "violation", "overturned", "revocation", "reinstatement",
    "handoff", "diagnostic", "closing", "baseline",
    "freeze", "resume", "commitment", "opening", "injection", "restoration",
)  # fmt: skip


FILTERS = ("q", "kind", "actor", "change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A verification and when it was asked for."""

    result: LedgerVerification
    at: datetime


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["ledger"])
    _entries(router, ports.door)
    _pages(router, ports, pages)
    return router


def _entries(router: APIRouter, door: Door) -> None:
    """Entries for machines."""

    @router.get("/api/ledger", summary="Ledger entries, ascending")
    async def entries(
        after: Annotated[int, Query(ge=-1, lt=2**53)] = -1,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        change: str | None = None,
    ) -> LedgerPage:
        """Entries with a sequence number above `after`; `change` is an incident, a drill or a deployment."""
        return await door.ledger(after=after, limit=limit, change=change)

    @router.get("/api/ledger/verify", summary="Walk the whole chain and compare it with its anchors")
    async def verify() -> LedgerVerification:
        return await door.verify()

    @router.get("/api/ledger/search", summary="Ledger entries that match, newest first")
    async def search(wanted: Annotated[EntrySearch, Query()]) -> EntriesFound:
        """Words anywhere in an entry, kind, actor and change exactly. `older` is the `before` of the following page."""
        return await door.search(wanted)

    @router.get(
        "/api/ledger/export",
        summary="Every entry as one line, oldest first",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
    )
    async def export(format: Format = Format.JSONL, change: Annotated[str, Query(max_length=200)] = "") -> Any:
        """JSON lines or CloudEvents; `change` leaves only its entries. `firebreak ledger export --out` signs it, too."""
        name = f"ledger{'-' if change else ''}{''.join(c for c in change if c.isalnum() or c == '-')}.{format.value}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        lines = _lines(door, await door.ledger(limit=_CHUNK, change=change or None), format, change)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _pages(router: APIRouter, ports: Ports, pages: Pages) -> None:
    """The page, and the chain walked on request: the last walk is shown until the next."""
    door, seen = ports.door, dict[str, Checked]()

    async def page(request: Request, checked: Checked | None = None) -> HTMLResponse:
        asked = {name: request.query_params.get(name, "").strip()[:200] for name in (*FILTERS, "seq", "before")}
        total = (await door.status()).ledger_entries
        wanted = _wanted(asked)
        found = await _page(door, wanted)
        return await pages.render(
            request,
            "ledger.html",
            found=found,
            asked=asked,
            link=lambda **changed: _link(asked, **changed),
            newer=_newer(wanted, total),
            kinds=sorted({*KINDS, *(entry.kind for entry in found.entries)}),
            total=total,
            wanted=wanted,
            checked=checked or seen.get(""),
            fresh=checked is not None,
        )

    @router.get("/ledger", include_in_schema=False)
    async def show(request: Request) -> HTMLResponse:
        return await page(request)

    @router.post("/ledger/verify", include_in_schema=False)
    async def show_verified(request: Request) -> HTMLResponse:
        seen[""] = Checked(result=await door.verify(), at=ports.clock.now())
        return await page(request, seen[""])


def _wanted(asked: dict[str, str]) -> EntrySearch:
    """What the address asks for: `seq` shows an entry amid its neighbours, `before` is where an older page begins."""
    before = int(asked["before"][:15]) if asked["before"].isdecimal() else NEWEST
    if asked["seq"].isdecimal():
        before = int(asked["seq"][:15]) + PAGE_SIZE // 2
    kept = {name: asked[name] for name in ("actor", "change")}
    return EntrySearch(words=asked["q"], kind=asked["kind"][:40], before=before, limit=PAGE_SIZE, **kept)


async def _page(door: Door, wanted: EntrySearch) -> EntriesFound:
    """One page, out of as many searches as it takes within a limit."""
    found = await door.search(wanted)
    rows = list(found.entries)
    for _ in range(_LOOKS - 1):
        if found.older is None or len(rows) >= wanted.limit:
            break
        rest = {"before": found.older, "limit": wanted.limit - len(rows)}
        found = await door.search(wanted.model_copy(update=rest))
        rows += found.entries
    return EntriesFound(entries=rows, older=found.older)


async def _lines(door: Door, page: LedgerPage, format: Format, change: str) -> AsyncIterator[bytes]:
    while True:
        for entry in page.entries:
            yield line_of(entry, format, "/firebreak")
        if page.next is None:
            return
        page = await door.ledger(after=page.next, limit=_CHUNK, change=change or None)


def _newer(wanted: EntrySearch, total: int) -> str:
    """Where the next newer page begins; nothing on the first one, and where something was left out on the way."""
    if wanted.before >= total:
        return ""
    return "" if wanted.narrows else str(wanted.before + PAGE_SIZE)


def _link(asked: dict[str, str], **changed: Any) -> str:
    """This page with other words; a changed filter begins with the newest entry."""
    query = {name: asked[name] for name in FILTERS} | {name: str(value) for name, value in changed.items()}
    kept = {name: value for name, value in query.items() if value}
    return "/ledger" + (f"?{urlencode(kept)}" if kept else "")
