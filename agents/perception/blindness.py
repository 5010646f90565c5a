"""What could not be seen: it lowers confidence and is said."""

from __future__ import annotations

from agents.perception.facts import Facts

STALE_S = 30.0


def weighing(facts: Facts, spots: list[str], culprit: str, *, direct: bool) -> float:
    """How many blind spots weigh against a claim about `culprit`.

    What its fault silences (its own metrics page, its dependants') is a symptom and no gap; a claim that rests on a reading of the
    abnormal state itself needs the kinds of signals that are missing altogether less.
    """
    silenced = {culprit, *facts.dependants(culprit)}
    excused = float(sum(r.service in silenced for r in facts.gaps()))
    excused += 0.6 * sum(s.startswith("no ") for s in spots) if direct else 0.0
    return max(0.0, len(spots) - excused - sum(s.startswith("metrics of") for s in spots))


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
