"""All objectives together: what fires, and when somebody is told of it (Alertmanager's webhook shape, version 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from domain.severity import Severity
from tools.telemetry.rules import SCALE, AlertState, step, tiers
from tools.telemetry.sli import Objective, Recent, Spent, current_values, share, spent, value

REPEAT_S = 60.0
"""A group that keeps firing is told again after this."""
SPARK = 60
"""Seconds of a row's small plot."""
_ALERTNAMES = {
    "availability": "AvailabilityBurn",
    "error_ratio": "ErrorRatioBurn",
    "latency_p95": "LatencyHigh",
    "saturation": "SaturationHigh",
    "freshness": "FreshnessLost",
    "process": "ProcessDown",
}


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
        listed = [(o, self._states[o.key]) for o in self._objectives if o.key in current]
        over = [(o, before) for o, s in listed if (before := _over(s, self._told.get(o.key, ""))) is not None]
        self._told = {key: status for key, status in current.items() if status != "resolved"}
        self._told_at = now
        return webhook(self._system, [*listed, *over], now, reason)

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


def _over(state: AlertState, told: str) -> AlertState | None:
    """The episode that was told before and ended when this one began; None when it is the same one."""
    _, _, start = told.partition(" ")
    if not state.firing or not start or float(start) == state.firing_since:
        return None
    return replace(state, firing_since=float(start), resolved_at=state.firing_since)


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
