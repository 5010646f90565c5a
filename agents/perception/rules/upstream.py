"""Dependencies that answer with refusals, errors or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from agents.perception.claim import Claim, Sign, finding, number, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.bundle import LogLine, Reading
from domain.conditions import Condition

NAME_RESOLUTION = re.compile(
    r"name or service not known|no such host|getaddrinfo|nxdomain|temporary failure in name resolution", re.I
)
MIN_SHARE = 0.05
LINES = 2
"""Log lines that stand in for a reading that saw no call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One way in which a dependency fails its callers."""

    fault_class: str
    counts: Callable[[str], bool]
    """Which statuses of the reading belong to it."""
    said: str
    """How a caller's log says it; `{name}` is the dependency."""
    words: str
    condition: Condition
    strength: float


REFUSALS = (
    Refusal(
        fault_class="upstream_429", counts=lambda c: c == "429",
        said=r"(?=.*{name}).*(\b429\b|too many requests|rate.?limit|quota)",
        words="refusals for too many requests", condition=Condition.DEPENDENCY_REJECTING, strength=0.9,
    ),
    Refusal(
        fault_class="expired_key", counts=lambda c: c in ("401", "403"), said=r"{name} (answered|returned|responded with) 40[13]\b",
        words="our key is refused", condition=Condition.DEPENDENCY_REJECTING, strength=0.82,
    ),
    Refusal(
        fault_class="upstream_5xx", counts=lambda c: c.startswith("5"), said=r"{name} (answered|returned|responded with) 5\d\d\b",
        words="server errors from the upstream", condition=Condition.DEPENDENCY_REJECTING, strength=0.78,
    ),
    Refusal(
        fault_class="upstream_slow", counts=lambda c: "time" in c.lower(), said=r"(?=.*{name}).*(timed? ?out|timeout|in time)",
        words="calls to the upstream that nobody answered in time", condition=Condition.DEPENDENCY_DOWN, strength=0.72,
    ),
    Refusal(
        fault_class="upstream_5xx", counts=lambda c: not c.isdigit() and "time" not in c.lower(),
        said=r"(?=.*{name}).*(refused|unreachable|cannot connect|no route|did not answer)",
        words="calls to the upstream without an answer", condition=Condition.DEPENDENCY_DOWN, strength=0.7,
    ),
)  # fmt: skip


def refusing(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """The upstream refuses, fails or keeps silent: counted by the caller, or at least said in its log."""
    for reading in (*facts.readings("upstream_status"), *_uncounted(facts)):
        counts = _counts(reading)
        total = sum(counts.values())
        if (total and not _still(reading)) or _upstream(facts, reading) == reading.service:
            continue
        for refusal in REFUSALS:
            seen = sum(n for code, n in counts.items() if refusal.counts(code))
            pattern = refusal.said.replace("{name}", re.escape(_upstream(facts, reading)))
            lines = facts.logs_like(re.compile(pattern, re.I), [reading.service])
            share = seen / total if total else 0.0
            if share >= MIN_SHARE or (not total and len(lines) >= LINES):
                yield _claim(facts, reading, refusal, share, int(seen), lines)


def _uncounted(facts: Facts) -> Iterable[Reading]:
    """An empty reading for every caller of an upstream whose calls nobody could count: its log may tell."""
    callers = dict.fromkeys(line.service for line, _ in facts.complaints)
    for service in callers:
        empty = Reading(probe="upstream_status", service=service, time=facts.now, ok=None)
        if facts.reading("upstream_status", service) is None and _upstream(facts, empty) != service:
            yield empty


def slow(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """The upstream answers, correctly and late: its own check is slow."""
    for reading in facts.readings("http_health"):
        if facts.kind(reading.service) not in ("upstream", "external") or reading.ok is not False:
            continue
        if reading.values.get("status") in (200, "200") and not reading.values.get("error"):
            yield Claim(
                service=reading.service,
                fault_class="upstream_slow",
                strength=0.72,
                direct=True,
                statement=f"{reading.service} answers correctly but only after {number(reading.values.get('ms')):.0f} ms.",
                signs=(of_reading(reading, "the upstream is slow on its own address"),),
                falsify="its own check answers within the tolerance",
                probe=("http_health", reading.service, "an answer in time"),
                findings=(finding(Condition.DEPENDENCY_DOWN, reading.service, **_dependency(facts, reading.service)),),
                details=_dependency(facts, reading.service),
            )


def unresolvable(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A name cannot be resolved."""
    lines = facts.logs_like(NAME_RESOLUTION)
    if len(lines) >= 2:
        yield Claim(
            service=lines[-1].service,
            fault_class="dns_failure",
            strength=0.6,
            needs_symptom=True,
            statement=f"{lines[-1].service} cannot resolve a name that it calls.",
            signs=(of_log(lines[-1], "a name cannot be resolved", len(lines)),),
            falsify="the name resolves from the service's host",
            probe=("tcp_health", lines[-1].service, "a connection by name"),
        )


def _claim(facts: Facts, reading: Reading, refusal: Refusal, share: float, seen: int, lines: list[LogLine]) -> Claim:
    upstream = _upstream(facts, reading)
    own = [r for r in facts.readings("http_health") if r.service == upstream]
    state = facts.reading("process_state", upstream)
    doubts: list[Sign] = [of_reading(r, "its own health check passes") for r in own if r.ok][:1]
    counted = f"{seen} calls: {refusal.words}" if not reading.text else ""
    signs = [of_reading(reading, refusal.words, counted)] if _counts(reading) else []
    signs += [of_log(line, refusal.words, len(lines)) for line in lines[-1:]]
    if refusal.fault_class == "upstream_429" and state is not None and state.ok:
        signs.append(of_reading(state, "the upstream runs: it refuses, it is not down"))
        doubts = []
    few = seen + len(lines) < 3
    strength = refusal.strength * (0.75 if few else 1.0) * (1.0 if share >= 0.2 else 0.85)
    names = ("dependency", "provider", "providers", "statuses", "recent_error_ratio")
    details: dict[str, Any] = {k: reading.values[k] for k in names if k in reading.values}
    details["caller"] = reading.service
    how_many = (
        f"{share:.0%} of {reading.service}'s calls to {upstream}"
        if share
        else f"calls of {reading.service} to {upstream}"
    )
    return Claim(
        service=upstream,
        fault_class=refusal.fault_class,
        strength=min(0.95, strength + 0.03 * bool(lines)),
        direct=seen > 0,
        statement=f"{how_many} end badly: {refusal.words}.",
        signs=tuple(signs),
        doubts=tuple(doubts),
        needs_symptom=True,
        falsify=f"a call to {upstream} with {reading.service}'s own key answers 200",
        probe=("upstream_status", reading.service, "recent_error_ratio near 0"),
        findings=(finding(refusal.condition, upstream, reading.service, **details),),
        details=details,
    )


def _counts(reading: Reading) -> dict[str, float]:
    raw = reading.values.get("statuses")
    return {str(k): number(v) for k, v in raw.items()} if isinstance(raw, dict) else {}


def _still(reading: Reading) -> bool:
    """False when the newest calls succeed again: the counts are history then."""
    ratio = reading.values.get("recent_error_ratio")
    return ratio is None or number(ratio) > BAD_NOW


BAD_NOW = 0.02


def _upstream(facts: Facts, reading: Reading) -> str:
    """The dependency that the reading names, else the only upstream that the service depends on, else the service itself."""
    named = str(reading.values.get("dependency") or "")
    known = [s for s in facts.dependencies(reading.service) if facts.kind(s) in ("upstream", "external")]
    return named or (known[0] if len(known) == 1 else reading.service)


def _dependency(facts: Facts, upstream: str) -> dict[str, Any]:
    for reading in facts.readings("upstream_status"):
        if _upstream(facts, reading) == upstream:
            return {"dependency": upstream, "provider": reading.values.get("provider"), "caller": reading.service}
    return {"dependency": upstream}


RULES = (refusing, slow, unresolvable)
