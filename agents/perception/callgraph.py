"""Who calls whom, near and far. Pure.

A node that only passes calls on (a proxy, a link) is a dependency itself and lets through what stands behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

Links = Mapping[str, Sequence[str]]


class CallGraph:
    """Read-only view of (caller, callee) pairs. `passes_on`: does this node only hand its calls to others?"""

    def __init__(self, pairs: Iterable[tuple[str, str]], passes_on: Callable[[str], bool]) -> None:
        self._passes_on = passes_on
        self._callees: dict[str, list[str]] = defaultdict(list)
        self._callers: dict[str, list[str]] = defaultdict(list)
        for caller, callee in pairs:
            self._callees[caller].append(callee)
            self._callers[callee].append(caller)

    def __bool__(self) -> bool:
        """True when anybody is known to call anybody."""
        return bool(self._callees)

    def callees(self, service: str) -> list[str]:
        """Direct dependencies, and what stands behind those of them that only pass calls on."""
        return _through(service, self._callees, self._passes_on)

    def callers(self, service: str) -> list[str]:
        """Direct dependants, and those of what only passes their calls on to it."""
        return _through(service, self._callers, self._passes_on)

    def between(self, caller: str, callee: str) -> list[str]:
        """What only passes the caller's calls on to the callee."""
        hops = [s for s in self.callees(caller) if s != callee and self._passes_on(s)]
        return [s for s in hops if callee in self.callees(s)]

    def dependencies(self, service: str) -> set[str]:
        """Everything `service` depends on, directly or not, without itself."""
        return _reach(service, self._callees)

    def dependants(self, service: str) -> set[str]:
        """Everything that depends on `service`, directly or not, without itself."""
        return _reach(service, self._callers)


def _through(start: str, links: Links, passes_on: Callable[[str], bool]) -> list[str]:
    found: dict[str, None] = {}
    frontier = list(links.get(start, ()))
    while frontier:
        name = frontier.pop(0)
        if name == start or name in found:
            continue
        found[name] = None
        frontier += links.get(name, ()) if passes_on(name) else ()
    return list(found)


def _reach(start: str, links: Links) -> set[str]:
    seen: set[str] = set()
    frontier = [start]
    while frontier:
        for name in links.get(frontier.pop(), ()):
            if name not in seen and name != start:
                seen.add(name)
                frontier.append(name)
    return seen
