"""Read an incident bundle. A malformed line is reported and skipped; a malformed file is an error that names it."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from domain.alert import Change
from domain.bundle import AlertHint, AlertSignal, Bundle, Edge, Node, Reading, Series, Window
from domain.errors import EvidenceError
from tools.bundle import metrics, rows
from tools.bundle.files import TRUTH, BundleFiles, broken, open_files
from tools.bundle.told import Told
from tools.moment import unit_of

_T = TypeVar("_T")
_INCIDENT = frozenset(
    {
        "schema_version",
        "id",
        "title",
        "system",
        "alert",
        "onset",
        "windows",
        "services",
        "changes_asked",
        "sources",
    }
)


def read_bundle(path: str | Path) -> Bundle:
    """The bundle at `path` (folder or tar archive). Never opens `truth.json`.

    Raises EvidenceError, naming the file, when a file as a whole cannot be read.
    """
    files = open_files(Path(path))
    told = Told(rows=list(files.problems))
    extra: dict[str, dict[str, Any]] = {}
    incident = _incident(files, extra, told)
    signals = _lines(files, "alerts.jsonl", rows.signal, told, extra, rows.SIGNAL_FIELDS)
    changes = _lines(files, "changes.jsonl", rows.change, told, extra, rows.CHANGE_FIELDS, order="time")
    logs = _lines(files, "logs.jsonl", rows.log_line, told, order="time")
    spans = _lines(files, "spans.jsonl", rows.span, told, order="start")
    edges, nodes = _topology(files, told)
    readings, platform = _state(files, told)
    return Bundle(
        **incident,
        edges=edges,
        nodes=nodes,
        series=_metrics(files, told),
        logs=tuple(logs),
        spans=tuple(spans),
        signals=tuple(_only(signals, AlertSignal)),
        changes=tuple(_only(changes, Change)),
        readings=readings,
        platform=platform,
        documents=_documents(files),
        problems=told.problems,
        notes=told.notes,
        extra=extra,
    )


def read_truth(path: str | Path) -> dict[str, Any] | None:
    """The label of an evaluation case, for scorers and for learning from past incidents only; None when there is none."""
    return _object(open_files(Path(path)), TRUTH)


def _only(values: Iterable[object], kind: type[_T]) -> list[_T]:
    return [v for v in values if isinstance(v, kind)]


def _json(files: BundleFiles, name: str) -> Any:
    content = files.read(name)
    if content is None:
        return None
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise broken(name, "valid JSON", str(error)) from error


def _object(files: BundleFiles, name: str) -> dict[str, Any] | None:
    value = _json(files, name)
    if value is not None and not isinstance(value, dict):
        raise broken(name, "a JSON object", type(value).__name__)
    return value


def _incident(files: BundleFiles, extra: dict[str, dict[str, Any]], told: Told) -> dict[str, Any]:
    found = _object(files, "incident.json")
    if found is None:
        raise EvidenceError(
            f"{files.origin} is not an incident bundle",
            expected="a file incident.json",
            found="none",
            hint="the format is described in docs; only incident.json is required",
        )
    if str(found.get("schema_version", "1")) != "1":
        raise broken("incident.json", 'schema_version "1"', str(found.get("schema_version")))
    if rest := rows.unknown(found, _INCIDENT):
        extra["incident.json"] = {"": rest}
    windows = found.get("windows") or {}
    try:
        if not isinstance(windows, dict):
            raise ValueError(f"expected an object in windows, found {type(windows).__name__}")
        if found.get("onset") is not None:
            told.unit("incident.json", unit_of(found["onset"]))
        return {
            "id": rows.text(found, "id") or files.origin.name.split(".")[0],
            "title": rows.text(found, "title"),
            "system": rows.text(found, "system"),
            "alert": _alert(found.get("alert")),
            "onset": None if found.get("onset") is None else rows.epoch(found["onset"], "onset"),
            "normal": _window(windows.get("normal"), "windows.normal"),
            "abnormal": _window(windows.get("abnormal"), "windows.abnormal"),
            "services": tuple(_names(found.get("services") or [])),
            "changes_asked": found.get("changes_asked") is True,
            "origins": tuple(rows.origin(row) for row in found.get("sources") or []),
        }
    except ValueError as error:
        raise broken("incident.json", "the fields of the bundle format", str(error)) from error


def _names(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ValueError("expected a list of names in services")
    return value


def _window(value: object, name: str) -> Window | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"expected [from, to] or null in {name}")
    first, last = sorted(rows.epoch(v, name) for v in value)
    return (first, last)


def _alert(value: object) -> AlertHint | None:
    if not value:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object in alert, found {type(value).__name__}")
    threshold, observed, started = (value.get(n) for n in ("threshold", "observed", "started_at"))
    return AlertHint(
        service=rows.text(value, "service"),
        metric=rows.text(value, "metric"),
        agg=rows.text(value, "agg"),
        summary=rows.text(value, "summary"),
        severity=rows.text(value, "severity"),
        threshold=None if threshold is None else rows.number(threshold, "threshold"),
        observed=None if observed is None else rows.number(observed, "observed"),
        started_at=None if started is None else rows.epoch(started, "started_at"),
    )


def _lines(
    files: BundleFiles,
    name: str,
    parse: Callable[[Mapping[str, Any]], Any],
    told: Told,
    extra: dict[str, dict[str, Any]] | None = None,
    known: frozenset[str] = frozenset(),
    order: str = "",
) -> list[Any]:
    """Rows of a JSON-lines file, ascending by `order`; unknown fields go to `extra` by the row's final position."""
    content = files.read(name)
    if content is None:
        return []
    found: list[tuple[Any, dict[str, Any]]] = []
    for line_number, line in enumerate(BytesIO(content.removeprefix(BOM_UTF8)), start=1):
        if line.isspace():
            continue
        try:
            row = json.loads(line.decode(errors="replace"))
            if not isinstance(row, dict):
                raise ValueError(f"expected an object, found {type(row).__name__}")
            found.append((parse(row), rows.unknown(row, known) if known else {}))
            if order:
                told.unit(name, unit_of(row[order]))
        except (ValueError, OverflowError, OSError, RecursionError) as error:
            told.skipped(name, f"line {line_number}", error)
    if order:
        moment = attrgetter(order)
        found.sort(key=lambda pair: moment(pair[0]))
    if extra is not None and (kept := {str(i): rest for i, (_, rest) in enumerate(found) if rest}):
        extra[name] = kept
    return [value for value, _ in found]


def _metrics(files: BundleFiles, told: Told) -> tuple[Series, ...]:
    content = files.read("metrics.csv")
    return () if content is None else metrics.read_series(content, told)


def _topology(files: BundleFiles, told: Told) -> tuple[tuple[Edge, ...], tuple[Node, ...]]:
    found = _object(files, "topology.json") or {}
    edges: list[Edge] = []
    nodes: list[Node] = []
    for part, keep in (("edges", edges), ("nodes", nodes)):
        listed = found.get(part) or []
        if not isinstance(listed, list):
            raise broken("topology.json", f"a list in {part}", type(listed).__name__)
        for position, row in enumerate(listed):
            try:
                keep.append(_edge(row) if part == "edges" else _node(row))  # type: ignore[arg-type]
            except ValueError as error:
                told.skipped("topology.json", f"{part}[{position}]", error)
    return tuple(edges), tuple(nodes)


def _edge(row: object) -> Edge:
    if not isinstance(row, dict):
        raise ValueError("expected an object")
    ends = {n: rows.text(row, n, required=True) for n in ("caller", "callee")}
    return Edge(**ends, kind=rows.text(row, "kind"))


def _node(row: object) -> Node:
    if not isinstance(row, dict):
        raise ValueError("expected an object")
    rest = {n: rows.text(row, n) for n in ("kind", "criticality", "host")}
    return Node(name=rows.text(row, "name", required=True), **rest)


def _state(files: BundleFiles, told: Told) -> tuple[tuple[Reading, ...], tuple[dict[str, Any], ...]]:
    found = _json(files, "state.json")
    if found is None:
        return (), ()
    if not isinstance(found, dict | list):
        raise broken("state.json", "a JSON object or list", type(found).__name__)
    if isinstance(found, list) or not {"readings", "objects"} & found.keys():
        return (), tuple(platform_objects(found))
    listed, objects = found.get("readings") or [], found.get("objects") or []
    if not isinstance(listed, list) or not isinstance(objects, list):
        raise broken("state.json", "lists in readings and objects", "something else")
    readings: list[Reading] = []
    for position, row in enumerate(listed):
        try:
            if not isinstance(row, dict):
                raise ValueError(f"expected an object, found {type(row).__name__}")
            readings.append(rows.reading(row))
        except ValueError as error:
            told.skipped("state.json", f"readings[{position}]", error)
    rest = {k: v for k, v in found.items() if k not in {"readings", "objects"}}
    platform = _only(objects, dict) + (platform_objects(rest) if rest else [])
    return tuple(readings), tuple(platform)


def platform_objects(value: object) -> list[dict[str, Any]]:
    """Single objects out of what a platform's API returned: lists are flattened, and their items told their kind."""
    if isinstance(value, list):
        return [o for item in value for o in platform_objects(item)]
    if not isinstance(value, dict):
        return []
    items = value.get("items")
    kind = value.get("kind")
    if isinstance(items, list) and (kind is None or str(kind).endswith("List")):
        named = {"kind": str(kind).removesuffix("List")} if kind and kind != "List" else {}
        return [o for item in _only(items, dict) for o in platform_objects(named | item)]
    if kind is None and value and all(isinstance(v, dict | list) for v in value.values()):
        return [o for part in value.values() for o in platform_objects(part)]
    return [value] if value else []


def _documents(files: BundleFiles) -> tuple[tuple[str, str], ...]:
    contents = ((name, files.read(name)) for name in files.documents())
    return tuple((n.removeprefix("docs/"), c.decode("utf-8", errors="replace")) for n, c in contents if c is not None)
