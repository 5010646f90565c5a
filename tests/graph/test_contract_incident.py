"""An incident while a contract is enforced: the release is evidence with an id, its rehearsed way back is plan A, by the guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents.perception import diagnose
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.rollout import Rollout, RolloutStatus, StageRow
from contracts.incident import as_change, may_go_back, merged, recent
from contracts.rehearsal.files import TrialFiles
from contracts.rehearsal.trial import State, Trial, TrialStatus
from domain.action import ActionSpec, Effect, Verdict
from domain.alert import Alert, Change
from domain.bundle import Bundle, Reading, Span, Window
from domain.clock import ManualClock
from domain.conditions import Condition
from domain.contract import DataLoss, Rollback, RollbackKind, RollbackStep
from domain.incident import IncidentStatus
from domain.inventory import Binding, HttpProbe, Inventory, Service
from domain.risk import Factor, FactorName, Risk, RiskLevel
from graph.contracts.released import Released
from graph.services import Services
from tests.fakes.house import House
from tests.fakes.rollouts import contract
from tests.fakes.world import SPECS, World, WorldGuard, spec
from tests.unit.agents.perception import shop_world

NOW = datetime.fromtimestamp(shop_world.NOW, tz=UTC)
VERSIONED = {"type": "object", "properties": {"version": {"type": "string"}}}
MORE = [
    spec(
        "rollback_release",
        Effect.REVERSIBLE,
        [Condition.RELEASE_REGRESSED],
        binding="release",
        undo="rollback_release",
        schema=VERSIONED,
    ),
    spec("migrate", Effect.REVERSIBLE, [Condition.SCHEMA_BEHIND], binding="migration", undo="migrate"),
]
API = Service(
    name="api",
    kind="api",
    depends_on=["cache"],
    bindings={n: Binding(via="control") for n in ("release", "migration", "process")},
)
CACHE = Service(
    name="cache", kind="cache", bindings={"cache": Binding(via="redis"), "warm_cache": Binding(via="directory")}
)
SHOP = Service(
    name="frontend",
    kind="frontend",
    depends_on=["api"],
    probes=[HttpProbe(name="order", url="http://127.0.0.1:1/", user_facing=True)],
)
RISK = Risk.model_construct(
    score=62.0, level=RiskLevel.HIGH, confidence=0.8,
    factors=[Factor(name=FactorName.SCHEMA, weight=40.0, reason="adds a column", where=["migrations/0004_note.py:7"])],
)  # fmt: skip
KINDS = (RollbackKind.SHIFT_TRAFFIC, RollbackKind.UNDO_RELEASE, RollbackKind.MIGRATE_DOWN, RollbackKind.FLUSH_CACHE)


def released(rehearsed: bool = True, **changes: Any) -> Rollout:
    back = Rollback(
        possible=True, window_s=300, data_loss_risk=DataLoss.NONE, rehearsed_at=NOW - timedelta(days=1) if rehearsed else None,
        steps=[RollbackStep(kind=kind, target="api", summary="", seconds=1) for kind in KINDS],
    )  # fmt: skip
    signed = contract(ManualClock(), risk=RISK, rollback=back)
    facts: dict[str, Any] = {
        "id": "dep-1",
        "contract": signed,
        "service": "api",
        "version": "v2",
        "former": "v1",
        "started_by": "maria",
    }
    stages = [StageRow(percent=30, seconds=600, began_at=5.0), StageRow(percent=100, seconds=300)]
    times = {"monotonic": 0.0, "wall": 0.0, "boot": "b", "started_at": NOW - timedelta(seconds=100)}
    return Rollout.model_construct(**{**facts, "stages": stages, **times, "status": RolloutStatus.RUNNING, **changes})


def rehearsal() -> Trial:
    facts: dict[str, Any] = {
        "contract": "con-1",
        "context": "0" * 64,
        "service": "api-staging",
        "version": "v2",
        "former": "v1",
        "by": "jo",
    }
    before = State(version="v1", revision="0003")
    return Trial(
        id="trial-1",
        revision="0004",
        downs=True,
        before=before,
        status=TrialStatus.PASSED,
        seconds=4.2,
        started_at=NOW,
        **facts,
    )


class Guard(WorldGuard):
    async def specs(self) -> list[ActionSpec]:
        return [*SPECS, *MORE]


class ContractHouse(House):
    """The shop while `released` is under way; what the stack itself recorded of the deploy is there as well."""

    folder: Path
    paused: bool = False
    """The trouble is another one: the api's process stands still."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.guard = Guard(self.world, self.clock, self.verdicts)

    @property
    def services(self) -> Services:
        found = Released(RolloutFiles(self.folder / "rollouts"), TrialFiles(self.folder / "rehearsals"), At(), no_diff)
        own = Change(
            id="chg-1",
            kind="deploy",
            time=NOW - timedelta(seconds=96),
            service="api",
            version="v2",
            summary="api v2 was released",
        )

        async def gather(incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
            changes = await found.among(recorded)((shop_world.NOW - 3600, shop_world.NOW))
            bundle = paused(self.world.healthy) if self.paused else failing(self.world.healthy)
            return replace(bundle, changes=tuple(changes))

        async def recorded(window: Window) -> list[Change]:
            return [own]

        return replace(
            super().services,
            inventory=Inventory(services=[SHOP, API, CACHE]),
            gather=gather,
            diagnose=diagnose,
            released=found,
        )


class At(ManualClock):
    """The time of the shop's bundle."""

    def now(self) -> datetime:
        return NOW


async def no_diff(rollout: Rollout) -> str:
    return ""


def failing(healthy: bool) -> Bundle:
    shop = shop_world.World().say("release", "api", True, version="v2", weights={"v1": 70, "v2": 30}, previous="v1")
    bundle = (shop if healthy else shop.users_fail()).bundle()
    return replace(bundle, spans=tuple(_spans(not healthy)))


def paused(healthy: bool) -> Bundle:
    shop = shop_world.World().say("release", "api", True, version="v2", weights={"v1": 70, "v2": 30}, previous="v1")
    return (shop if healthy else shop.users_fail().process("api", os_state="T")).bundle()


def _spans(bad: bool) -> list[Span]:
    rows = []
    for place in range(60):
        version = "v2" if place % 3 == 0 else "v1"
        status = "ERROR" if bad and version == "v2" else "OK"
        ids = {"trace_id": str(place), "span_id": str(place), "service": "api", "operation": "GET /orders"}
        rows.append(
            Span(
                **ids,
                start=shop_world.NOW - 30 + place / 3,
                duration_ms=9.0,
                status=status,
                attributes={"service.version": version},
            )
        )
    return rows


def house(tmp_path: Path, rollout: Rollout, world: World | None = None, **more: Any) -> ContractHouse:
    wrong: dict[tuple[Condition, str], dict[str, Any]] = {(Condition.RELEASE_REGRESSED, "api"): {}}
    found = ContractHouse(world or World(wrong=wrong, mends={"clear_cache cache"}), **more)
    found.folder = tmp_path
    RolloutFiles(tmp_path / "rollouts").save(rollout)
    TrialFiles(tmp_path / "rehearsals").save(rehearsal())
    return found


async def test_the_rehearsed_way_back_is_plan_a(tmp_path: Path) -> None:
    """Version, schema and cache, in the order that was rehearsed; cited is the contract's release, one suspect and not two."""
    found = house(tmp_path, released())
    state = await found.run(verify_s=0.1, patience_s=0.2)
    assert state["diagnosis"].top.change == "dep-1"
    evidence = next(e for e in state["diagnosis"].evidence if e.source == "changes:dep-1")
    for words in ("contract con-1", "v1 → v2", "30 %", "high risk 62", "adds a column", "migrations/0004_note.py:7"):
        assert words in evidence.excerpt
    assert not [e for e in state["diagnosis"].evidence if e.source == "changes:chg-1"]
    plan = state["plans"][0]
    assert [(s.call.action, s.call.target, s.call.args) for s in plan.steps] == [
        ("rollback_release", "api", {"version": "v1"}),
        ("migrate", "api", {"revision": "0003"}),
        ("clear_cache", "cache", {}),
    ]
    assert plan.source == "contract con-1 (rehearsed as trial-1, back in 4 s)"
    assert evidence.id in plan.steps[0].evidence
    assert found.world.effects == ["rollback_release api", "migrate api", "clear_cache cache"]
    assert state["status"] is IncidentStatus.RESOLVED


async def test_it_stands_behind_the_same_guard(tmp_path: Path) -> None:
    """What the guard refuses is not done because a contract says it, and another plan is looked for."""
    found = house(tmp_path, released(), verdicts={"rollback_release": Verdict.DENY})
    state = await found.run(verify_s=0.1, patience_s=0.2)
    assert "rollback_release api" not in found.world.effects
    assert state["plans"][0].source.startswith("contract con-1")
    assert all(not p.source.startswith("contract") for p in state["plans"][1:])


async def test_without_a_rehearsed_way_back_the_planner_plans_as_ever(tmp_path: Path) -> None:
    state = await house(tmp_path, released(rehearsed=False)).run(verify_s=0.1, patience_s=0.2)
    assert state["plans"][0].source == "rules"
    assert any("never rehearsed" in entry.text for entry in state["timeline"])


def test_what_is_back_already_or_long_ago_is_not_taken_back() -> None:
    assert not may_go_back(released(status=RolloutStatus.ROLLED_BACK, ended_at=NOW))
    assert may_go_back(released(status=RolloutStatus.VIOLATED, ended_at=NOW))
    assert not recent([released(status=RolloutStatus.FULFILLED, ended_at=NOW - timedelta(hours=2))], NOW)


async def test_another_cause_is_mended_as_ever(tmp_path: Path) -> None:
    """A release under way is no excuse: what was read elsewhere leads, and the release keeps its traffic."""
    world = World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"})
    found = house(tmp_path, released(), world)
    found.paused = True
    state = await found.run(verify_s=0.1, patience_s=0.2)
    assert (state["plans"][0].source, found.world.effects) == ("rules", ["resume_process api"])


def test_a_release_is_one_change_with_its_own_time() -> None:
    """Deploys of other versions, services and times stay; a release that gave no share yet is no change."""
    rollout = released()
    change = as_change(rollout)
    assert (change.time, change.files) == (NOW - timedelta(seconds=95), ["migrations/0004_note.py"])
    same = Change(id="a", kind="deploy", time=NOW - timedelta(seconds=90), service="api", version="v2")
    others = [
        same.model_copy(update={"id": "b", "version": "v1"}),
        same.model_copy(update={"id": "c", "service": "pay"}),
        same.model_copy(update={"id": "d", "time": NOW - timedelta(days=1)}),
    ]
    assert [c.id for c in merged([same, *others], [(rollout, change)])] == ["d", "dep-1", "b", "c"]
    waiting = released(stages=[StageRow(percent=30, seconds=600)])
    assert recent([rollout, waiting], NOW) == [rollout]
