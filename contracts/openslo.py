"""Objectives from OpenSLO v1 documents (github.com/OpenSLO/OpenSLO): what reduces to an error rate or a latency is used.

A ratio metric's target is a share of good events. A threshold metric with `op: lte` (or `lt`) says which share of the
measurements must lie below a value; a share of 0.95 or 0.99 is a percentile. OpenSLO gives no units: a value is read in
seconds or milliseconds only where the metric's query or a name says which. Everything else is told and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contracts.change.documents import DocumentError, documents
from domain.errors import ConfigError

Field = Literal["target_error_rate", "target_p95", "target_p99"]
_SLOW = re.compile(r"latency|duration|response.?time", re.IGNORECASE)
_SECONDS = re.compile(r"_seconds(?![a-z])|\bseconds?\b|\(s\)")
_MILLIS = re.compile(r"_ms\b|millis|\bms\b", re.IGNORECASE)
_PERCENTILES: Mapping[float, Field] = {0.95: "target_p95", 0.99: "target_p99"}


class SloError(ConfigError):
    """A document of objectives cannot be used."""

    code = "contract.slo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One target of one service: percent for the error rate, milliseconds for latencies."""

    name: str
    service: str
    field: Field
    value: float


def read_openslo(text: str, name: str = "the document") -> tuple[list[Objective], list[str]]:
    """Objectives, and what was left out and why. Raises SloError when it is no OpenSLO at all."""
    try:
        rows = [row for row in documents(text) if isinstance(row, dict)]
    except DocumentError as error:
        raise SloError(f"{name} cannot be read", expected="OpenSLO v1 (YAML)", found=str(error)) from error
    ours = [row for row in rows if str(row.get("apiVersion", "")).startswith("openslo/")]
    if not ours:
        raise SloError(
            f"{name} is no OpenSLO", expected="apiVersion: openslo/v1", found=f"{len(rows)} documents without it"
        )
    indicators = {_name(row): _map(row.get("spec")) for row in ours if row.get("kind") == "SLI"}
    found: list[Objective] = []
    told: list[str] = []
    for row in ours:
        for item in _slo(row, indicators) if row.get("kind") == "SLO" else ():
            if isinstance(item, Objective):
                found.append(item)
            else:
                told.append(item)
    return found, told


def _slo(row: Mapping[str, Any], indicators: Mapping[str, Mapping[str, Any]]) -> Iterator[Objective | str]:
    spec, name = _map(row.get("spec")), _name(row)
    service = str(spec.get("service", ""))
    inline = _map(_map(spec.get("indicator")).get("spec")) or _map(spec.get("indicator"))
    indicator = inline or indicators.get(str(spec.get("indicatorRef")), {})
    objectives = spec.get("objectives")
    if not isinstance(objectives, list) or not objectives:
        yield f"{name}: no objectives"
        return
    words = " ".join([name, str(_map(row.get("metadata")).get("displayName", "")), *_texts(indicator)])
    for objective in objectives:
        yield _objective(name, service, words, indicator, _map(objective))


def _objective(
    name: str, service: str, words: str, indicator: Mapping[str, Any], row: Mapping[str, Any]
) -> Objective | str:
    target = _share(row)
    if target is None:
        return f"{name}: no target between 0 and 1"
    if "thresholdMetric" in indicator:
        return _latency(name, service, f"{words} {row.get('displayName', '')}", row, target)
    if "ratioMetric" not in indicator:
        return f"{name}: its indicator is not here"
    if _SLOW.search(words):
        return f"{name}: a ratio about latency; its threshold stands in the query and is not read"
    return Objective(name=name, service=service, field="target_error_rate", value=round(100 * (1 - target), 6))


def _latency(name: str, service: str, words: str, row: Mapping[str, Any], target: float) -> Objective | str:
    field = _PERCENTILES.get(round(target, 4))
    value = row.get("value")
    if (
        row.get("op") not in ("lte", "lt")
        or not isinstance(value, int | float)
        or isinstance(value, bool)
        or value <= 0
    ):
        return f"{name}: a threshold that is no upper limit"
    if field is None:
        return f"{name}: a share of {target:g} is neither p95 nor p99"
    if _MILLIS.search(words):
        return Objective(name=name, service=service, field=field, value=float(value))
    if _SECONDS.search(words):
        return Objective(name=name, service=service, field=field, value=1000.0 * value)
    return f"{name}: neither its query nor its name says whether {value:g} is seconds or milliseconds"


def _share(row: Mapping[str, Any]) -> float | None:
    for key, scale in (("target", 1.0), ("targetPercent", 100.0)):
        found = row.get(key)
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 < found / scale < 1:
            return found / scale
    return None


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _texts(inner)


def _name(row: Mapping[str, Any]) -> str:
    return str(_map(row.get("metadata")).get("name", "unnamed"))


def _map(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}


def tightest(objectives: Sequence[Objective], service: str) -> dict[Field, float]:
    """The strictest value of each target of this service (and of objectives that name none)."""
    best: dict[Field, float] = {}
    for row in objectives:
        if row.service in ("", service):
            best[row.field] = min(row.value, best.get(row.field, row.value))
    return best
