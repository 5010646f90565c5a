"""Rehearsing a way back: there, back, compared; refused where nothing brings it back; no proof where anything differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.negotiation import seen_beside
from contracts.rehearsal.changing import planned
from contracts.rehearsal.comparing import differences
from contracts.rehearsal.opening import opened
from contracts.rehearsal.rehearser import Rehearser
from contracts.rehearsal.trial import Leg, State, Trial, TrialStatus, Wish
from domain.action import Verdict
from domain.bundle import Span
from domain.clock import ManualClock
from domain.contract import (
    Contract,
    ContractStatus,
    DataLoss,
    Rollback,
    RollbackKind,
    RollbackStep,
    SchemaCompatibility,
)
from domain.errors import ConfigError, ConflictError
from domain.guard import ApprovalStatus
from domain.plan import Plan
from tests.fakes.rollouts import contract
from tests.fakes.staging import AS_IT_WAS, Staging

Kind = RollbackKind
PLAIN = (Kind.SHIFT_TRAFFIC, Kind.UNDO_RELEASE, Kind.VERIFY)
UNTOLD = SchemaCompatibility(old_code_new_schema=None, new_code_old_schema=None)


def bargained(*kinds: RollbackKind, schema: SchemaCompatibility | None = None, **changes: Any) -> Contract:
    steps = [RollbackStep(kind=kind, target="api", summary="", seconds=1) for kind in kinds or PLAIN]
    back = {"possible": True, "window_s": 300, "data_loss_risk": DataLoss.NONE, "schema_compatibility": schema}
    rollback = Rollback(**{**back, "steps": steps, **changes.pop("rollback", {})})
    return contract(ManualClock(), rollback=rollback, **{"status": ContractStatus.DRAFT, **changes})


def migrating(*kinds: RollbackKind, **changes: Any) -> Contract:
    return bargained(*(kinds or (*PLAIN, Kind.MIGRATE_DOWN)), schema=UNTOLD, **changes)


async def rehearsed(site: Staging, of: Contract, wish: Wish = Wish()) -> Trial:
    ground = site.ground()
    return await Rehearser(await opened(of, wish, ground, "maria", "v1"), ground).run()


async def test_a_release_goes_out_and_comes_back() -> None:
    """Nothing but the release is touched when the schema is not; the record says how long the way back took."""
    site = Staging()
    trial = await rehearsed(site, bargained())
    assert (trial.status, trial.problems, trial.differences) == (TrialStatus.PASSED, [], [])
    assert site.calls == ["promote_release v2", "back from promote_release"]
    record = trial.record()
    assert (record.executed, record.state_restored, record.compatibility) == (True, True, None)
    assert [row.leg for row in trial.rows] == [Leg.BEFORE, Leg.RELEASE, Leg.RELEASE, Leg.TAKE_BACK, Leg.VERIFY]


async def test_both_versions_are_tried_on_both_schemas() -> None:
    """New code before the migration, old code after it; down again as the plan says; a cache below is flushed."""
    site = Staging()
    trial = await rehearsed(site, migrating(*PLAIN, Kind.MIGRATE_DOWN, Kind.FLUSH_CACHE))
    assert trial.status is TrialStatus.PASSED
    assert site.calls == [
        "promote_release v2",
        "back from promote_release",
        "migrate 2",
        "promote_release v2",
        "back from promote_release",
        "back from migrate",
        "clear_cache",
    ]
    assert site.state == AS_IT_WAS
    seen = trial.compatibility
    assert seen is not None
    assert (seen.old_code_new_schema, seen.new_code_old_schema) == (True, True)


async def test_code_that_needs_the_new_schema_is_an_answer_and_no_failure() -> None:
    """Both ways may be wrong when the plan runs the migration down."""
    site = Staging(broken={("v2", "1"), ("v1", "2")})
    trial = await rehearsed(site, migrating())
    assert trial.status is TrialStatus.PASSED, trial.problems
    seen = trial.compatibility
    assert seen is not None
    assert (seen.old_code_new_schema, seen.new_code_old_schema) == (False, False)
    assert seen_beside(UNTOLD, seen) == seen.model_copy(update={"reasons": seen.reasons})
    worse = seen_beside(SchemaCompatibility(old_code_new_schema=True, new_code_old_schema=None), seen)
    assert worse is not None
    assert worse.old_code_new_schema is False


async def test_a_plan_that_leaves_a_schema_the_old_code_cannot_use_is_no_plan() -> None:
    """And the environment is given back with its old schema all the same."""
    site = Staging(broken={("v1", "2")})
    trial = await rehearsed(site, migrating(*PLAIN))
    assert trial.status is TrialStatus.FAILED
    assert any("does not live with it" in problem for problem in trial.problems)
    assert site.state == AS_IT_WAS
    assert trial.rows[-1].leg is Leg.CLEAN_UP


@pytest.mark.parametrize(
    ("site", "word", "restored"),
    [
        (Staging(broken={("v1", "1")}), "before anything is changed", False),
        (Staging(broken={("v2", "2")}), "v2 does not serve users", True),
        (Staging(fails={"migrate": "a lock"}), "migrate up failed: a lock", True),
        (Staging(leaves={"columns": {"t.id": "9.7 integer"}}), "", False),
        (Staging(leaves={"rows": {"t": 20}}), "", False),
        (Staging(stuck=True), "could not be taken back: the database is gone", False),
        (Staging(probed=False), "nobody can tell", False),
        (Staging(verdict=Verdict.DENY), "the guard refused: the mode says so", True),
        (Staging(verdict=Verdict.ASK, answer=ApprovalStatus.REJECTED), "approval apr-1", True),
    ],
)
async def test_what_is_no_proof(site: Staging, word: str, restored: bool) -> None:
    """Whatever went wrong is named, and the way back is walked."""
    trial = await rehearsed(site, migrating())
    assert trial.status is TrialStatus.FAILED
    assert word in "\n".join(trial.problems)
    assert trial.record().executed is False
    assert trial.restored is restored


async def test_a_person_is_waited_for_and_the_clock_of_the_way_back_does_not_run_meanwhile() -> None:
    site = Staging(verdict=Verdict.ASK)
    trial = await rehearsed(site, bargained())
    assert trial.status is TrialStatus.PASSED
    assert any(saved.status is TrialStatus.WAITING for saved in site.saved)


class Failing(Staging):
    """A version that answers outside checks and fails most other requests."""

    async def spans(self, window: Any, *, services: Sequence[str] = (), limit: int = 0) -> list[Span]:
        marks = {"http.route": "/x", "service.version": "v2", "http.response.status_code": 500}
        ids: dict[str, Any] = {"trace_id": "1", "service": "api", "operation": "GET /x", "duration_ms": 1.0}
        return [Span(span_id=str(i), start=window[0] + 0.1, attributes=marks, **ids) for i in range(40)]


async def test_requests_of_users_count_beside_the_outside_checks() -> None:
    trial = await rehearsed(Failing(), bargained())
    assert "40 of 40 requests of v2 failed" in trial.problems[0]


@pytest.mark.parametrize(
    ("of", "wish", "word"),
    [
        (bargained(rollback={"possible": False, "reasons": ["the migration destroys data"]}), Wish(), "no way back"),
        (bargained(Kind.UNDO_ROLLOUT), Wish(), "cannot be carried out from here"),
        (bargained(status=ContractStatus.APPROVED), Wish(), "is approved"),
        (bargained(), Wish(on="live"), "in production"),
        (bargained(), Wish(on="nobody"), "cannot be rehearsed on"),
        (bargained(), Wish(version="v1"), "does not serve yet"),
        (bargained(), Wish(version="711f89b"), "api has no version 711f89b"),
    ],
)
async def test_what_is_refused_before_anything_is_changed(of: Contract, wish: Wish, word: str) -> None:
    site = Staging()
    with pytest.raises((ConfigError, ConflictError), match=word):
        await rehearsed(site, of, wish)
    assert site.calls == []


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (
            "def upgrade():\n    op.drop_column('t', 'id')\ndef downgrade():\n    op.add_column('t', c)\n",
            "drops a column",
        ),
        (
            "def upgrade():\n    op.add_column('t', c)\ndef downgrade():\n    pass\n",
            "nothing takes this migration back",
        ),
    ],
)
async def test_a_migration_that_destroys_or_has_no_way_down_is_not_tried(source: str, word: str) -> None:
    """The environment's own files are read, whatever the contract says about them."""
    site = Staging(source=f"revision = '2'\n{source}")
    with pytest.raises(ConflictError) as caught:
        await rehearsed(site, migrating())
    assert word in (caught.value.found or "")
    assert site.calls == []


async def test_an_action_without_an_inverse_is_not_tried() -> None:
    site = Staging()
    site.specs_known = [spec.model_copy(update={"undo": ""}) for spec in site.specs_known]
    with pytest.raises(ConflictError, match="has no inverse"):
        await rehearsed(site, bargained())


async def test_whoever_takes_over_takes_everything_back() -> None:
    """Killed after the release: the next process undoes release and migration, newest first; it proves nothing."""
    site = Staging()
    await rehearsed(site, migrating())
    out = next(t for t in site.saved if len(t.rows) and t.rows[-1].leg is Leg.RELEASE and t.rows[-1].outcome)
    again = Staging()
    ground = again.ground()
    for row in out.rows:
        if row.plan and not row.undone:
            await again.judge(planned_of(out, row.plan), ground.yard.actor(out.id))
            await again.apply(row.plan, "s1", ground.yard.actor(out.id))
    again.calls.clear()
    ended = await Rehearser(out, ground).take_up()
    assert ended.status is TrialStatus.INTERRUPTED
    assert again.calls == ["back from promote_release", "back from migrate"]
    assert again.state == AS_IT_WAS
    assert ended.record().executed is False


def planned_of(trial: Trial, plan: str) -> Plan:
    return planned(trial, next(i for i, row in enumerate(trial.rows) if row.plan == plan))


def test_what_differs_is_told_in_words() -> None:
    """A column that came back under another number lost what was in it; one that was only renamed and back did not."""
    before = State(
        version="v1",
        weights={"v1": 100},
        columns={"t.a": "9.1 integer", "t.b": "9.2 text"},
        rules={"t.pk": "PRIMARY KEY"},
    )
    after = State(
        version="v1", weights={"v1": 1.0}, columns={"t.a": "9.3 integer", "t.c": "9.4 text"}, unread=["config"]
    )
    told = differences(before, after)
    assert told == [
        "column t.a was dropped and made again: what was in it is gone",
        "column t.b: was text, is gone",
        "column t.c is left over",
        "rule t.pk: was PRIMARY KEY, is gone",
        "not compared: config",
    ]
    assert differences(before, before) == []
    many = State(columns={f"t.{i}": "1.1 text" for i in range(30)})
    assert differences(many, State())[-1] == "and 10 more"
