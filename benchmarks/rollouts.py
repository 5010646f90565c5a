"""Releases of the live shop under a contract: two processes behind its proxy, a real guard, real traffic.

`python -m benchmarks rollouts [--rps 25] [--stage 30] [--only standing]`. A good version, one whose process stands still for
moments, a good one whose judge is killed in the middle of a stage and taken over from its files, and one that keeps some
memory of every request and is given everything at once. Every change goes through the guard; what was observed are the
shop's own spans and the versions' own memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.releases.shop import Live, live_shop
from benchmarks.releases.worse import LEAKING
from contracts.enforcement.enforcer import Enforcer
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.opening import Order, opened
from contracts.enforcement.rollout import Rollout, RolloutStatus
from domain.contract import Canary, Contract, ContractStatus, DataLoss, Guardrail, Metric, Rollback, Stage
from domain.inventory import Environment
from domain.risk import Risk, RiskLevel

BEFORE_S = 60.0
STANDING_S, GOING_S = 0.5, 0.7
LONGEST_S = 900.0
LEAK, LEAK_KIB, LEAK_WINDOW_S = "leaking, everything at once", 256, 180
RELEASES = (
    ("good", RolloutStatus.FULFILLED, False, False),
    ("good, judge killed", RolloutStatus.FULFILLED, False, True),
    ("standing still", RolloutStatus.ROLLED_BACK, True, False),
)
"""Name, how it should end, whether its process stands still, whether its judge is killed."""


def main() -> int:
    """Run each release; 0 when every one ended as it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rollouts", description=__doc__)
    parser.add_argument("--rps", type=float, default=25.0)
    parser.add_argument("--stage", type=int, default=30, help="seconds of each stage")
    parser.add_argument("--only", default="", help="releases whose name contains this")
    asked = parser.parse_args()
    worst = 0
    if any(asked.only in name for name, *_ in RELEASES):
        with live_shop(asked.rps) as (live, place):
            worst = asyncio.run(_releases(live, place, asked))
    if asked.only in LEAK:
        with live_shop(asked.rps, LEAKING.format(kib=LEAK_KIB)) as (live, place):
            worst = max(worst, asyncio.run(_leak(live, place)))
    return worst


async def _releases(live: Live, place: Path, asked: argparse.Namespace) -> int:
    await asyncio.sleep(BEFORE_S)
    fine = True
    for name, wanted, bad, kill in RELEASES:
        if asked.only not in name:
            continue
        begun = time.monotonic()
        nuisance = asyncio.create_task(_nuisance(live)) if bad else None
        rollout = await _carry(live, place, _contract(asked.stage), kill_after=asked.stage if kill else 0.0)
        if nuisance is not None:
            nuisance.cancel()
        fine &= rollout.status is wanted
        _tell(name, rollout, live, time.monotonic() - begun)
        live.post("/release", {"version": "v1"})
        await asyncio.sleep(BEFORE_S)
    verified = live.ledger.verify()
    sys.stdout.write(f"ledger: {verified.entries} entries, {'verified' if verified.verified else 'BROKEN'}\n")
    return 0 if fine and verified.verified else 3


async def _leak(live: Live, place: Path) -> int:
    """Everything at once: there is no old version left to compare with, only what a process is given."""
    await asyncio.sleep(BEFORE_S)
    begun, contract = time.monotonic(), _contract(LEAK_WINDOW_S)
    rollout = await _carry(live, place, contract.model_copy(update={"canary": Canary(required=False)}))
    _tell(LEAK, rollout, live, time.monotonic() - begun)
    seen = rollout.status is RolloutStatus.ROLLED_BACK and any("memory" in line for line in rollout.explanation)
    return 0 if seen and live.ledger.verify().verified else 3


async def _carry(live: Live, place: Path, contract: Contract, *, kill_after: float = 0.0) -> Rollout:
    """`kill_after`: seconds of a stage in the middle of which the judge is killed; 0 is never."""
    files, kill, seconds = RolloutFiles(place / "rollouts"), kill_after > 0, kill_after
    found = await opened(Order(contract=contract, version="v2"), live.yard, "benchmark", "v1")
    files.keep(found.rollout.id, "before", found.before, [], 0.0)
    files.save(found.rollout)
    enforcer, begun = Enforcer(found.rollout, live.yard, files), time.monotonic()
    while not enforcer.rollout.status.ended:
        if time.monotonic() - begun > LONGEST_S:
            break
        if kill and enforcer.rollout.clock > seconds * 0.4:
            kill = False
            await asyncio.sleep(seconds * 0.8)
            enforcer = Enforcer(files.get(found.rollout.id), live.yard, files)
        await enforcer.tick()
        await asyncio.sleep(2.0)
    return enforcer.rollout


async def _nuisance(live: Live) -> None:
    """The new version's process stands still for moments, again and again."""
    while True:
        pid = await asyncio.to_thread(live.pid, "api-v2")
        if pid is None:
            await asyncio.sleep(1.0)
            continue
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(STANDING_S)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(GOING_S)


def _contract(seconds: int) -> Contract:
    now = datetime.now(UTC)
    return Contract(
        id=f"con-{now:%H%M%S}",
        deployment="benchmark",
        service="api",
        environment=Environment.SANDBOX,
        version="v2",
        context="0" * 64,
        risk=Risk.model_construct(score=55.0, level=RiskLevel.HIGH, confidence=0.8, factors=[]),
        guardrails=[
            Guardrail(metric=Metric.ERROR_RATE, limit=3.0, unit="percent", window_s=300, reason="high risk"),
            Guardrail(metric=Metric.MEMORY, limit=80.0, unit="percent", window_s=300, reason="room"),
        ],
        canary=Canary(required=True, stages=[Stage(percent=share, seconds=seconds) for share in (30, 50)]),
        validators=[],
        rollback=Rollback(possible=True, window_s=seconds, data_loss_risk=DataLoss.NONE),
        status=ContractStatus.APPROVED,
        created_at=now,
        expires_at=now + timedelta(hours=2),
    )


def _tell(name: str, rollout: Rollout, live: Live, seconds: float) -> None:
    out = sys.stdout.write
    out(f"{name}: {rollout.status.value} after {seconds:.0f} s, stage {rollout.stage + 1} of {len(rollout.stages)}, ")
    out(
        f"{rollout.exposed} requests exposed, {rollout.budget_lost:.5%} of the month's budget, verified {rollout.verified}\n"
    )
    for row in rollout.stages:
        began = "-" if row.began_at is None else f"{row.began_at:.0f} s"
        out(
            f"  {row.percent:g} % from {began}, {row.looks} looks: {row.result or 'not ended'}; sees {'; '.join(row.sees[:2])}\n"
        )
    for line in [*rollout.explanation, *rollout.notes]:
        out(f"  {line}\n")
    load = os.getloadavg()[0]
    out(f"  load {load:.1f}; ledger has {len(live.ledger.entries(limit=10_000))} entries\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
