"""Alert rules, pure: multi-window burn rates, hysteresis, and who is told (Alertmanager's webhook shape, version 4).

The windows are the classic ones of the SRE workbook (1 h / 5 m at 14.4, 6 h / 30 m at 6) scaled down, so that a short
incident is seen in seconds. A burn counts only when the long and the short window agree, and only after the thing was
seen healthy once: a system that boots does not raise the alarm.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from domain.severity import Severity
from tools.telemetry.sli import Objective, Recent, Spent, current_values, share, spent, value

SCALE = 1 / 120
"""One hour becomes thirty seconds."""
REPEAT_S = 120.0
"""A group that keeps firing is told again after this."""
RESOLVE_S = 8.0
"""Good seconds in a row before an alert resolves."""
NO_DATA_S = 30.0
"""A request-based alert without any request for this long has nothing left to say."""
BOOT_S = 90.0
"""Something that was not once healthy within this time is reported anyway."""
LEAST_TICKS = 4
"""Fewer bad ticks than this are a blip."""
SPARK = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One pair of windows, in seconds, with the burn rate at which it fires and caps on the shares asked for.

    The caps matter for modest targets: 14.4 × (1 - 0.95) would ask for 72 % of half a minute to be bad.
    """

    name: str
    long_s: float
    short_s: float
    factor: float
    cap_long: float
    cap_short: float

    def needs(self, objective: Objective) -> tuple[float, float]:
        """Bad shares asked for in the long and the short window."""
        long, short = (0.3, 0.8) if objective.threshold else (self.cap_long, self.cap_short)
        asked = self.factor * objective.budget
        return min(asked, long), min(asked, short)


def tiers(scale: float = SCALE) -> tuple[Tier, ...]:
    """Fast and slow burn. `scale` multiplies the classic windows; none gets shorter than five seconds."""
    fast = Tier(
        name="fast", long_s=3600 * scale, short_s=max(5.0, 300 * scale), factor=14.4, cap_long=0.2, cap_short=0.5
    )
    slow = Tier(
        name="slow", long_s=21600 * scale, short_s=max(5.0, 1800 * scale), factor=6.0, cap_long=0.1, cap_short=0.3
    )
    return fast, slow


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """Where one objective stands; plain data, so that it survives the collector."""

    first_seen: float | None = None
    warm_at: float | None = None
    """First healthy tick; what lies before is not judged."""
    firing_since: float | None = None
    """First bad tick of the episode that fires."""
    tier: str = ""
    good_since: float | None = None
    seen_at: float | None = None
    """Newest tick with data."""
    resolved_at: float | None = None
    text: str = ""

    @property
    def firing(self) -> bool:
        """Whether it fires now."""
        return self.firing_since is not None and self.resolved_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One objective now, for the SLI page. Burn 1 uses the budget up exactly at the end of the objective's window."""

    service: str
    slo: str
    sli: str
    target: float
    implicit: bool
    value: float | None
    burn_short: float | None
    burn_long: float | None
    budget_left: float | None
    """Share of the error budget of the objective's window that is left; below 0 it is overspent."""
    firing: bool
    series: list[float | None] = field(default_factory=list)
    """The last values, oldest first."""


def step(objective: Objective, state: AlertState, recent: Recent, now: float, pairs: Sequence[Tier]) -> AlertState:
    """The objective's next state. Pure: the same points give the same state."""
    first = state.first_seen if state.first_seen is not None else now
    if state.warm_at is not None and not state.firing:
        lately = spent(objective, recent, now - max(tier.short_s for tier in pairs))
        if not any(tick.bad > 0 for tick in lately):
            return state
    ticks = spent(objective, recent, now - max(tier.long_s for tier in pairs))
    if state.warm_at is None:
        healthy = next((tick.t for tick in ticks if tick.bad == 0 and tick.total > 0), None)
        late = now - first >= BOOT_S and bool(ticks)
        if healthy is None and not late:
            return replace(state, first_seen=first)
        state = replace(state, warm_at=healthy if healthy is not None else ticks[0].t)
    assert state.warm_at is not None
    since = max(state.warm_at, state.resolved_at or 0.0)
    ticks = [tick for tick in ticks if tick.t >= since]
    seen = ticks[-1].t if ticks else state.seen_at
    state = replace(state, first_seen=first, seen_at=seen)
    held = next((tier for tier in pairs if tier.name == state.tier), pairs[0])
    judged = pairs[: pairs.index(held) + 1] if state.firing else pairs
    tier = next((tier for tier in judged if _burns(objective, ticks, tier, now)), None)
    if tier is not None:
        return _fire(objective, state, ticks, tier, now)
    return _cool(objective, state, ticks, held, now) if state.firing else state


def _burns(objective: Objective, ticks: Sequence[Spent], tier: Tier, now: float) -> bool:
    bad = [tick for tick in ticks if tick.t >= now - tier.long_s and tick.bad > 0]
    if len(bad) < LEAST_TICKS:
        return False
    long_needs, short_needs = tier.needs(objective)
    long = _share_of_window(objective, ticks, tier.long_s, now)
    short = share(objective, ticks, now - tier.short_s)
    return long is not None and short is not None and long >= long_needs and short >= short_needs


def _share_of_window(objective: Objective, ticks: Sequence[Spent], window_s: float, now: float) -> float | None:
    """Bad share of the whole window: time not observed yet counts as good, so that a young system does not cry early."""
    since = now - window_s
    observed = share(objective, ticks, since)
    if observed is None:
        return None
    first = next((tick.t for tick in ticks if tick.t >= since), now)
    return observed * min(1.0, (now - first + 1.0) / window_s) if objective.sli != "error_ratio" else observed


def _fire(objective: Objective, state: AlertState, ticks: Sequence[Spent], tier: Tier, now: float) -> AlertState:
    text = describe(objective, ticks, tier, now)
    if state.firing:
        return replace(state, tier=tier.name, good_since=None, text=text)
    after = max(now - tier.long_s, state.resolved_at or 0.0)
    onset = next((tick.t for tick in ticks if tick.t >= after and tick.bad > 0), now)
    return replace(state, firing_since=onset, tier=tier.name, resolved_at=None, good_since=None, text=text)


def _cool(objective: Objective, state: AlertState, ticks: Sequence[Spent], tier: Tier, now: float) -> AlertState:
    """A firing alert that does not burn now: resolved after enough good seconds, never by silence alone."""
    newest = ticks[-1] if ticks else None
    if newest is None or newest.t < now - tier.short_s:
        silent = objective.sli in {"error_ratio", "latency_p95"} and now - (state.seen_at or now) >= NO_DATA_S
        return replace(state, resolved_at=now) if silent else replace(state, good_since=None)
    short = share(objective, ticks, now - tier.short_s)
    if short is not None and short > tier.needs(objective)[1] * 0.25:
        return replace(state, good_since=None)
    good_since = state.good_since if state.good_since is not None else now
    resolved = now if now - good_since >= RESOLVE_S else None
    return replace(state, good_since=good_since, resolved_at=resolved)


_ALERTNAMES = {
    "availability": "AvailabilityBurn",
    "error_ratio": "ErrorRatioBurn",
    "latency_p95": "LatencyHigh",
    "saturation": "SaturationHigh",
    "freshness": "FreshnessLost",
    "process": "ProcessDown",
}


def describe(objective: Objective, ticks: Iterable[Spent], tier: Tier, now: float) -> str:
    """What a person is told, in numbers."""
    bad = share(objective, ticks, now - tier.long_s) or 0.0
    window = f"the last {tier.long_s:.0f} s"
    match objective.sli:
        case "availability":
            return f"{bad:.0%} of the outside checks of {objective.service} failed in {window}"
        case "error_ratio":
            return f"{bad:.0%} of the requests to {objective.service} failed in {window}"
        case "process":
            return f"{objective.service} was not running for {bad:.0%} of {window}"
        case "latency_p95":
            return f"p95 latency of {objective.service} above {objective.target:g} s for {bad:.0%} of {window}"
        case "saturation":
            return f"{objective.service} above {objective.target:.0%} of its capacity for {bad:.0%} of {window}"
        case "freshness":
            return f"{objective.service} more than {objective.target:g} s behind for {bad:.0%} of {window}"


class AlertBook:
    """All objectives together: steps them, says when to tell somebody what. Holds no clock and does no I/O."""

    def __init__(self, system: str, objectives: Sequence[Objective], *, scale: float = SCALE) -> None:
        self._system = system
        self._objectives = list(objectives)
        self._tiers = tiers(scale)
        self._states: dict[str, AlertState] = {}
        self._told: dict[str, str] = {}
        self._told_at = 0.0

    def dump(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"states": {k: asdict(s) for k, s in self._states.items()}, "told": self._told, "told_at": self._told_at}

    def load(self, data: Mapping[str, Any], *, gap_s: float) -> None:
        """Go on from stored data. After a gap longer than half a minute the system is taken to boot again."""
        for objective in self._objectives:
            row = data.get("states", {}).get(objective.key)
            if row is not None:
                state = AlertState(**row)
                cold = replace(state, first_seen=None, warm_at=None, good_since=None)
                self._states[objective.key] = cold if gap_s > 30 else state
        self._told = dict(data.get("told", {}))
        self._told_at = float(data.get("told_at", 0.0))

    def tick(self, recent: Recent, now: float) -> dict[str, Any] | None:
        """Step every objective; the notification that is due, or None."""
        for objective in self._objectives:
            state = self._states.get(objective.key, AlertState())
            self._states[objective.key] = step(objective, state, recent, now, self._tiers)
        return self._notification(now)

    def _notification(self, now: float) -> dict[str, Any] | None:
        current = {
            o.key: f"firing {s.firing_since}" if s.firing else "resolved"
            for o in self._objectives
            if (s := self._states[o.key]).firing or self._told.get(o.key, "").startswith("firing")
        }
        news = any(self._told.get(key) != status for key, status in current.items())
        firing = any(status != "resolved" for status in current.values())
        if not news and not (firing and now - self._told_at >= REPEAT_S):
            return None
        reason = "repeat" if not news else "first" if not self._told else "changed"
        listed = [o for o in self._objectives if o.key in current]
        self._told = {key: status for key, status in current.items() if status != "resolved"}
        self._told_at = now
        return webhook(self._system, [(o, self._states[o.key]) for o in listed], now, reason)

    def spent_now(self, recent: Recent, now: float) -> dict[str, tuple[float, float]]:
        """Bad and all seconds of this very tick, by objective (for the budget of the whole window)."""
        found = {}
        for objective in self._objectives:
            warm = self._states.get(objective.key, AlertState()).warm_at
            ticks = spent(objective, recent, now - 0.5)
            if warm is not None and ticks and ticks[-1].total > 0:
                found[objective.key] = (ticks[-1].bad / ticks[-1].total, 1.0)
        return found

    def readings(self, recent: Recent, now: float, left: Mapping[str, float | None]) -> list[Reading]:
        """One row per objective; `left` is the share of budget left by objective."""
        return [self._reading(objective, recent, now, left.get(objective.key)) for objective in self._objectives]

    def _reading(self, objective: Objective, recent: Recent, now: float, left: float | None) -> Reading:
        fast = self._tiers[0]
        ticks = spent(objective, recent, now - max(fast.long_s, float(SPARK)))
        short, long = (share(objective, ticks, now - s) for s in (fast.short_s, fast.long_s))
        return Reading(
            service=objective.service,
            slo=objective.name,
            sli=objective.sli,
            target=objective.target,
            implicit=objective.implicit,
            value=value(objective, recent, ticks, now),
            burn_short=None if short is None else round(short / objective.budget, 3),
            burn_long=None if long is None else round(long / objective.budget, 3),
            budget_left=left,
            firing=self._states.get(objective.key, AlertState()).firing,
            series=_spark(objective, recent, ticks, now),
        )

    @property
    def objectives(self) -> list[Objective]:
        """What is watched."""
        return list(self._objectives)


def _spark(objective: Objective, recent: Recent, ticks: Sequence[Spent], now: float) -> list[float | None]:
    if objective.threshold:
        points = {round(t): v for t, v in current_values(objective, recent, now - SPARK)}
    else:
        points = {round(tick.t): 1.0 - tick.bad / tick.total for tick in ticks if tick.total > 0}
    last = round(now)
    row = [points.get(second) for second in range(last - SPARK + 1, last + 1)]
    return [None if v is None else round(v, 4) for v in row]


def webhook(system: str, alerts: Sequence[tuple[Objective, AlertState]], now: float, reason: str) -> dict[str, Any]:
    """Alertmanager's webhook body, version 4. One system is one group: one outage, one incident."""
    rows = [_alert(system, objective, state, now) for objective, state in alerts]
    firing = any(row["status"] == "firing" for row in rows)
    return {
        "version": "4",
        "groupKey": f'{{}}:{{system="{system}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": "firebreak",
        "groupLabels": {"system": system},
        "commonLabels": {"system": system},
        "commonAnnotations": {},
        "externalURL": "",
        "notification_reason": reason,
        "alerts": rows,
    }


def _alert(system: str, objective: Objective, state: AlertState, now: float) -> dict[str, Any]:
    severity = objective.severity
    if state.tier == "slow" and severity in {Severity.CRITICAL, Severity.HIGH}:
        severity = Severity.HIGH if severity is Severity.CRITICAL else Severity.WARNING
    labels = {
        "alertname": _ALERTNAMES[objective.sli],
        "environment": objective.environment,
        "service": objective.service,
        "severity": severity.value,
        "sli": objective.sli,
        "slo": objective.name,
        "system": system,
    }
    return {
        "status": "firing" if state.firing else "resolved",
        "labels": labels,
        "annotations": {"summary": state.text or f"{objective.service}: {objective.name}"},
        "startsAt": _text(state.firing_since if state.firing_since is not None else now),
        "endsAt": "0001-01-01T00:00:00Z" if state.firing else _text(state.resolved_at or now),
        "generatorURL": "",
        "fingerprint": fingerprint(system, objective),
    }


def fingerprint(system: str, objective: Objective) -> str:
    """Sixteen hex digits that stay the same for this objective of this system."""
    identity = json.dumps([system, objective.service, objective.sli, objective.name])
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _text(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
