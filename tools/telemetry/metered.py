"""Raw samples of a Prometheus range answer through the meter, so that they tell the same story as our own scrapes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from domain.bundle import Series, Window
from tools.telemetry import roles
from tools.telemetry.exposition import label_text
from tools.telemetry.meter import Meter

_TARGET_LABELS = ("job", "instance", "__name__")


def metered(
    service: str,
    result: Iterable[Mapping[str, Any]],
    window: Window,
    *,
    overrides: Mapping[str, str] | None = None,
    target_labels: Iterable[str] = (),
) -> list[Series]:
    """Replay raw values through a meter, moment by moment.

    `result`: rows {metric: labels, values: [(epoch seconds, text)]} of a range answer. `overrides`: role → metric name;
    `target_labels`: labels that only say which target it was, dropped where they are constant.
    """
    rows = [(row["metric"], row["values"]) for row in result]
    dropped = _constant_labels([labels for labels, _ in rows], target_labels)
    moments: dict[float, list[tuple[str, float]]] = {}
    up: dict[float, float] = {}
    for labels, values in rows:
        name = str(labels.get("__name__", ""))
        kept = tuple(sorted((k, v) for k, v in labels.items() if k not in dropped))
        key = name + label_text(tuple((k, quoted(v)) for k, v in kept))
        for t, text in values:
            value = float(text)
            if name == "up":
                up[float(t)] = min(value, up.get(float(t), 1.0))
            elif isfinite(value):
                moments.setdefault(float(t), []).append((key, value))
    types = _types({str(labels.get("__name__", "")) for labels, _ in rows})
    meter = Meter(overrides)
    found: dict[str, tuple[list[float], list[float]]] = {}
    for t in sorted(moments.keys() | up.keys()):
        points = meter.feed(t, moments.get(t, ()), lambda: types)
        if t in up:
            points[roles.SCRAPE_UP] = up[t]
        if not window[0] <= t <= window[1]:
            continue
        for metric, value in points.items():
            times, values_ = found.setdefault(metric, ([], []))
            times.append(t)
            values_.append(value)
    return [
        Series(service=service, metric=metric, times=tuple(times), values=tuple(values_))
        for metric, (times, values_) in sorted(found.items())
    ]


def _constant_labels(label_sets: Sequence[Mapping[str, str]], target_labels: Iterable[str]) -> set[str]:
    """Labels that only say which target it was."""
    candidates = {*_TARGET_LABELS, *target_labels}
    return {n for n in candidates if n == "__name__" or len({labels.get(n) for labels in label_sets}) <= 1}


def _types(names: Iterable[str]) -> dict[str, str]:
    """Kinds by the naming conventions; the API's range answers do not carry them."""
    listed = set(names)
    found: dict[str, str] = {}
    for name in listed:
        if name.endswith("_bucket"):
            found[name.removesuffix("_bucket")] = "histogram"
        elif name.endswith("_total"):
            found[name] = "counter"
        elif not name.endswith(("_sum", "_count")):
            found.setdefault(name, "gauge")
    for name in listed:
        family = name.removesuffix("_sum").removesuffix("_count")
        if family != name and family not in found:
            found[name] = "counter" if {f"{family}_sum", f"{family}_count"} <= listed else "gauge"
    return found


def quoted(value: str) -> str:
    """A label value as it stands between the quotes of a selector."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
