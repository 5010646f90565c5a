"""Alert rules, pure: multi-window burn rates with hysteresis, one objective at a time.

The windows are the classic ones of the SRE workbook (1 h / 5 m at 14.4, 6 h / 30 m at 6) scaled down, so that a short
incident is seen in seconds. A burn counts only when the long and the short window agree, and only after the thing was
seen healthy once: a system that boots does not raise the alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tools.telemetry.sli import Objective, Recent, Spent, share, spent

SCALE = 1 / 120
"""One hour becomes thirty seconds."""
RESOLVE_S = 8.0
"""Good seconds in a row before an alert resolves."""
AGAIN_TICKS = 4
"""Good ticks in a row after which new trouble under a firing alert is another episode: what was mended broke anew."""
NO_DATA_S = 30.0
"""A request-based alert without any request for this long has nothing left to say."""
BOOT_S = 90.0
"""Something that was not once healthy within this time is reported anyway."""
LEAST_TICKS = 4
"""Fewer bad ticks than this are a blip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One pair of windows, in seconds, with the burn rate at which it fires and caps on the shares asked for.

    The caps matter for modest targets: 14.4 × (1 - 0.95) would ask for 72 % of half a minute to be bad.
    """

    name: str
    long_s: float
    short_s: float
    factor: float
    cap_long: float
    cap_short: float

    def needs(self, objective: Objective) -> tuple[float, float]:
        """Bad shares asked for in the long and the short window."""
        long, short = (0.3, 0.8) if objective.threshold else (self.cap_long, self.cap_short)
        asked = self.factor * objective.budget
        return min(asked, long), min(asked, short)


def tiers(scale: float = SCALE) -> tuple[Tier, ...]:
    """Fast and slow burn. `scale` multiplies the classic windows; none gets shorter than five seconds."""
    fast = Tier(
        name="fast", long_s=3600 * scale, short_s=max(5.0, 300 * scale), factor=14.4, cap_long=0.2, cap_short=0.5
    )
    slow = Tier(
        name="slow", long_s=21600 * scale, short_s=max(5.0, 1800 * scale), factor=6.0, cap_long=0.1, cap_short=0.3
    )
    return fast, slow


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """Where one objective stands; plain data, so that it survives the collector."""

    first_seen: float | None = None
    warm_at: float | None = None
    """First healthy tick; what lies before is not judged."""
    firing_since: float | None = None
    """First bad tick of the episode that fires."""
    tier: str = ""
    good_since: float | None = None
    seen_at: float | None = None
    """Newest tick with data."""
    resolved_at: float | None = None
    text: str = ""

    @property
    def firing(self) -> bool:
        """Whether it fires now."""
        return self.firing_since is not None and self.resolved_at is None


def step(objective: Objective, state: AlertState, recent: Recent, now: float, pairs: Sequence[Tier]) -> AlertState:
    """The objective's next state. Pure: the same points give the same state."""
    first = state.first_seen if state.first_seen is not None else now
    if state.warm_at is not None and not state.firing:
        lately = spent(objective, recent, now - max(tier.short_s for tier in pairs))
        if not any(tick.bad > 0 for tick in lately):
            return state
    ticks = spent(objective, recent, now - max(tier.long_s for tier in pairs))
    if state.warm_at is None:
        healthy = next((tick.t for tick in ticks if tick.bad == 0 and tick.total > 0), None)
        late = now - first >= BOOT_S and bool(ticks)
        if healthy is None and not late:
            return replace(state, first_seen=first)
        state = replace(state, warm_at=healthy if healthy is not None else ticks[0].t)
    assert state.warm_at is not None
    since = max(state.warm_at, state.resolved_at or 0.0)
    ticks = [tick for tick in ticks if tick.t >= since]
    seen = ticks[-1].t if ticks else state.seen_at
    state = replace(state, first_seen=first, seen_at=seen)
    held = next((tier for tier in pairs if tier.name == state.tier), pairs[0])
    judged = pairs[: pairs.index(held) + 1] if state.firing else pairs
    tier = next((tier for tier in judged if _burns(objective, ticks, tier, now)), None)
    if tier is not None:
        return _fire(objective, state, ticks, tier, now)
    return _cool(objective, state, ticks, held, now) if state.firing else state


def _burns(objective: Objective, ticks: Sequence[Spent], tier: Tier, now: float) -> bool:
    bad = [tick for tick in ticks if tick.t >= now - tier.long_s and tick.bad > 0]
    if len(bad) < LEAST_TICKS:
        return False
    long_needs, short_needs = tier.needs(objective)
    long = _share_of_window(objective, ticks, tier.long_s, now)
    short = share(objective, ticks, now - tier.short_s)
    return long is not None and short is not None and long >= long_needs and short >= short_needs


def _share_of_window(objective: Objective, ticks: Sequence[Spent], window_s: float, now: float) -> float | None:
    """Bad share of the whole window: time not observed yet counts as good, so that a young system does not cry early."""
    since = now - window_s
    observed = share(objective, ticks, since)
    if observed is None:
        return None
    first = next((tick.t for tick in ticks if tick.t >= since), now)
    return observed * min(1.0, (now - first + 1.0) / window_s) if objective.sli != "error_ratio" else observed


def _fire(objective: Objective, state: AlertState, ticks: Sequence[Spent], tier: Tier, now: float) -> AlertState:
    text = describe(objective, ticks, tier, now)
    if state.firing:
        since = _broken_anew(ticks) or state.firing_since
        return replace(state, firing_since=since, tier=tier.name, good_since=None, text=text)
    after = max(now - tier.long_s, state.resolved_at or 0.0)
    onset = next((tick.t for tick in ticks if tick.t >= after and tick.bad > 0), now)
    return replace(state, firing_since=onset, tier=tier.name, resolved_at=None, good_since=None, text=text)


def _broken_anew(ticks: Sequence[Spent]) -> float | None:
    """First bad tick after the last stretch of good ticks between bad ones; None without one, or when it is but a blip."""
    bad = [tick.t for tick in ticks if tick.bad > 0]
    seen = [tick.t for tick in ticks if tick.total > 0]
    gaps = [after for before, after in pairwise(bad) if sum(before < t < after for t in seen) >= AGAIN_TICKS]
    return gaps[-1] if gaps and sum(t >= gaps[-1] for t in bad) >= LEAST_TICKS else None


def _cool(objective: Objective, state: AlertState, ticks: Sequence[Spent], tier: Tier, now: float) -> AlertState:
    """A firing alert that does not burn now: resolved after enough good seconds, never by silence alone."""
    newest = ticks[-1] if ticks else None
    if newest is None or newest.t < now - tier.short_s:
        silent = objective.sli in {"error_ratio", "latency_p95"} and now - (state.seen_at or now) >= NO_DATA_S
        return replace(state, resolved_at=now) if silent else replace(state, good_since=None)
    short = share(objective, ticks, now - tier.short_s)
    if short is not None and short > tier.needs(objective)[1] * 0.25:
        return replace(state, good_since=None)
    good_since = state.good_since if state.good_since is not None else now
    resolved = now if now - good_since >= RESOLVE_S else None
    return replace(state, good_since=good_since, resolved_at=resolved)


def describe(objective: Objective, ticks: Iterable[Spent], tier: Tier, now: float) -> str:
    """What a person is told, in numbers."""
    bad = share(objective, ticks, now - tier.long_s) or 0.0
    window = f"the last {tier.long_s:.0f} s"
    match objective.sli:
        case "availability":
            return f"{bad:.0%} of the outside checks of {objective.service} failed in {window}"
        case "error_ratio":
            return f"{bad:.0%} of the requests to {objective.service} failed in {window}"
        case "process":
            return f"{objective.service} was not running for {bad:.0%} of {window}"
        case "latency_p95":
            return f"p95 latency of {objective.service} above {objective.target:g} s for {bad:.0%} of {window}"
        case "saturation":
            return f"{objective.service} above {objective.target:.0%} of its capacity for {bad:.0%} of {window}"
        case "freshness":
            return f"{objective.service} more than {objective.target:g} s behind for {bad:.0%} of {window}"
