"""One release, replayed: recorded requests on a simulated clock, with an effect put on those that the new version answered.

Each replay starts at a random moment of the recording, lets a random one of the two real processes play the new version, and
thins its requests to the share of the stage, so that whatever differs between two processes of one version stays in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.releases.recording import Recording, turned
from contracts.judge.memory import Memory
from contracts.judge.traffic import Floats, Traffic

Random = np.random.Generator
Effect = Callable[[Traffic, Random], Traffic]
"""What a bad version does to the requests of a release (it changes those marked `canary`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A share for a time."""

    percent: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a judge sees of one release, and which requests were spoilt by it."""

    traffic: Traffic
    memory: Memory
    spoilt: Floats
    """Times of the requests that failed only because of the new version."""


def replay(recording: Recording, stages: list[Stage], random: Random, effect: Effect, leak: float = 0.0) -> Release:
    """A release over all stages. `leak` is bytes per second that the new version never gives back."""
    whole = _turned(recording, random)
    ends = np.cumsum([stage.seconds for stage in stages])
    place = np.searchsorted(ends, whole.at, side="right")
    shares = np.array([stage.percent / 100.0 for stage in stages] + [0.0])[place]
    kept = np.where(whole.canary, random.random(len(whole)) < shares / (1.0 - shares), True) & (place < len(stages))
    before = whole.where(kept)
    after = effect(before, random)
    spoilt = after.at[after.failed & ~before.failed]
    memory = recording.memory
    grown = memory.canary + leak * memory.at
    return Release(traffic=after, memory=Memory(at=memory.at, canary=grown, baseline=memory.baseline), spoilt=spoilt)


def before_release(recording: Recording, random: Random) -> Traffic:
    """What the old version answered alone in normal times, as it is known before a release: one process's requests."""
    whole = _turned(recording, random)
    return whole.where(~whole.canary)


def _turned(recording: Recording, random: Random) -> Traffic:
    traffic = recording.traffic
    at = turned(traffic.at, random.uniform(0, recording.seconds), recording.seconds)
    canary = traffic.canary if random.random() < 0.5 else ~traffic.canary
    return replace(traffic, at=at, canary=canary)


def nothing(traffic: Traffic, random: Random) -> Traffic:
    """No change at all."""
    return traffic


def noise(traffic: Traffic, random: Random) -> Traffic:
    """Bad moments that hit both versions alike: three spells of 20 s in which everything takes three times as long."""
    begins = random.uniform(0, traffic.at.max(), 3)
    hit = np.any([(traffic.at >= begin) & (traffic.at < begin + 20.0) for begin in begins], axis=0)
    return replace(traffic, seconds=traffic.seconds * np.where(hit, 3.0, 1.0))


def slow(ratio: float, dimension: str = "", name: str = "", since: float = 0.0) -> Effect:
    """The new version takes `ratio` times as long: always, for one value of a dimension, or from a moment on."""

    def effect(traffic: Traffic, random: Random) -> Traffic:
        hit = _hit(traffic, dimension, name) & (traffic.at >= since)
        return replace(traffic, seconds=traffic.seconds * np.where(hit, ratio, 1.0))

    return effect


def creeping(ratio: float) -> Effect:
    """The new version becomes slower evenly until it takes `ratio` times as long at the end."""

    def effect(traffic: Traffic, random: Random) -> Traffic:
        grown = 1.0 + (ratio - 1.0) * traffic.at / traffic.at.max()
        return replace(traffic, seconds=traffic.seconds * np.where(traffic.canary, grown, 1.0))

    return effect


def fails(share: float, dimension: str = "", name: str = "") -> Effect:
    """This share of the new version's requests fails besides."""

    def effect(traffic: Traffic, random: Random) -> Traffic:
        hit = _hit(traffic, dimension, name) & (random.random(len(traffic)) < share)
        return replace(traffic, failed=traffic.failed | hit)

    return effect


def _hit(traffic: Traffic, dimension: str, name: str) -> np.ndarray:
    if not dimension:
        return traffic.canary
    labels = traffic.labels[dimension]
    return traffic.canary & (labels.codes == labels.names.index(name))
