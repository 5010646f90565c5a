"""Dependencies that answer with refusals, errors or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from agents.perception.claim import Claim, Sign, finding, number, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.bundle import Reading
from domain.conditions import Condition

RATE_LIMIT = re.compile(r"\b429\b|too many requests|rate.?limit|quota", re.I)
NAME_RESOLUTION = re.compile(
    r"name or service not known|no such host|getaddrinfo|nxdomain|temporary failure in name resolution", re.I
)
MIN_SHARE = 0.05


def rate_limited(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """The upstream answers 429: our quota is used up."""
    for reading in facts.readings("upstream_status"):
        counts = _counts(reading)
        share = counts.get("429", 0.0) / max(sum(counts.values()), 1.0)
        if counts.get("429", 0) < 3 or share < MIN_SHARE or not _still(reading):
            continue
        upstream = _upstream(reading)
        lines = facts.logs_like(RATE_LIMIT)
        strength = 0.9 if share >= 0.2 else 0.75
        yield _claim(
            facts,
            reading,
            "upstream_429",
            min(0.95, strength + 0.03 * bool(lines)),
            f"{upstream} answers {share:.0%} of {reading.service}'s calls with 429: the quota is used up.",
            "refusals for too many requests",
            lines[-1:],
            Condition.DEPENDENCY_REJECTING,
        )


def failing(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """The upstream answers 5xx, or nothing at all."""
    for reading in facts.readings("upstream_status"):
        counts = _counts(reading)
        total = max(sum(counts.values()), 1.0)
        server = sum(n for code, n in counts.items() if code.startswith("5"))
        mute = sum(n for code, n in counts.items() if not code.isdigit() or code in ("0", "000"))
        if not _still(reading):
            continue
        upstream = _upstream(reading)
        if server >= 3 and server / total >= MIN_SHARE:
            yield _claim(
                facts,
                reading,
                "upstream_5xx",
                0.78 if server / total > 0.2 else 0.66,
                f"{upstream} answers {server / total:.0%} of {reading.service}'s calls with server errors.",
                "server errors from the upstream",
                [],
                Condition.DEPENDENCY_REJECTING,
            )
        if mute >= 3 and mute / total >= MIN_SHARE:
            slow = sum(n for code, n in counts.items() if "time" in code.lower())
            name = "upstream_slow" if slow > mute / 2 else "upstream_5xx"
            yield _claim(
                facts,
                reading,
                name,
                0.7,
                f"{upstream} does not answer {mute / total:.0%} of {reading.service}'s calls.",
                "calls to the upstream without an answer",
                [],
                Condition.DEPENDENCY_DOWN,
            )


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


def _claim(
    facts: Facts,
    reading: Reading,
    fault_class: str,
    strength: float,
    statement: str,
    words: str,
    lines: list[Any],
    condition: Condition,
) -> Claim:
    upstream = _upstream(reading)
    own = [r for r in facts.readings("http_health") if r.service == upstream]
    state = facts.reading("process_state", upstream)
    doubts: list[Sign] = [of_reading(r, "its own health check passes") for r in own if r.ok][:1]
    signs = [of_reading(reading, words), *(of_log(line, words) for line in lines)]
    if fault_class == "upstream_429" and state is not None and state.ok:
        signs.append(of_reading(state, "the upstream runs: it refuses, it is not down"))
        doubts = []
    details: dict[str, Any] = {
        k: reading.values.get(k)
        for k in ("dependency", "provider", "providers", "statuses", "recent_error_ratio")
        if k in reading.values
    }
    details["caller"] = reading.service
    return Claim(
        service=upstream,
        fault_class=fault_class,
        strength=strength,
        direct=True,
        statement=statement,
        signs=tuple(signs),
        doubts=tuple(doubts),
        needs_symptom=True,
        falsify=f"a call to {upstream} with {reading.service}'s own key answers 200",
        probe=("upstream_status", reading.service, "recent_error_ratio near 0"),
        findings=(finding(condition, upstream, reading.service, **details),),
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


def _upstream(reading: Reading) -> str:
    return str(reading.values.get("dependency") or reading.service)


def _dependency(facts: Facts, upstream: str) -> dict[str, Any]:
    for reading in facts.readings("upstream_status"):
        if _upstream(reading) == upstream:
            return {"dependency": upstream, "provider": reading.values.get("provider"), "caller": reading.service}
    return {"dependency": upstream}


RULES = (rate_limited, failing, slow, unresolvable)
