"""Ways back that are rehearsed on the live shop: real migrations of a real PostgreSQL, two processes behind its proxy.

`python -m benchmarks rehearsals [--rps 25] [--watch 8]`. A release alone, one with a column more, one whose migration
renames a column in use, one whose way down does not bring back what the way up dropped (in SQL that only the database
understands), and one that says openly that it drops a table. Printed per rehearsal: how it ended, why, how long the way
back took (the drafted estimate beside it), and whether everything was as before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.releases.shop import Live, live_shop
from contracts.rehearsal.ground import Ground
from contracts.rehearsal.opening import opened
from contracts.rehearsal.rehearser import Rehearser
from contracts.rehearsal.trial import Trial, TrialStatus, Wish
from domain.contract import (
    Canary,
    Contract,
    DataLoss,
    Guardrail,
    Metric,
    Rollback,
    RollbackKind,
    RollbackStep,
    SchemaCompatibility,
)
from domain.errors import ConflictError
from domain.inventory import Environment
from domain.risk import Risk, RiskLevel
from graph.contracts.ground import HouseGround
from tools.probes.runner import ProbeRunner

SECONDS = {
    RollbackKind.SHIFT_TRAFFIC: 10.0,
    RollbackKind.UNDO_RELEASE: 60.0,
    RollbackKind.MIGRATE_DOWN: 120.0,
    RollbackKind.FLUSH_CACHE: 15.0,
}
"""As `contracts.rollback` estimates them before any rehearsal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One change, and what should come of it."""

    name: str
    wanted: str
    up: str = ""
    down: str = ""
    kinds: Sequence[RollbackKind] = (RollbackKind.SHIFT_TRAFFIC, RollbackKind.UNDO_RELEASE)


PLAIN = (RollbackKind.SHIFT_TRAFFIC, RollbackKind.UNDO_RELEASE)
WITH_DOWN = (*PLAIN, RollbackKind.MIGRATE_DOWN, RollbackKind.FLUSH_CACHE)
ADD = "op.execute('ALTER TABLE orders ADD COLUMN note text')"
DROP = "op.execute('ALTER TABLE orders DROP COLUMN note')"
RENAME = "op.execute('ALTER TABLE orders RENAME COLUMN {} TO {}')"
HIDDEN = "op.execute(\"DO $$ BEGIN EXECUTE 'ALTER TABLE products DROP COLUMN blurb'; END $$\")"
AGAIN = "op.execute(\"ALTER TABLE products ADD COLUMN blurb text NOT NULL DEFAULT ''\")"
CASES = (
    Case(name="release alone", wanted="passed"),
    Case(name="a column more, taken down", wanted="passed", up=ADD, down=DROP, kinds=WITH_DOWN),
    Case(name="a column more, left there", wanted="passed", up=ADD, down=DROP),
    Case(
        name="a column in use renamed",
        wanted="failed",
        up=RENAME.format("total_cents", "amount"),
        down=RENAME.format("amount", "total_cents"),
        kinds=WITH_DOWN,
    ),
    Case(name="dropped where nobody sees it", wanted="failed", up=HIDDEN, down=AGAIN, kinds=WITH_DOWN),
    Case(name="drops a table openly", wanted="refused", up="op.drop_table('price_history')", down=ADD, kinds=WITH_DOWN),
)


def main() -> int:
    """Rehearse each; 0 when every one ended as it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rehearsals", description=__doc__)
    parser.add_argument("--rps", type=float, default=25.0)
    parser.add_argument(
        "--watch", type=float, default=8.0, help="seconds for which requests are counted after each change"
    )
    parser.add_argument("--only", default="", help="cases whose name contains this")
    asked = parser.parse_args()
    with live_shop(asked.rps) as (live, _):
        return asyncio.run(_all(live, asked))


async def _all(live: Live, asked: argparse.Namespace) -> int:
    await asyncio.sleep(5.0)
    fine = True
    for number, case in enumerate(CASES, 1):
        if asked.only in case.name:
            ended = await _one(live, case, f"09{number:02}", asked.watch)
            fine &= ended == case.wanted
    verified = live.ledger.verify()
    sys.stdout.write(f"ledger: {verified.entries} entries, {'verified' if verified.verified else 'BROKEN'}\n")
    return 0 if fine and verified.verified else 3


async def _one(live: Live, case: Case, revision: str, watch: float) -> str:
    file = live.home / "migrations" / f"{revision}.py"
    if case.up:
        file.write_text(_migration(case, revision))
    ground, began = _ground(live), time.monotonic()
    contract = _contract(case)
    try:
        trial = await opened(
            contract, Wish(revision=revision if case.up else "", watch_s=watch), ground, "benchmark", "v1"
        )
        trial = await Rehearser(trial, ground).run()
    except ConflictError as error:
        sys.stdout.write(f"{case.name}: refused: {error.message} ({error.found})\n")
        return "refused"
    finally:
        file.unlink(missing_ok=True)
    _tell(case, trial, contract, time.monotonic() - began)
    return trial.status.value


def _migration(case: Case, revision: str) -> str:
    head = f'from alembic import op\n\nrevision = "{revision}"\ndown_revision = "0003"\n\n\n'
    return f"{head}def upgrade():\n    {case.up}\n\n\ndef downgrade():\n    {case.down}\n"


def _ground(live: Live) -> Ground:
    probes = ProbeRunner(live.inventory, live.env, root=live.home)
    return HouseGround(live.yard, probes, live.env, Path(live.home)).ground(lambda trial: None)


def _contract(case: Case) -> Contract:
    now = datetime.now(UTC)
    steps = [RollbackStep(kind=kind, target="api", summary="", seconds=SECONDS[kind]) for kind in case.kinds]
    schema = SchemaCompatibility(old_code_new_schema=None, new_code_old_schema=None) if case.up else None
    return Contract(
        id=f"con-{now:%H%M%S%f}",
        deployment="benchmark",
        service="api",
        environment=Environment.SANDBOX,
        version="v2",
        context="0" * 64,
        risk=Risk.model_construct(score=55.0, level=RiskLevel.HIGH, confidence=0.8, factors=[]),
        guardrails=[Guardrail(metric=Metric.ERROR_RATE, limit=1.0, unit="percent", window_s=300, reason="objective")],
        canary=Canary(required=False),
        validators=[],
        rollback=Rollback(
            possible=True,
            window_s=300,
            data_loss_risk=DataLoss.POSSIBLE,
            steps=steps,
            schema_compatibility=schema,
            recovery_s=sum(step.seconds for step in steps),
        ),
        created_at=now,
        expires_at=now + timedelta(hours=2),
    )


def _tell(case: Case, trial: Trial, contract: Contract, seconds: float) -> None:
    mark = "" if trial.status.value == case.wanted else f", BUT {case.wanted} was to be"
    out = sys.stdout.write
    out(
        f"{case.name}: {trial.status.value}{mark}; back in {trial.seconds:.1f} s (estimated {contract.rollback.recovery_s:.0f} s)"
    )
    out(f", restored {trial.restored}; {seconds:.0f} s in all, load {os.getloadavg()[0]:.1f}\n")
    if seen := trial.compatibility:
        out(f"  old code on new schema {seen.old_code_new_schema}, new code on old schema {seen.new_code_old_schema}\n")
    for line in [*trial.problems, *trial.differences]:
        out(f"  {line[:200]}\n")
    for row in trial.rows if trial.status is not TrialStatus.PASSED else []:
        out(f"    {row.leg.value} {row.outcome or row.works} {row.seconds:.1f} s: {row.said[:160]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
