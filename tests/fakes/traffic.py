"""Traffic of two versions, drawn from seeded distributions: for tests of the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contracts.judge.traffic import Labels, Traffic

ROUTES, GROUPS = ("browse", "order", "read"), ("guest", "member", "business")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A share for a time."""

    percent: float
    seconds: float


def drawn(
    seed: int,
    *,
    seconds: float = 300.0,
    rate: float = 40.0,
    percent: float = 50.0,
    start: float = 0.0,
    slower: float | Mapping[str, float] = 1.0,
    failing: float | Mapping[str, float] = 0.0,
    always: float = 0.002,
) -> Traffic:
    """Poisson arrivals, log-normal durations per route; a mapping names the routes or groups that are worse."""
    rng = np.random.default_rng(seed)
    number = int(rng.poisson(rate * seconds))
    route, group = rng.choice(3, number, p=(0.7, 0.2, 0.1)), rng.choice(3, number, p=(0.6, 0.3, 0.1))
    canary = rng.random(number) < percent / 100.0
    factor = np.where(canary, _each(slower, 1.0, route, group), 1.0)
    fails = always + np.where(canary, _each(failing, 0.0, route, group), 0.0)
    return Traffic(
        at=start + np.sort(rng.random(number)) * seconds,
        seconds=np.exp(rng.normal(np.array((-5.0, -3.0, -4.0))[route], 0.4)) * factor,
        failed=rng.random(number) < fails,
        canary=canary,
        labels={"route": Labels(names=ROUTES, codes=route), "group": Labels(names=GROUPS, codes=group)},
    )


def _each(effect: float | Mapping[str, float], none: float, route: np.ndarray, group: np.ndarray) -> np.ndarray:
    if not isinstance(effect, Mapping):
        return np.full(len(route), effect)
    found = np.full(len(route), none)
    for name, value in effect.items():
        codes, names = (route, ROUTES) if name in ROUTES else (group, GROUPS)
        found[codes == names.index(name)] = value
    return found
