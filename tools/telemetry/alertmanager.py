"""Silences of an Alertmanager: which alerts somebody asked not to be bothered with, until when, and why.

API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (`GET /api/v2/silences`). Matchers are anchored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.errors import EvidenceError
from domain.redaction import redact
from domain.telemetry import SourceCheck
from tools.telemetry.http_api import HttpApi
from tools.telemetry.telling import TellsNothing

ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One silence. `matchers`: (label, value, is a pattern, must match)."""

    id: str
    by: str
    comment: str
    until: str
    matchers: tuple[tuple[str, str, bool, bool], ...]

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether all matchers hold; a label that is missing counts as empty, and a silence without matchers covers nothing."""
        return bool(self.matchers) and all(
            (bool(re.fullmatch(value, labels.get(name, ""))) if pattern else labels.get(name, "") == value) is wanted
            for name, value, pattern, wanted in self.matchers
        )


class AlertmanagerSilences(TellsNothing):
    """Asks for the active silences. It tells no signals."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api

    async def active(self) -> list[Silence]:
        """Those in force now. Raises EvidenceError or AuthError."""
        async with self._api.client() as client:
            status, body = await self._api.get(client, "/api/v2/silences", {})
        if status >= 400 or not isinstance(body, list):
            found = redact(str(body))[:200]
            raise EvidenceError(f"{self._api.name} cannot answer", expected="a list of silences", found=found)
        rows = [row for row in body if isinstance(row, dict) and _mapping(row, "status").get("state") == ACTIVE]
        return [silence for row in rows if (silence := _silence(row)) is not None]

    async def check(self, now: float) -> SourceCheck:
        """See `Checkable`."""
        return SourceCheck(found=f"{len(await self.active())} silences are active", newest_age_s=0.0)


def _silence(row: Mapping[str, Any]) -> Silence | None:
    """None for one whose matchers cannot be read: what is not understood silences nobody."""
    matchers: Sequence[Any] = row.get("matchers") or []
    try:
        read = tuple(
            (str(m["name"]), str(m["value"]), bool(m.get("isRegex")), m.get("isEqual") is not False) for m in matchers
        )
        for _, value, pattern, _ in read:
            re.compile(value if pattern else "")
    except (KeyError, TypeError, AttributeError, re.error):
        return None
    by, comment = (redact(str(row.get(name) or ""))[:200] for name in ("createdBy", "comment"))
    return Silence(id=str(row.get("id")), by=by, comment=comment, until=str(row.get("endsAt")), matchers=read)


def _mapping(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name)
    return found if isinstance(found, Mapping) else {}
