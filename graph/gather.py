"""The bundle of a live incident: telemetry and probe readings side by side, with the inventory's topology."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from agents.perception.windows import LEAD_S
from domain.alert import Alert, AlertStatus
from domain.bundle import AlertHint, Bundle, Edge, Node, Origin, Reading, Window
from domain.clock import Clock
from domain.incident import Incident
from domain.inventory import Inventory
from domain.redaction import redact
from domain.telemetry import Telemetry
from graph.changes import Changes
from graph.services import Probes
from tools.kubernetes.dump import Platform

BEFORE_S = 600.0
"""Seconds of telemetry before now that perception compares with."""
CHANGES_S = 3600.0
"""Seconds before now whose changes are asked for: leaks and full pools show late."""
LATE_S = 15.0
"""Seconds before its first alert that already belong to a trouble that was mended."""
PAUSE_S = 2.0
"""Seconds between two looks at the same system."""
Mended = Callable[[datetime], Awaitable[Sequence[Incident]]]
"""Incidents that closed as resolved after that time."""


async def _no_cluster() -> Platform:
    return Platform()


async def _none_mended(since: datetime) -> Sequence[Incident]:
    return ()


class LiveGather:
    """Implements graph.services.Gather over the ports. `gaps` says what telemetry could not tell at its last reading,
    `origins` who was asked; `changes` tells more changes than telemetry alone; `platform` what stands in clusters,
    `mended` which trouble ended lately: what it left behind is not held against anybody a second time."""

    def __init__(
        self,
        inventory: Inventory,
        telemetry: Telemetry,
        probes: Probes,
        clock: Clock,
        gaps: Callable[[], Sequence[Reading]] = tuple,
        changes: Changes | None = None,
        origins: Callable[[], Sequence[Origin]] = tuple,
        platform: Callable[[], Awaitable[Platform]] = _no_cluster,
        mended: Mended = _none_mended,
    ) -> None:
        self._inventory = inventory
        self._telemetry = telemetry
        self._probes = probes
        self._clock = clock
        self._gaps = gaps
        self._changes = changes or telemetry.changes
        self._origins = origins
        self._platform = platform
        self._mended = mended

    async def __call__(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        """Everything known now."""
        if look:
            await self._clock.sleep(PAUSE_S)
        at = self._clock.now()
        now = at.timestamp()
        window = (now - BEFORE_S, now)
        series, logs, spans, changes, readings, platform = await asyncio.gather(
            self._telemetry.series(window),
            self._telemetry.logs(window),
            self._telemetry.spans(window),
            self._changes((now - CHANGES_S, now)),
            self._probes.run(),
            self._platform(),
        )
        edges, nodes = topology(self._inventory)
        alert = hint(alerts)
        mended = await self._mended(at - timedelta(seconds=BEFORE_S))
        onset = earliest_onset(alert, mended)
        found = Bundle(
            id=incident,
            title=redact(alerts[0].title) if alerts else "",
            system=self._inventory.system,
            alert=alert,
            onset=onset,
            services=tuple(self._inventory.names()),
            edges=edges,
            nodes=nodes,
            series=tuple(series),
            logs=tuple(logs),
            spans=tuple(spans),
            changes=tuple(changes),
            readings=(*readings, *self._gaps(), *platform.gaps, *extra),
            platform=platform.objects,
            origins=(*self._origins(), looked(readings, now)),
        )
        return (
            found if onset is None else without(found, [trouble(i) for i in mended if i.opened_at.timestamp() < onset])
        )


def looked(readings: Sequence[Reading], now: float) -> Origin:
    """That probes looked, and how many could tell: who gets the bundle without their answers knows what it lacks."""
    return Origin(source="probes", kind="probes", window=(now, now), rows=sum(not r.data_gap for r in readings))


def trouble(incident: Incident) -> Window:
    """(from, to) in epoch seconds: from a while before its first alert, for alerts come late, until it was closed.

    When it began is a sender's word: not believed further back than an alert is.
    """
    opened = incident.opened_at.timestamp()
    began = min([opened, *(a.started_at.timestamp() for a in incident.alerts if a.started_at is not None)])
    return max(began - LATE_S, opened - LEAD_S), (incident.closed_at or incident.opened_at).timestamp()


def without(bundle: Bundle, stretches: Sequence[Window]) -> Bundle:
    """What was told outside these stretches of time; the whole bundle where that would leave nothing to compare with."""

    def told(time: float) -> bool:
        return not any(first <= time <= last for first, last in stretches)

    series = []
    for s in bundle.series:
        kept = [i for i, t in enumerate(s.times) if told(t)]
        series.append(replace(s, times=tuple(s.times[i] for i in kept), values=tuple(s.values[i] for i in kept)))
    left = replace(
        bundle,
        series=tuple(s for s in series if s.times),
        logs=tuple(line for line in bundle.logs if told(line.time)),
        spans=tuple(span for span in bundle.spans if told(span.start)),
    )
    assert bundle.onset is not None, "only troubles that ended before an onset are cut out"
    return left if any(s.times[0] < bundle.onset for s in left.series) else bundle


def earliest_onset(alert: AlertHint | None, mended: Sequence[Incident]) -> float | None:
    """Epoch seconds before which this trouble cannot have begun: the end of one that was mended within the time that is
    looked back over before an alert. None where none was, and the alert alone tells."""
    if alert is None or alert.started_at is None:
        return None
    ends = [incident.closed_at.timestamp() for incident in mended if incident.closed_at is not None]
    return max((end for end in ends if alert.started_at - LEAD_S < end <= alert.started_at), default=None)


def unseen(bundle: Bundle) -> list[str]:
    """Which services show none of a kind of signal that others show: `no logs of cache, proxy`."""
    lines = []
    for kind, rows in (("metrics", bundle.series), ("logs", bundle.logs), ("spans", bundle.spans)):
        shown = {row.service for row in rows}
        silent = [name for name in bundle.services if name not in shown]
        if shown and silent:
            lines.append(f"no {kind} of {', '.join(silent)}")
    return lines


def topology(inventory: Inventory) -> tuple[tuple[Edge, ...], tuple[Node, ...]]:
    """Who depends on whom, and what each one is."""
    services = inventory.services
    edges = tuple(Edge(caller=s.name, callee=d) for s in services for d in s.depends_on)
    return edges, tuple(Node(name=s.name, kind=s.kind, criticality=s.criticality.value) for s in services)


def hint(alerts: Sequence[Alert]) -> AlertHint | None:
    """The worst alert that still fires, as a symptom; None when nobody alerted."""
    firing = [a for a in alerts if a.status is not AlertStatus.RESOLVED] or list(alerts)
    if not firing:
        return None
    worst = min(firing, key=lambda a: (a.severity.rank, a.received_at))
    began = [a.started_at for a in firing if a.started_at is not None]
    return AlertHint(
        service=worst.service,
        metric=worst.labels.get("sli", worst.labels.get("metric", "")),
        summary=redact(worst.summary or worst.title),
        severity=worst.severity.value,
        started_at=min(began).timestamp() if began else worst.received_at.timestamp(),
    )
