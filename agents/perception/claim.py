"""What a rule says: a claim about one service, the signs for it and the doubts against it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from domain.alert import Change
from domain.bundle import LogLine, Reading
from domain.conditions import Condition, Finding

NO_ANSWER = re.compile(r"time?d? ?out|timeout|no answer|did not answer", re.I)
"""How probes say that nothing came back in time."""
EXCERPT = 240
"""Characters of untrusted text that an evidence line shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One observation as a rule cites it; becomes an `Evidence` when its claim is kept."""

    kind: str
    source: str
    excerpt: str
    supports: str
    service: str = ""
    time: float | None = None
    data: dict[str, Any] = field(default_factory=dict)
    tainted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One candidate cause.

    `strength` (0–1) says how completely the signature is met, before propagation and competition. A `direct` claim rests
    on a reading that shows the abnormal state itself, now; the others infer it from symptoms.
    """

    service: str
    fault_class: str | None
    strength: float
    statement: str
    signs: tuple[Sign, ...] = ()
    doubts: tuple[Sign, ...] = ()
    direct: bool = False
    needs_symptom: bool = False
    """True: without anybody suffering this is a curiosity and no fault (a changed file, a new release)."""
    by_silence: bool = False
    """True: it rests on somebody not having answered in time, which who asks may be to blame for as well."""
    external: bool = False
    """True: the origin lies outside of what is looked after (a provider, a partner's data)."""
    indicator: str | None = None
    change: str | None = None
    falsify: str = ""
    """What a person can run to prove it wrong."""
    probe: tuple[str, str, str] | None = None
    """(probe, service, the result that would refute it)."""
    findings: tuple[Finding, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def scaled(self, factor: float, doubt: Sign | None = None) -> Claim:
        """The same claim with `strength · factor`, and one more doubt."""
        doubts = (*self.doubts, doubt) if doubt else self.doubts
        return replace(self, strength=max(0.0, min(1.0, self.strength * factor)), doubts=doubts)


def of_reading(reading: Reading, supports: str, excerpt: str = "") -> Sign:
    """A probe's reading as a sign."""
    text = excerpt or reading.text or reading.data_gap or f"{reading.probe} of {reading.service}"
    return Sign(
        kind="reading",
        source=f"probe:{reading.probe}",
        service=reading.service,
        time=reading.time,
        excerpt=text[:EXCERPT],
        supports=supports,
        data=dict(reading.values),
    )


def of_log(line: LogLine, supports: str, count: int = 1) -> Sign:
    """A log line as a sign; untrusted text stays data."""
    times = f" (×{count})" if count > 1 else ""
    return Sign(
        kind="log",
        source=f"logs:{line.service}",
        service=line.service,
        time=line.time,
        excerpt=line.message[:EXCERPT] + times,
        supports=supports,
        data={"count": count},
        tainted=True,
    )


def of_change(change: Change, supports: str) -> Sign:
    """A recorded change as a sign."""
    words = " ".join(w for w in (change.kind, change.service, change.version, change.summary) if w)
    return Sign(
        kind="change",
        source=f"changes:{change.id}",
        service=change.service,
        time=change.time.timestamp(),
        excerpt=words[:EXCERPT],
        supports=supports,
        tainted=True,
    )


def finding(condition: Condition, service: str, target: str = "", **facts: Any) -> Finding:
    """A condition seen at `service`; `facts` come from readings only."""
    return Finding(condition=condition, service=service, target=target, facts=facts)


def number(value: object, default: float = 0.0) -> float:
    """A reading's value as a float; anything else is the default."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return float(value) if value == value else default  # NaN is not a number one can compare with
