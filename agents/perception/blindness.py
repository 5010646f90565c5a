"""What could not be seen: it lowers confidence and is said."""

from __future__ import annotations

from collections.abc import Sequence

from agents.perception.claim import NO_ANSWER
from agents.perception.facts import Facts
from agents.perception.ranking import Ranked

STALE_S = 30.0
EXCUSED = 0.6
"""How much less a missing kind of signal weighs against a claim that rests on a reading of the abnormal state itself."""
ENOUGH_ASKED = 5
"""Readings of other services from which on their silence tells something about who asks."""
OF_THE_HOST = frozenset({"process_state", "config_diff", "disk_usage", "warm_file", "workload_state"})
"""Probes that the machine or its supervisor answers: whatever ails the service, it cannot silence them."""


def weighing(facts: Facts, spots: list[str], culprit: str, *, direct: bool) -> float:
    """How many blind spots weigh against a claim about `culprit`.

    What its fault silences (its own metrics page, its dependants') is a symptom and no gap, unless it was the host that did not
    answer; a claim that rests on a reading of the abnormal state itself needs the kinds of signals that are missing less. Where
    metrics are read but none of the culprit's own, that is a gap too.
    """
    silenced = {culprit, *facts.dependants(culprit)}
    excused = float(sum(r.service in silenced and r.probe not in OF_THE_HOST for r in facts.gaps()))
    excused += EXCUSED * sum(s.startswith("no ") for s in spots) if direct else 0.0
    unmeasured = facts.bundle.series and all(s.service != culprit for s in facts.bundle.series)
    own = (1 - EXCUSED if direct else 1.0) if unmeasured else 0.0
    return own + max(0.0, len(spots) - excused - sum(s.startswith("metrics of") for s in spots))


def strain(facts: Facts, culprit: str) -> float:
    """Share (0–1) of unanswered probes of services that `culprit` cannot have silenced: then it is who asks that is slow.

    Zero where too few such services were asked to tell.
    """
    silenced = {culprit, *facts.dependants(culprit)}
    silent = sum(r.service not in silenced and NO_ANSWER.search(r.data_gap) is not None for r in facts.gaps())
    asked = silent + sum(r.service not in silenced for r in facts.bundle.readings if not r.data_gap)
    return silent / asked if asked >= ENOUGH_ASKED else 0.0


def rival_below(facts: Facts, ranked: Sequence[Ranked]) -> bool:
    """Whether a dependency of the first one may be the origin as well, and could not be looked at.

    It waits longer for one that shows nothing from within, or a log names what ails one and no probe could confirm it.
    """
    below = facts.dependencies(ranked[0].claim.service)
    unseen = below - {span.service for span in facts.bundle.spans}
    rivals = [r.claim for r in ranked[1:5]]
    waits = any(c.indicator == "time" and c.service in unseen for c in rivals)
    return waits or any(c.fault_class and c.service in below and any(s.kind == "log" for s in c.signs) for c in rivals)


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
