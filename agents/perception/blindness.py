"""What could not be seen: it lowers confidence and is said."""

from __future__ import annotations

from collections.abc import Sequence

from agents.perception.calibration import OF_ITSELF
from agents.perception.claim import NO_ANSWER, Claim
from agents.perception.facts import Facts
from agents.perception.ranking import Ranked

STALE_S = 30.0
OWN_METRICS = "metrics of its own"
ENOUGH_ASKED = 5
"""Readings of other services from which on their silence tells something about who asks."""
OF_THE_HOST = frozenset({"process_state", "config_diff", "disk_usage", "warm_file", "workload_state"})
"""Probes that the machine or its supervisor answers: whatever ails the service, it cannot silence them."""


def missing(facts: Facts, culprit: str) -> list[str]:
    """Kinds of sources that this installation has and this bundle lacks; and the culprit's metrics, where others' are there.

    A live incident reads metrics, logs and spans beside its probes. Otherwise a kind is missed where `sources` says that it told
    something, or could not tell, and nothing of it is here: a data set that never had traces misses none.
    """
    bundle = facts.bundle
    there = {"metrics": bundle.series, "logs": bundle.logs, "spans": bundle.spans, "probes": bundle.readings}
    told = {o.kind for o in bundle.origins if o.rows or o.gap}
    had = told | {"metrics", "logs", "spans"} if facts.live or "probes" in told else told
    lacking = [kind for kind, rows in there.items() if kind in had and not rows]
    measured = {s.service for s in bundle.series}
    return [*lacking, OWN_METRICS] if facts.live and measured and culprit not in measured else lacking


def weighing(facts: Facts, spots: Sequence[str], culprit: str) -> int:
    """How many gaps and unread lines weigh against a claim about `culprit`; whole kinds of sources are `missing`.

    What its fault silences (its own metrics page, its dependants') is a symptom and no gap, unless it was the host that did not
    answer.
    """
    silenced = {culprit, *facts.dependants(culprit)}
    excused = sum(r.service in silenced and r.probe not in OF_THE_HOST for r in facts.gaps())
    return max(0, sum(not s.startswith(("no ", "metrics of")) for s in spots) - excused)


def strain(facts: Facts, culprit: str) -> float:
    """Share (0–1) of unanswered probes of services that `culprit` cannot have silenced: then it is who asks that is slow.

    Zero where too few such services were asked to tell.
    """
    silenced = {culprit, *facts.dependants(culprit)}
    silent = sum(r.service not in silenced and NO_ANSWER.search(r.data_gap) is not None for r in facts.gaps())
    asked = silent + sum(r.service not in silenced for r in facts.bundle.readings if not r.data_gap)
    return silent / asked if asked >= ENOUGH_ASKED else 0.0


def out_of_sight(facts: Facts, claim: Claim) -> bool:
    """Whether nothing at all was seen of the suspect, or of a service that it may merely wait for.

    It waits for what it calls, for anybody where no call graph is known; what it shows of itself needs no other's word. Extracted
    alerts tell only of who alerts: silence there is no blindness.
    """
    bundle = facts.bundle
    if not (bundle.series or bundle.spans or bundle.logs):
        return False
    if claim.service not in facts.seen:
        return True
    near = facts.callees(claim.service) if facts.mapped else facts.services
    return claim.indicator not in OF_ITSELF and any(s in facts.services and s not in facts.seen for s in near)


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
    if "probes" in missing(facts, ""):
        spots.append("no answers of the probes that looked")
    if bundle.problems:
        spots.append(f"{len(bundle.problems)} line(s) could not be read, first: {bundle.problems[0]}"[:200])
    return spots
