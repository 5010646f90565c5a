"""`python -m benchmarks releases [--no-change 1000] [--bad 100]`: false alarms, misses, and where bad versions are stopped.

Recorded traffic of the local stack (two real processes of the api side by side), replayed on a simulated clock; the same replays
go to the judge of contracts, to a plain threshold rule, and to Mann–Whitney without minimum sample. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from benchmarks.releases import replay as effects
from benchmarks.releases.record import SHIPPED
from benchmarks.releases.recording import Recording, load
from benchmarks.releases.replay import Effect, Release, Stage, before_release, replay
from benchmarks.releases.rules import RULES, Ended, exposed
from contracts.judge.aims import MIB, Aims, LatencyLimit, MemoryLimit
from contracts.judge.judgement import Metric, Result
from contracts.judge.plan import Plan, plan

STAGES = [Stage(percent=5, seconds=120), Stage(percent=20, seconds=180), Stage(percent=45, seconds=600)]
"""45 %: one recorded process plays the old version and the other the new one, so their requests are thinned, not made up."""
AIMS = Aims(
    error_limit=0.02,
    latency_limits=(LatencyLimit(quantile=0.95, seconds=1.0),),
    budget=0.01,
    memory=MemoryLimit(bytes=400 * MIB, horizon_s=3600),
)
MONTH_S = 30 * 24 * 3600
HEAD = ("release", "rule", "n", "stopped", "95 %", "open", "stage 1/2/3", "median s", "exposed", "budget lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A sort of release."""

    name: str
    effect: Effect
    leak: float = 0.0
    bad: bool = True


def kinds(planned: Plan, recording: Recording) -> list[Kind]:
    """No change, noise, both smallest visible effects, and the bad versions."""
    slowest, rise = planned.visible(Metric.LATENCY), planned.visible(Metric.ERRORS)
    orders = next(name for name in recording.traffic.labels["route"].names if name.startswith("POST"))
    half = planned.stages[-1].starts_at
    return [
        Kind(name="no change", effect=effects.nothing, bad=False),
        Kind(name="noisy, no change", effect=effects.noise, bad=False),
        Kind(name=f"smallest slowdown (+{slowest - 1:.1%})", effect=effects.slow(slowest)),
        Kind(name=f"smallest rise of failures (+{rise:.2%})", effect=effects.fails(rise)),
        Kind(name="failures +5 %", effect=effects.fails(0.05)),
        Kind(name="failures +25 %", effect=effects.fails(0.25)),
        Kind(name="slower by 50 %", effect=effects.slow(1.5)),
        Kind(name="slower by 5 %", effect=effects.slow(1.05)),
        Kind(name="creeping to +20 %", effect=effects.creeping(1.2)),
        Kind(name="one route +60 %", effect=effects.slow(1.6, "route", orders)),
        Kind(name="one group fails 8 %", effect=effects.fails(0.08, "group", "business")),
        Kind(name="one group +60 %", effect=effects.slow(1.6, "group", "business")),
        Kind(name="only under load +30 %", effect=effects.slow(1.3, since=half)),
        Kind(name="leaks 20 MiB/min", effect=effects.nothing, leak=20 * MIB / 60),
    ]


def main() -> int:
    """Print the table; 0 when false alarms and misses are as promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks releases", description=__doc__)
    parser.add_argument("--no-change", type=int, default=1000)
    parser.add_argument("--smallest", type=int, default=300, help="releases with each smallest visible effect")
    parser.add_argument("--bad", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    asked = parser.parse_args()
    recording, random = load(), np.random.default_rng(asked.seed)
    planned = plan(STAGES, _normal(recording), AIMS)
    _tell(recording, planned)
    kept, begun = True, time.monotonic()
    for number, kind in enumerate(kinds(planned, recording)):
        if asked.only not in kind.name:
            continue
        repeats = asked.no_change if number == 0 else asked.smallest if number in (2, 3) else asked.bad
        kept &= _row(kind, recording, planned, random, repeats, number)
    _say(f"\n{time.monotonic() - begun:.0f} s; budget: 1 % of the requests of 30 days at the recorded rate")
    return 0 if kept else 3


def _normal(recording: Recording) -> effects.Traffic:
    """Traffic before the release as the plan sees it: the old version's, at the rate of the replays."""
    return before_release(recording, np.random.default_rng(0))


def _row(
    kind: Kind, recording: Recording, planned: Plan, random: np.random.Generator, repeats: int, number: int
) -> bool:
    releases: list[tuple[Release, dict[str, Ended]]] = []
    for _ in range(repeats):
        release = replay(recording, STAGES, random, kind.effect, kind.leak)
        releases.append((release, {name: rule(planned, release) for name, rule in RULES.items()}))
    for name in RULES:
        _say_row(kind, name, recording, [(release, ended[name]) for release, ended in releases])
    stopped = sum(ended["judge"].result is Result.FAILED for _, ended in releases)
    through = sum(ended["judge"].result is Result.SUCCESSFUL for _, ended in releases)
    reasons = Counter(
        e["judge"].reason.split(":")[0] for _, e in releases if e["judge"].result is not Result.SUCCESSFUL
    )
    _say("    " + "; ".join(f"{count} by {reason}" for reason, count in reasons.most_common(4)))
    if number < 2:
        return stopped / repeats <= 0.02
    return through / repeats <= 0.05 if number in (2, 3) else True


def _say_row(kind: Kind, rule: str, recording: Recording, rows: list[tuple[Release, Ended]]) -> None:
    stopped = [ended for _, ended in rows if ended.result is Result.FAILED]
    undecided = sum(ended.result is Result.INCONCLUSIVE for _, ended in rows)
    low, high = wilson(len(stopped), len(rows))
    stages = Counter(ended.stage for ended in stopped)
    budget = 0.01 * recording.rate / 2 * MONTH_S
    lost = [float((release.spoilt < ended.at).sum()) / budget for release, ended in rows]
    cells = (
        kind.name if rule == "judge" else "",
        rule,
        str(len(rows)),
        f"{len(stopped) / len(rows):.1%}",
        f"{low:.1%}–{high:.1%}",
        str(undecided),
        "/".join(str(stages[stage]) for stage in (1, 2, 3)),
        f"{np.median([ended.at for ended in stopped]):.0f}" if stopped else "-",
        f"{np.median([exposed(release.traffic, ended.at) for release, ended in rows]):.0f}",
        f"{np.mean(lost):.3%}",
    )
    _say_cells(cells)


def wilson(count: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's (1927) interval of a share."""
    share = count / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def _tell(recording: Recording, planned: Plan) -> None:
    traffic = recording.traffic
    _say(
        f"recorded: {len(traffic)} requests in {recording.seconds:.0f} s, {traffic.failed.mean():.2%} failed ({SHIPPED.name})"
    )
    for number, stage in enumerate(planned.stages, 1):
        seen = {
            check: effect for check, effect in stage.visible.items() if check.metric in (Metric.LATENCY, Metric.ERRORS)
        }
        said = [
            f"{check.segment} {'×' if check.metric is Metric.LATENCY else '+'}{effect:.3g}"
            for check, effect in seen.items()
        ]
        _say(f"stage {number}: {stage.percent:g} % for {stage.seconds:g} s sees " + ", ".join(said))
    _say("unwatched: " + (", ".join(map(str, planned.unwatched)) or "nothing") + "\n")
    _say_cells(HEAD)


def _say_cells(cells: tuple[str, ...]) -> None:
    widths = (36, 18, 5, 8, 12, 5, 12, 9, 8, 12)
    _say(" ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
