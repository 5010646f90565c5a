"""One field of one object: what it was, and what a fault makes of it. Pure."""

from __future__ import annotations

import copy
from typing import Any

from domain.value import Value

Object = dict[str, Any]


class Edit(Value):
    """Plain JSON, so that a stranger can take it back."""

    kind: str
    name: str
    path: tuple[str | int, ...]
    """Keys and indexes from the object down to the field; empty: the object as a whole, which is deleted."""
    old: Any = None
    """None: there was no such field."""
    new: Any = None

    def words(self) -> str:
        """`Deployment web: spec.replicas`."""
        return f"{self.kind} {self.name}: {'.'.join(str(part) for part in self.path) or 'the object'}"


def own_part(thing: Object) -> Object:
    """What its owner wrote: an object that can be made again."""
    meta = {key: thing["metadata"][key] for key in ("name", "labels", "annotations") if thing["metadata"].get(key)}
    return {**{key: value for key, value in thing.items() if key not in ("status", "apiVersion")}, "metadata": meta}


def value_at(thing: Any, path: tuple[str | int, ...]) -> Any:
    """The value of a field, None when there is none."""
    for part in path:
        try:
            thing = thing[part]
        except (KeyError, IndexError, TypeError):
            return None
    return thing


def with_value(thing: Object, path: tuple[str | int, ...], value: Any) -> Object:
    """The object with another value at the path; None removes the key. Tables on the way are made, lists never."""
    changed = copy.deepcopy(thing)
    place: Any = changed
    for part in path[:-1]:
        if isinstance(place, dict) and place.get(part) is None:
            place[part] = {}
        place = place[part]
    if value is None and isinstance(place, dict):
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    return changed
