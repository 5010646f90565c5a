"""Evidence ids that stay: the same observation keeps its id from one look to the next."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from agents.perception.claim import Sign
from domain.diagnosis import Diagnosis, Evidence
from domain.redaction import redact, redact_json

MOST = 400
"""Evidence entries kept per incident; the oldest uncited ones go first."""


class EvidenceBook:
    """Gives out `E1`, `E2` … and remembers what the previous diagnosis gave out."""

    def __init__(self, previous: Diagnosis | None = None) -> None:
        self._entries: dict[tuple[str, str, str, str], Evidence] = {}
        self._ids: dict[str, Evidence] = {}
        self._next = 1
        for entry in previous.evidence if previous else ():
            self._entries[_key(entry)] = entry
            self._ids[entry.id] = entry
            if entry.id[:1] == "E" and entry.id[1:].isdigit():
                self._next = max(self._next, int(entry.id[1:]) + 1)

    def cite(self, sign: Sign) -> str:
        """The id of this observation, new or known."""
        entry = Evidence(
            id=f"E{self._next}",
            kind=sign.kind,
            source=sign.source,
            service=sign.service,
            time=_time(sign.time),
            excerpt=" ".join(redact(sign.excerpt).split()) or sign.source,
            supports=sign.supports,
            data=plain(redact_json(sign.data)),
            tainted=sign.tainted,
        )
        known = self._entries.get(_key(entry))
        if known is not None:
            return known.id
        self._next += 1
        self._entries[_key(entry)] = self._ids[entry.id] = entry
        return entry.id

    def entries(self, cited: set[str] | None = None) -> list[Evidence]:
        """All evidence in order of its ids; beyond the limit the oldest uncited goes first."""
        entries = list(self._ids.values())
        if len(entries) <= MOST:
            return entries
        spare = len(entries) - MOST
        kept = []
        for entry in entries:
            if spare > 0 and entry.id not in (cited or set()):
                spare -= 1
                continue
            kept.append(entry)
        return kept


def plain(value: Any) -> Any:
    """Plain JSON: NaN and infinity become None, tuples lists, foreign objects their text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return str(value)


def _key(entry: Evidence) -> tuple[str, str, str, str]:
    return (entry.kind, entry.source, entry.service, entry.excerpt)


def _time(seconds: float | None) -> datetime | None:
    if seconds is None or not math.isfinite(seconds) or not 0 < seconds < 32_503_680_000:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)
