"""The ledger as it is shown: newest first, searched, verified. Read from the action server, never written here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from domain.guard import LedgerEntry, LedgerVerification
from web.pages import Pages
from web.ports import LedgerPage, Ports

PAGE_SIZE = 40
_SCAN = 2000
"""Newest entries that a search in the browser looks through."""
_CHUNK = 500
KINDS = (
    "attempt", "judgement", "refusal", "skipped", "intent",
    "effect", "read_back", "compensation", "approval", "decision", "observation",
    "grant", "promotion", "demotion", "review", "violation", "overturned", "revocation", "reinstatement",
    "handoff", "diagnostic", "closing", "baseline",
    "freeze", "resume", "commitment", "opening", "injection", "restoration",
)  # fmt: skip


def found(entry: LedgerEntry, words: str, kind: str) -> bool:
    """Whether an entry carries all the words, anywhere in it."""
    if kind and entry.kind != kind:
        return False
    text = f"L{entry.seq} {entry.kind} {entry.actor} {entry.change} {json.dumps(entry.content)} {entry.hash}".lower()
    return all(word in text for word in words.lower().split())


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["ledger"])
    door = ports.door

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

    async def page(request: Request, verification: LedgerVerification | None = None) -> HTMLResponse:
        asked = request.query_params
        q, change, kind = (asked.get(k, "").strip()[:200] for k in ("q", "change", "kind"))
        total = (await door.status()).ledger_entries
        filtered = bool(q or kind or change)
        if filtered:
            rows = [e for e in await _newest(ports, total, change) if found(e, q, kind)][:PAGE_SIZE]
            newer = older = ""
        else:
            after = _start(asked.get("seq", ""), asked.get("after", ""), total)
            rows = list(reversed((await door.ledger(after=after, limit=PAGE_SIZE)).entries))
            newer = _link(after + PAGE_SIZE) if after + PAGE_SIZE < total - 1 else ""
            older = _link(max(-1, after - PAGE_SIZE)) if after >= 0 else ""
        return await pages.render(
            request,
            "ledger.html",
            entries=rows,
            q=q,
            change=change,
            kind=kind,
            kinds=KINDS,
            total=total,
            newer=newer,
            older=older,
            filtered=filtered,
            verification=verification,
        )

    @router.get("/ledger", include_in_schema=False)
    async def show(request: Request) -> HTMLResponse:
        return await page(request)

    @router.post("/ledger/verify", include_in_schema=False)
    async def show_verified(request: Request) -> HTMLResponse:
        return await page(request, await door.verify())

    return router


async def _newest(ports: Ports, total: int, change: str) -> Sequence[LedgerEntry]:
    """The newest entries, newest first; a named change is read from its beginning."""
    after, rows = (-1 if change else max(-1, total - _SCAN)), list[LedgerEntry]()
    while len(rows) < _SCAN:
        page = await ports.door.ledger(after=after, limit=_CHUNK, change=change or None)
        rows += page.entries
        if page.next is None or not page.entries:
            break
        after = page.next
    return list(reversed(rows))


def _start(seq: str, after: str, total: int) -> int:
    """Where a page begins: around an entry, after one, or so that it ends with the newest."""
    if seq.isdigit():
        return max(-1, int(seq[:12]) - PAGE_SIZE // 2)
    return int(after[:12]) if after.isdigit() else -1 if after == "-1" else max(-1, total - 1 - PAGE_SIZE)


def _link(after: int) -> str:
    return "/ledger?" + urlencode({"after": after})
