"""What could not be seen: it lowers confidence and is said."""

from __future__ import annotations

from agents.perception.facts import Facts

STALE_S = 30.0


def blind_spots(facts: Facts) -> list[str]:
    """Missing sources in words: probes without an answer, stale telemetry, absent signal kinds, unread lines."""
    spots = [f"{r.probe} of {r.service}: {r.data_gap}" for r in facts.gaps()]
    for reading in facts.readings("telemetry_freshness"):
        age = reading.values.get("newest_age_s")
        if isinstance(age, int | float) and age > STALE_S:
            spots.append(f"metrics of {reading.service} are {age:.0f} s old")
    bundle = facts.bundle
    for name, present in (("metrics", bundle.series), ("logs", bundle.logs), ("spans", bundle.spans)):
        if not present and not bundle.signals:
            spots.append(f"no {name}")
    if bundle.problems:
        spots.append(f"{len(bundle.problems)} line(s) could not be read, first: {bundle.problems[0]}"[:200])
    return spots
