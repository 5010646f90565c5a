"""cluster_events: warnings that the cluster wrote about a workload in the last minutes, by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.bundle import Reading
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import workload_of
from tools.probes.probe import Probe, Shared, as_far_as_it_is, bound, reading
from tools.target import Target

RECENT_S = 300.0
"""Older events tell what was."""


async def _read(target: Target, shared: Shared) -> list[Reading]:
    name = workload_of(target).name
    cluster = await shared.cluster(target)
    events = await cluster.list(KINDS["Event"])
    since = target.clock.now().timestamp() - RECENT_S
    recent = [e for e in events if e.get("type") == "Warning" and _about(e, name) and _last(e) >= since]
    reasons: Counter[str] = Counter()
    for event in recent:
        reasons[str(event.get("reason", ""))[:60]] += int(event.get("count") or 1)
    told = ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
    text = f"warnings about {name} in the last {RECENT_S / 60:.0f} minutes: {told or 'none'}"
    return [
        reading("cluster_events", target, ok=not recent, text=text, warnings=reasons.total(), reasons=dict(reasons))
    ]


def _about(event: Mapping[str, Any], workload: str) -> bool:
    """The workload itself, or what it made: their names begin with its own."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    name = str(about.get("name", ""))
    return name == workload or (about.get("kind") in ("Pod", "ReplicaSet") and name.startswith(f"{workload}-"))


def _last(event: Mapping[str, Any]) -> float:
    """When it was last seen, in seconds; an event without a time counts as now."""
    text = str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return float("inf")


CLUSTER_EVENTS = Probe(name="cluster_events", applies=bound("kubernetes"), read=_read, patience_s=as_far_as_it_is)
