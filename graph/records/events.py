"""Events of an incident: what is new between two projections. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from domain.alert import Alert
from domain.events import PREFIX, Event
from domain.incident import Incident, TimelineEntry
from domain.lifecycle import MAX_RECOVERIES
from domain.value import new_id

RUN_FAILED = "run.failed"
"""Remark of every failure of a run; they are counted durably, whatever process drove it."""


def merged(incident: Incident, remarks: Sequence[TimelineEntry], alerts: Sequence[Alert]) -> Incident:
    """The projection with remarks and joined alerts in it."""
    timeline = [*incident.timeline, *(r for r in remarks if r not in incident.timeline)]
    failures = sum(r.event == RUN_FAILED for r in remarks)
    by_episode = {a.episode_id: a for a in incident.alerts}
    by_episode.update({a.episode_id: a for a in alerts})
    return incident.model_copy(
        update={
            "timeline": sorted(timeline, key=lambda e: e.at),
            "alerts": list(by_episode.values()),
            "recoveries": min(failures, MAX_RECOVERIES),
        }
    )


def events_of(before: Incident | None, now: Incident) -> list[Event]:
    """One event per new timeline entry, and one when the status changed."""
    told = before.timeline if before else []
    events = [_event(now, entry) for entry in now.timeline if entry not in told]
    if before is None or before.status is not now.status:
        data = {"status": now.status.value, "before": before.status.value if before else None, "outcome": now.outcome}
        at = now.timeline[-1].at if now.timeline else now.opened_at
        events.append(Event(id=new_id("evt"), type=f"{PREFIX}incident.changed", subject=now.id, time=at, data=data))
    return events


def _event(incident: Incident, entry: TimelineEntry) -> Event:
    data = {"text": entry.text, "evidence": entry.evidence, "status": incident.status.value, **entry.data}
    return Event(id=new_id("evt"), type=PREFIX + entry.event, subject=incident.id, time=entry.at, data=data)
