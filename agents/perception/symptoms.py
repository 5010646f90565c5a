"""Who suffers, as seen from outside and from the service levels: symptoms, not causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.perception.claim import Sign, number, of_reading
from agents.perception.contrast import Contrast, contrasts
from agents.perception.facts import Facts
from agents.perception.roles import Role
from domain.bundle import Reading

SERVED = (Role.LATENCY, Role.ERRORS, Role.AVAILABILITY)
"""Roles that say how a service serves."""
BAD_RATIO = 0.02
"""Error share above which users notice."""
STRONG_Z = 4.0
RARE = 0.5
WITNESSES = 2
"""Series that must tell of suffering where the outside checks of what users do pass: of hundreds one always looks odd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptoms:
    """What suffers now. `users_fail` None means nobody looked from outside."""

    failing: tuple[Reading, ...]
    passing: tuple[Reading, ...]
    contrasts: tuple[Contrast, ...]
    suffering: tuple[Contrast, ...]
    """Latency, error and availability series that got worse and still are."""
    felt: tuple[Contrast, ...]
    """Those of them that users feel: at the alerted service and above it, at the entries, or on both ends of a call."""

    @property
    def users_fail(self) -> bool | None:
        """Do outside checks of what users do fail now?"""
        facing = [r for r in (*self.failing, *self.passing) if r.values.get("user_facing")]
        judged = facing or [*self.failing, *self.passing]
        if not judged:
            return None
        return any(r.ok is False for r in judged)

    @property
    def present(self) -> bool:
        """True when somebody suffers now."""
        needed = WITNESSES if self.users_fail is False else 1
        return bool(self.users_fail) or len(self.felt) >= needed

    def services(self) -> list[str]:
        """Suffering services, worst first."""
        named: dict[str, float] = {}
        for reading in self.failing:
            named[reading.service] = named.get(reading.service, 0.0) + 10.0
        for c in self.suffering:
            named[c.service] = max(named.get(c.service, 0.0), min(abs(c.z), 50.0) / 10.0)
        return sorted(named, key=lambda s: -named[s])


def symptoms(facts: Facts) -> Symptoms:
    """Outside checks and service levels of one bundle."""
    checks = facts.readings("http_health")
    found = contrasts(facts.bundle, facts.windows)
    suffering = [c for c in found if suffers(c)]
    return Symptoms(
        failing=tuple(r for r in checks if r.ok is False),
        passing=tuple(r for r in checks if r.ok is True),
        contrasts=tuple(found),
        suffering=tuple(suffering),
        felt=tuple(suffering if facts.live else _felt(facts, suffering, found)),
    )


def _felt(facts: Facts, suffering: list[Contrast], found: list[Contrast]) -> list[Contrast]:
    """What users feel. Of hundreds of series some always look odd; one deep down that nobody above notices is no trouble.

    Where nothing is measured at the alerted service, nor at an entry, everything counts.
    """
    told = {c.service for c in found if c.role in SERVED}
    alerted = {facts.bundle.alert.service} if facts.bundle.alert else set()
    entries = {s for s in told if not facts.callers(s) and facts.callees(s)}
    if alerted & told:
        near = alerted | {c for s in alerted for c in facts.dependants(s)}
    elif entries:
        near = entries
    else:
        near = {c.service for c in suffering}
    hurt = {c.service for c in suffering}
    felt = [c for c in suffering if c.service in near or hurt & set(facts.callers(c.service))]
    return [c for c in felt if beyond_chance(c, felt, len(told))]


def beyond_chance(c: Contrast, felt: Sequence[Contrast], services: int) -> bool:
    """Is it more than what many services show now and then?

    What normal times never showed is. Of `services` each of which shows as much in a share `chance` of normal times, `services ·
    chance` are expected to show it now; more than that must (as in Benjamini & Hochberg 1995).
    """
    alike = {f.service for f in felt if f.chance <= c.chance}
    return c.repeats == 0 or len(alike) > services * c.chance


def suffers(c: Contrast) -> bool:
    """A service level that got worse, by enough to notice, and has not come back at the end of the window."""
    if abs(c.z) < STRONG_Z or not c.worse or c.rarity < RARE:
        return False
    still = abs(c.tail - c.before) / c.scale >= STRONG_Z / 2
    match c.role:
        case Role.ERRORS:
            noticed = c.after - c.before >= (BAD_RATIO * c.whole if c.share else 0.05)
        case Role.AVAILABILITY:
            noticed = c.before - c.after >= 0.02 * max(abs(c.before), 1.0)
        case Role.LATENCY:
            noticed = c.after >= 1.5 * c.before
        case _:
            return False
    return still and noticed


def as_signs(found: Symptoms, limit: int = 6) -> list[Sign]:
    """The symptoms as evidence."""
    signs = [of_reading(r, "users are not served", _health(r)) for r in found.failing[:limit]]
    for c in sorted(found.suffering, key=lambda c: -abs(c.z))[:limit]:
        signs.append(of_contrast(c, "a service level got worse"))
    return signs


def of_contrast(c: Contrast, supports: str) -> Sign:
    """A before/after contrast as a sign."""
    return Sign(
        kind="metric",
        source=f"metrics:{c.seen_at or c.service}",
        service=c.service,
        excerpt=f"{c.metric}: {c.before:.4g} before, {c.after:.4g} during ({c.z:+.1f} robust σ)",
        supports=supports,
        data={
            "metric": c.metric,
            "before": c.before,
            "after": c.after,
            "z": round(c.z, 2),
            "tail": c.tail,
            "points": list(c.points),
        },
    )


def _health(reading: Reading) -> str:
    if reading.text:
        return reading.text
    values = reading.values
    said = values.get("error") or values.get("status")
    return f"{values.get('name', reading.probe)}: {said} in {number(values.get('ms')):.0f} ms"
