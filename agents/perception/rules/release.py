"""Releases: errors or latency that came with a new version and stay inside the released service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import fmean

from agents.perception.claim import Claim, Sign, finding, of_change, of_log, of_reading
from agents.perception.complaints import log_text
from agents.perception.facts import Facts
from agents.perception.roles import Role
from agents.perception.symptoms import Symptoms, of_contrast
from agents.perception.templates import templates
from domain.bundle import Reading, Span
from domain.conditions import Condition

LOOK_BACK_S = 1800.0
MIN_SPANS = 10
MIN_LINES = 3
LEAD_S = 10.0
"""Errors come before the onset that a metric shows."""
ERROR_LEVELS = frozenset({"error", "critical", "fatal"})


def bad_release(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """A version went out shortly before the trouble and its own instances fail more (or run slower) than the others."""
    for reading in facts.readings("release"):
        version, previous = str(reading.values.get("version") or ""), str(reading.values.get("previous") or "")
        if not previous or previous == version:
            continue
        released = [
            c
            for c in facts.changes(reading.service, ("deploy",))
            if c.version
            and facts.windows.onset - LOOK_BACK_S <= c.time.timestamp() <= facts.now
            and _moves(c.version, reading)
        ]
        if not released or reading.service not in symptoms.services():
            continue
        sign = version_contrast(facts, reading.service, version)
        inside = None if sign else new_complaint(facts, reading.service)
        worse = [c for c in symptoms.suffering if c.service == reading.service]
        slow = bool(worse) and all(c.role is Role.LATENCY for c in worse)
        after = released[0].time.timestamp() <= facts.windows.onset + 60
        strength = _strength(symptoms, side_by_side=sign is not None, inside=inside is not None) if after else 0.3
        details = {"version": version, "previous": previous, "weights": reading.values.get("weights") or {}}
        yield Claim(
            service=reading.service,
            fault_class="slow_release" if slow else "bad_release",
            strength=strength,
            needs_symptom=True,
            change=released[0].id,
            statement=f"{reading.service} got version {released[0].version} shortly before it got worse.",
            signs=(
                of_change(released[0], "released shortly before the trouble"),
                *([sign] if sign else []),
                *([inside] if inside else []),
                *(of_contrast(c, "the released service got worse") for c in worse[:2]),
            ),
            doubts=() if sign or inside else (of_reading(reading, "nothing but time ties the release to the trouble"),),
            falsify=f"instances of {previous or 'the previous version'} fail as often as those of {version}",
            probe=("release", reading.service, "the previous version fails as well"),
            findings=(finding(Condition.RELEASE_REGRESSED, reading.service, reading.service, **details),),
            details=details,
        )


def _strength(symptoms: Symptoms, *, side_by_side: bool, inside: bool) -> float:
    """A release that only came before the trouble is no fault while users are seen to be served: time is the decoy."""
    if side_by_side:
        return 0.82
    if symptoms.users_fail is False:
        return 0.3
    return 0.7 if inside else 0.5


def version_contrast(facts: Facts, service: str, version: str) -> Sign | None:
    """Spans of the new version against those of the others, side by side in time; None when they do not differ."""
    spans = [s for s in facts.bundle.spans if s.service == service and s.start >= facts.windows.abnormal[0]]
    tagged = [(str(s.attributes.get("service.version") or s.attributes.get("version") or ""), s) for s in spans]
    new = [s for v, s in tagged if v and v == version]
    old = [s for v, s in tagged if v and v != version]
    if len(new) < MIN_SPANS or len(old) < MIN_SPANS:
        return None
    errors = (_error_share(old), _error_share(new))
    slow = (fmean(s.duration_ms for s in old), fmean(s.duration_ms for s in new))
    if errors[1] < errors[0] + 0.05 and slow[1] < 2 * slow[0]:
        return None
    return Sign(
        kind="trace",
        source=f"spans:{service}",
        service=service,
        time=facts.now,
        excerpt=f"{version}: {errors[1]:.0%} failed, {slow[1]:.0f} ms; other versions: {errors[0]:.0%} failed, {slow[0]:.0f} ms",
        supports="the new version does worse than the others at the same time",
        data={"version": version, "error_share": errors[1], "others": errors[0]},
    )


def new_complaint(facts: Facts, service: str) -> Sign | None:
    """An error that the released service writes since the trouble, never wrote before, and that blames nobody else.

    Where every instance runs the new version there is nobody to compare with; a fault of a neighbour would be named.
    """
    mine = [line for line in facts.bundle.logs if line.service == service and line.level.lower() in ERROR_LEVELS]
    named = templates(line.message for line in mine)
    known = {named[line.message] for line in mine if line.time < facts.windows.onset - LEAD_S}
    others = re.compile(r"\b(" + "|".join(re.escape(s) for s in facts.services if s != service) + r")\b", re.I)
    fresh = [line for line in mine if named[line.message] not in known and not others.search(log_text(line))]
    if len(fresh) < MIN_LINES:
        return None
    return of_log(
        fresh[0], "the released service says so since the trouble, never before, and blames nobody else", len(fresh)
    )


def _error_share(spans: list[Span]) -> float:
    return sum(s.status.lower() in ("error", "2", "status_code_error") for s in spans) / len(spans)


def _moves(version: str, reading: Reading) -> bool:
    weights = reading.values.get("weights") or {}
    return version == str(reading.values.get("version")) or (isinstance(weights, dict) and bool(weights.get(version)))


RULES = (bad_release,)
