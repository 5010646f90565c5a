"""Alerts of open incidents about a service: how many sources say the same, and how many were only repetitions."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from domain.alert import Alert, AlertStatus
from domain.bundle import Reading
from skills.analyses.analysis import Analysis, Observed, told


def alert_groups(observed: Observed, service: str) -> Reading:
    """Episodes once each (repetitions of a delivery and of a source count as such), grouped as their senders group them."""
    firing = [a for a in observed.alerts if a.status is AlertStatus.FIRING and a.service in ("", service)]
    groups: dict[str, list[Alert]] = defaultdict(list)
    for alert in firing:
        groups[alert.group_key or alert.service or alert.identity].append(alert)
    rows: list[dict[str, Any]] = [
        {
            "group": key[:120],
            "alerts": len({a.episode_id for a in alerts}),
            "sources": sorted({a.source for a in alerts}),
            "repeated": len(alerts) - len({a.episode_id for a in alerts}),
            "first": alerts[0].title[:120],
        }
        for key, alerts in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    words = "; ".join(
        f"{r['alerts']} alerts of {', '.join(r['sources'])} about {r['group']}: {r['first']}" for r in rows[:3]
    )
    text = words or f"nobody alerts about {service}"
    return told("alert_groups", service, observed, ok=not rows, text=text, groups=rows[:20], count=len(rows))


ANALYSES = (Analysis(name="alert_groups", look=alert_groups),)
