"""The chaos server behind the `DrillRoom` port: requests are forwarded, nothing about faults is known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.drills import DrillRun
from web.http import JsonClient
from web.ports import FaultRow


class RemoteDrills:
    """`DrillRoom` over the chaos server's API."""

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def start(self, fault: str | None = None, *, seed: int | None = None) -> str:
        body = {k: v for k, v in {"fault": fault, "seed": seed}.items() if v is not None}
        return str((await self._client.post("/drills", body))["id"])

    async def get(self, drill_id: str) -> DrillRun:
        return DrillRun.model_validate(await self._client.get(f"/drills/{drill_id}"))

    async def runs(self) -> list[DrillRun]:
        return [DrillRun.model_validate(row) for row in _rows(await self._client.get("/drills"), "drills")]

    async def faults(self) -> Sequence[FaultRow]:
        return [fault_row(row) for row in _rows(await self._client.get("/faults"), "faults")]


def fault_row(row: Mapping[str, Any]) -> FaultRow:
    """What the pages show of a fault; the rest of the listing is none of their business."""
    return FaultRow(
        name=str(row["name"]),
        title=str(row.get("title") or row.get("summary") or ""),
        service=str(row.get("service") or ""),
        abstain=bool(row.get("abstain", False)),
    )


def _rows(body: Any, key: str) -> list[Any]:
    return list(body[key]) if isinstance(body, dict) else list(body)
