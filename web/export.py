"""An incident as a bundle that `firebreak investigate` reads: what the sources say about its time, redacted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from domain.alert import Change
from domain.bundle import Bundle, Origin, Reading
from domain.crew import OutputPointer
from domain.errors import NotFoundError
from domain.incident import Incident
from graph.gather import BEFORE_S, hint, topology
from tools.bundle import packed
from web import series
from web.ports import Ports

MOST = 50_000
"""Log lines, and spans, of one export; the newest are kept."""


def build(ports: Ports) -> APIRouter:
    """The one endpoint."""
    router = APIRouter(prefix="/api", tags=["incidents"])

    @router.get(
        "/incidents/{incident_id}/bundle",
        summary="The incident as a redacted bundle (.tar.gz)",
        response_class=Response,
        responses={200: {"content": {"application/gzip": {}}}},
    )
    async def bundle(incident_id: str) -> Response:
        """Signals of its time with those before it, topology and alert; the record lies beside them as `record.json`."""
        incident = await ports.responder.incident(incident_id)
        gathered = await bundle_of(incident, ports)
        content = await asyncio.to_thread(
            packed, gathered, incident.id, {"record.json": incident.model_dump(mode="json")}
        )
        return Response(content, media_type="application/gzip")

    return router


async def bundle_of(incident: Incident, ports: Ports) -> Bundle:
    """What can still be read about an incident. Raises EvidenceError when the first source does not answer."""
    when = series.span(incident, ports.clock.now().timestamp())
    window = (when.onset - BEFORE_S, when.end)
    edges, nodes = topology(ports.inventory) if ports.inventory else ((), ())
    bundle = Bundle(
        id=incident.id,
        title=incident.title,
        system=ports.inventory.system if ports.inventory else "",
        alert=hint(incident.alerts),
        onset=when.onset,
        normal=(window[0], when.onset),
        abnormal=(when.onset, when.fixed or when.end),
        services=tuple(ports.inventory.names()) if ports.inventory else (),
        edges=edges,
        nodes=nodes,
    )
    if ports.telemetry is None:
        return bundle
    found, logs, spans, changes, seen = await asyncio.gather(
        ports.telemetry.series(window),
        ports.telemetry.logs(window, limit=MOST),
        ports.telemetry.spans(window, limit=MOST),
        ports.telemetry.changes(window),
        seen_at(incident, ports),
    )
    return replace(
        bundle,
        series=tuple(found),
        logs=tuple(logs),
        spans=tuple(spans),
        changes=merged(changes, [Change.model_validate(row) for row in seen.get("changes", [])]),
        readings=tuple(Reading(**row) for row in seen.get("readings", [])),
        origins=tuple(Origin(**{**row, "window": tuple(row["window"])}) for row in seen.get("sources", [])),
    )


def merged(kept: Sequence[Change], seen: Sequence[Change]) -> tuple[Change, ...]:
    """What telemetry keeps and what the run saw (told changes, deploys with their diffs), each once, oldest first."""
    found = {c.id: c for c in kept} | {c.id: c for c in seen}
    return tuple(sorted(found.values(), key=lambda c: c.time))


async def seen_at(incident: Incident, ports: Ports) -> dict[str, Any]:
    """What the diagnosis was made from when the first change was decided on; empty when the run left none."""
    pointer = decisive(incident.outputs)
    if pointer is None:
        return {}
    try:
        output = await ports.responder.output(incident.id, pointer.sha256)
    except NotFoundError:
        return {}
    content = output.get("content", {})
    return content if isinstance(content, dict) else {}


def decisive(outputs: Sequence[OutputPointer]) -> OutputPointer | None:
    """The last diagnosis before anything was changed: later ones look at a system that is being mended."""
    untouched = takewhile(lambda o: o.kind != "step", outputs)
    return next((o for o in reversed(list(untouched)) if o.kind == "diagnosis"), None)
