"""JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge as far as workloads need it."""

from __future__ import annotations

import copy
from typing import Any

MERGE_KEYS = ("name", "containerPort", "port", "ip", "type", "uid")
"""The key by which the members of a list of objects are told apart, the first that all of them have."""


class BadPatch(Exception):
    """The patch does not fit the object."""


def patched(current: dict[str, Any], patch: Any, content_type: str) -> Any:
    """The object after the patch. Raises BadPatch."""
    kind = content_type.partition(";")[0].strip()
    if kind == "application/merge-patch+json" and isinstance(patch, dict):
        return merged(current, patch, strategic=False)
    if kind == "application/strategic-merge-patch+json" and isinstance(patch, dict):
        return merged(current, patch, strategic=True)
    if kind == "application/json-patch+json" and isinstance(patch, list):
        return _operations(copy.deepcopy(current), patch)
    raise BadPatch(f"the patch type {kind} is not supported here")


def merged(current: Any, patch: dict[str, Any], *, strategic: bool) -> Any:
    """null deletes; objects merge; with `strategic`, lists of objects merge by their key."""
    result = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if key == "$patch":
            continue
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and value.get("$patch") == "replace":
            result[key] = {k: v for k, v in value.items() if k != "$patch"}
        elif isinstance(value, dict):
            result[key] = merged(result.get(key), value, strategic=strategic)
        elif (
            strategic and isinstance(value, list) and (by := _key(value)) and key not in ("rules", "ingress", "egress")
        ):
            result[key] = _joined(result.get(key) or [], value, by)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _key(rows: list[Any]) -> str:
    if not rows or not all(isinstance(row, dict) for row in rows):
        return ""
    return next((key for key in MERGE_KEYS if all(key in row for row in rows)), "")


def _joined(current: list[Any], patch: list[Any], by: str) -> list[Any]:
    found = list(current)
    for row in patch:
        place = next((n for n, old in enumerate(found) if isinstance(old, dict) and old.get(by) == row[by]), None)
        if row.get("$patch") == "delete":
            found = [old for old in found if not (isinstance(old, dict) and old.get(by) == row[by])]
        elif place is None:
            found.append(copy.deepcopy(row))
        else:
            found[place] = merged(found[place], row, strategic=True)
    return found


def _operations(document: Any, operations: list[Any]) -> Any:
    try:
        for step in operations:
            document = _one(document, step)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BadPatch(f"the patch does not apply: {error!r}") from error
    return document


def _one(document: Any, step: dict[str, Any]) -> Any:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    parent = document
    for part in parts[:-1]:
        parent = parent[int(part)] if isinstance(parent, list) else parent[part]
    last = parts[-1]
    match step["op"]:
        case "test":
            if (parent[int(last)] if isinstance(parent, list) else parent[last]) != step["value"]:
                raise ValueError(f"test of {step['path']} failed")
        case "remove":
            del parent[int(last) if isinstance(parent, list) else last]
        case "add" if isinstance(parent, list):
            parent.insert(len(parent) if last == "-" else int(last), step["value"])
        case "replace" if isinstance(parent, list):
            parent[int(last)] = step["value"]
        case "add" | "replace":
            if step["op"] == "replace" and last not in parent:
                raise KeyError(last)
            parent[last] = step["value"]
        case other:
            raise ValueError(f"unknown operation {other}")
    return document
