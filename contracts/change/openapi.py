"""What a new OpenAPI document (3.x or Swagger 2) takes away from those who call the old one.

Breaking by the usual reading of the contract: an operation, a success response or a property of it is gone; a request
needs something that it did not need; a type or the set of allowed values changed against the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contracts.change.documents import DocumentError, documents
from contracts.change.files import ChangedFile, at, line_with
from contracts.draft import Doubt
from contracts.finding import Finding, Mark
from domain.risk import FactorName

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_DEEPEST = 12
_MARK = re.compile(r"(?:^|[{,])\s*[\"']?(openapi|swagger)[\"']?\s*:", re.MULTILINE)
_POINTS = 42.0
Side = Literal["request", "response"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One thing that callers of the old document lose."""

    said: str
    near: str
    """Words to look for in the text, to name a line."""


def is_openapi(file: ChangedFile) -> bool:
    """By what stands in it, not by its name."""
    text = file.after or file.before or ""
    return file.suffix in (".yaml", ".yml", ".json") and bool(_MARK.search(text[:4000]))


def api_findings(files: Iterable[ChangedFile]) -> Iterator[Finding | Doubt]:
    """One finding per break; a document that is gone is one, too."""
    for file in filter(is_openapi, files):
        try:
            before, after = _document(file.before), _document(file.after)
            breaks = list(breaks_of(before, after)) if file.before is not None else []
        except DocumentError as error:
            yield f"{file.path}: not readable as an OpenAPI document ({error})", 0.1
            continue
        for found in breaks:
            text = (file.after if found.near in (file.after or "") else file.before) or ""
            where = [at(file, [line_with(text, found.near)])]
            marks = frozenset({Mark.API_REMOVED})
            yield Finding(factor=FactorName.API_BREAK, points=_POINTS, reason=found.said, where=where, marks=marks)


def _document(text: str | None) -> Mapping[str, Any]:
    found = documents(text)
    return _map(found[0]) if found else {}


def breaks_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Break]:
    """What a caller of `before` loses with `after`."""
    then, now = _operations(before), _operations(after)
    for (method, path), old in then.items():
        new = now.get((method, path))
        name = f"{method.upper()} {path}"
        if new is None:
            yield Break(said=f"removes {name}", near=path)
            continue
        yield from _parameters(name, _Pair(before, after), old, new)
        yield from _bodies(name, _Pair(before, after), old, new)
        yield from _responses(name, _Pair(before, after), old, new)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both documents, to follow references in."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


def _operations(document: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    paths = _map(document.get("paths"))
    return {
        (m, p): dict(_map(item[m])) | {"_shared": item.get("parameters")}
        for p, item in _items(paths)
        for m in _METHODS
        if m in item
    }


def _parameters(name: str, pair: _Pair, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    then, now = _named(pair.before, old), _named(pair.after, new)
    for key, parameter in now.items():
        was = then.get(key, {})
        if parameter.get("required") and not was.get("required"):
            yield Break(said=f"{name} needs parameter {key[1]}", near=key[1])
        if key in then:
            yield from _schemas(f"{name} parameter {key[1]}", pair, _schema(was), _schema(parameter), "request", 0)


def _bodies(name: str, pair: _Pair, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    was, now = _follow(pair.before, old.get("requestBody")), _follow(pair.after, new.get("requestBody"))
    if now.get("required") and not was.get("required"):
        yield Break(said=f"{name} needs a body", near=name.split(" ", 1)[1])
    for kind, content in _items(was.get("content")):
        if kind in _map(now.get("content")):
            yield from _schemas(f"{name} request", pair, _schema(content), _schema(now["content"][kind]), "request", 0)
        elif now:
            yield Break(said=f"{name} takes no {kind} any more", near=name.split(" ", 1)[1])


def _responses(name: str, pair: _Pair, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    now = {str(k): v for k, v in _map(new.get("responses")).items()}
    for code, answer in _map(old.get("responses")).items():
        if not str(code).startswith("2"):
            continue
        if str(code) not in now:
            yield Break(said=f"{name} answers no {code} any more", near=name.split(" ", 1)[1])
            continue
        then, later = _follow(pair.before, answer), _follow(pair.after, now[str(code)])
        contents = _map(then.get("content")) or {"": then}
        for kind, content in contents.items():
            other = _map(later.get("content")).get(kind, later if not kind else {})
            yield from _schemas(f"{name} {code}", pair, _schema(content), _schema(other), "response", 0)


def _schemas(name: str, pair: _Pair, old: Any, new: Any, side: Side, depth: int) -> Iterator[Break]:
    was, now = _follow(pair.before, old), _follow(pair.after, new)
    if depth > _DEEPEST or not was:
        return
    near = name.rsplit(".", 1)[-1].rsplit(" ", 1)[-1]
    if was.get("type") != now.get("type") and was.get("type") and (now.get("type") or not now):
        yield Break(said=f"{name} is {now.get('type', 'gone')} instead of {was['type']}", near=near)
        return
    yield from _values(name, near, was, now, side)
    yield from _properties(name, pair, was, now, side, depth)
    if "items" in was:
        yield from _schemas(f"{name}[]", pair, was["items"], now.get("items"), side, depth + 1)


def _values(name: str, near: str, was: Mapping[str, Any], now: Mapping[str, Any], side: Side) -> Iterator[Break]:
    then, later = set(map(str, was.get("enum") or ())), set(map(str, now.get("enum") or ()))
    if side == "request" and later and (gone := sorted(then - later) or ([] if then else ["anything else"])):
        yield Break(said=f"{name} does not take {', '.join(gone[:3])} any more", near=near)
    if side == "response" and then and (fresh := sorted(later - then)):
        yield Break(said=f"{name} may be {', '.join(fresh[:3])}, which callers do not know", near=near)


def _properties(
    name: str, pair: _Pair, was: Mapping[str, Any], now: Mapping[str, Any], side: Side, depth: int
) -> Iterator[Break]:
    then, later = _map(was.get("properties")), _map(now.get("properties"))
    if side == "response":
        yield from (
            Break(said=f"{name} has no {gone} any more", near=gone) for gone in then if gone not in later and now
        )
    else:
        fresh = [r for r in now.get("required") or () if r not in (was.get("required") or ())]
        yield from (Break(said=f"{name} needs {field}", near=str(field)) for field in fresh)
    for key in then.keys() & later.keys():
        yield from _schemas(f"{name}.{key}", pair, then[key], later[key], side, depth + 1)


def _named(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    rows: Sequence[Any] = [*(operation.get("_shared") or ()), *(operation.get("parameters") or ())]
    found = (_follow(document, row) for row in rows)
    return {(str(p.get("in")), str(p["name"])): p for p in found if "name" in p}


def _schema(holder: Mapping[str, Any]) -> Any:
    return holder.get("schema", holder if "type" in holder else {})


def _follow(document: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    """The node, or what its local `$ref` names; at most a few steps, so that circles end."""
    for _ in range(8):
        reference = _map(node).get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        node = document
        for part in reference[2:].split("/"):
            node = _map(node).get(part.replace("~1", "/").replace("~0", "~"))
    return _map(node)


def _map(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}


def _items(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from ((str(k), _map(v)) for k, v in _map(node).items())
