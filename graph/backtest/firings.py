"""When which alert fired, out of the ALERTS series that Prometheus keeps of its own rules. Pure.

https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/#inspecting-alerts-during-runtime
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.bundle import Window
from domain.redaction import redact

QUERY = 'ALERTS{alertstate="firing"}'
AGAIN_S = 300.0
"""The same alert that fires again within this time is the same episode."""
_OWN = ("__name__", "alertstate")
_SEVERITIES = ("severity", "priority", "level")
_SERVICES = ("service", "service_name", "job", "app", "namespace", "instance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One episode of one alert; epoch seconds."""

    name: str
    labels: Mapping[str, str]
    started: float
    ended: float

    @property
    def id(self) -> str:
        """The same for the same alert at the same time, whenever it is asked for (to the minute: steps differ)."""
        said = json.dumps([sorted(self.labels.items()), int(self.started // 60)])
        return f"bt-{hashlib.sha256(said.encode()).hexdigest()[:12]}"

    @property
    def severity(self) -> str:
        """As the rule says, or empty."""
        return next((self.labels[k] for k in _SEVERITIES if k in self.labels), "")

    @property
    def service(self) -> str:
        """Whose it is by the usual labels, or empty."""
        return next((self.labels[k] for k in _SERVICES if self.labels.get(k)), "")


def firings(rows: Iterable[Mapping[str, Any]], step: float) -> list[Firing]:
    """Episodes of a range answer's rows {metric: labels, values: [(epoch seconds, text)]}, oldest first.

    `step` is the answer's; two points that lie further apart than AGAIN_S and two steps belong to two episodes.
    """
    found: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for row in rows:
        labels = {str(k): redact(str(v)) for k, v in row["metric"].items() if k not in _OWN}
        found.setdefault(tuple(sorted(labels.items())), []).extend(float(t) for t, _ in row["values"])
    episodes = [
        Firing(name=dict(labels).get("alertname", "alert"), labels=dict(labels), started=start, ended=end)
        for labels, times in found.items()
        for start, end in _runs(sorted(set(times)), max(AGAIN_S, 2 * step))
    ]
    return sorted(episodes, key=lambda f: (f.started, f.name))


def parts(window: Window, step: float, most: int = 10_000) -> list[Window]:
    """The window in pieces that one range query may answer (a server gives at most 11,000 points of a series)."""
    found, start = [], window[0]
    while start < window[1]:
        end = min(start + step * most, window[1])
        found.append((start, end))
        start = end
    return found


def _runs(times: Sequence[float], gap: float) -> list[Window]:
    runs: list[list[float]] = []
    for time in times:
        if runs and time - runs[-1][1] <= gap:
            runs[-1][1] = time
        else:
            runs.append([time, time])
    return [(start, end) for start, end in runs]
