"""People decide about agents: promotion by the record, two people where the table asks, overturning, reviews."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from domain.action import Effect, Outcome, Tier, Verdict
from domain.errors import AuthError, ConflictError, NotFoundError, ToolUnknownError
from domain.guard import ApprovalAnswer, Decision
from domain.inventory import Environment
from governance.attribution import Suspicion
from governance.charging import charge
from governance.credentials.port import CredentialsUnavailableError
from governance.guard.agents import Agents
from governance.handoff import handoff_of
from governance.identity import Role
from governance.outcomes import PLAN, Origin, Row, rows_of, save_row
from governance.policy import load_policy
from governance.seats import grant, tier_of
from governance.violations import Violation
from tests.fakes.executor import mixed_inventory
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, call, plan

SECOND = "second-admin-token-of-a-test-06"


class Office:
    """A scene with people."""

    def __init__(self, tier: Tier = Tier.T1, **more: Any) -> None:
        self.scene = Scene(**more)
        self.scene.guard.parts.identities.enrol("anna", [Role.ADMIN], SECOND)
        with self.scene.store.transaction() as tx:
            grant(tx, agent="responder", tier=tier, policy=self.scene.policy, by="operator", why="test")

    def desk(self, name: str = "operator") -> Agents:
        return self.scene.guard.agents_for(SECOND if name == "anna" else TOKENS[name][0])

    def earn(self, count: int, **more: Any) -> None:
        given: dict[str, Any] = {
            "agent": "responder",
            "action": "scale_pool",
            "environment": Environment.PRODUCTION,
            "effect": Effect.REVERSIBLE,
            "origin": Origin.PRODUCTION,
            "held": True,
            "change": "inc-1",
        }
        now = self.scene.store.now
        with self.scene.store.transaction() as tx:
            for n in range(count):
                save_row(tx, Row(**{**given, **more}, id=f"r{n}", at=now - timedelta(minutes=n)))

    def tier(self) -> Tier:
        return tier_of(self.scene.store, "responder", self.scene.policy)


@contextmanager
def refused(error: type[Exception], words: str = "") -> Iterator[None]:
    with pytest.raises(error) as caught:
        yield
    said = " ".join(caught.value.lines())  # type: ignore[attr-defined]
    assert words in said, said


def test_the_record_carries_a_promotion_or_says_what_is_missing() -> None:
    """T1 to T2 by ten runs; refused with every line that is not met."""
    office = Office()
    with refused(ConflictError, "0 of 10"):
        office.desk().promote("responder", None, "please")
    office.earn(10)
    with refused(ConflictError, "T2, one step up"):
        office.desk().promote("responder", Tier.T4, "in one go")
    moved = office.desk("maria").promote("responder", Tier.T2, "ten good runs")
    assert (moved.moved, moved.tier, office.tier()) == (True, Tier.T2, Tier.T2)
    entry = office.scene.store.entries(after=moved.entry - 1, limit=1)[0]
    assert (entry.kind, entry.actor, entry.content["from"]) == ("promotion", "maria", "T1")
    assert all(line["met"] for line in entry.content["criteria"])


def test_the_last_step_takes_a_review_and_another_admin() -> None:
    """A reviewer alone does not move it, the same person twice does not, an approver who is no admin does not."""
    office = Office(Tier.T3)
    office.earn(50)
    assert "a person's review" in office.desk().detail("responder").waits_for
    first = office.desk().promote("responder", None, "looked at all fifty")
    assert not first.moved
    assert "reviewed by operator" in first.text
    assert not office.desk().promote("responder", None, "again").moved
    assert not office.desk("maria").promote("responder", None, "me too").moved
    assert office.tier() is Tier.T3
    assert office.desk("anna").promote("responder", None, "approved").moved
    assert office.tier() is Tier.T4
    with refused(ConflictError, "nothing is above"):
        office.desk("anna").promote("responder", None, "higher")
    assert office.desk().detail("responder").next_tier is None


def test_a_reviewed_step_takes_one_person() -> None:
    """T2 to T3: who promotes has reviewed."""
    office = Office(Tier.T2)
    office.earn(25)
    assert office.desk().detail("responder").waits_for == "a person who reviewed the record"
    assert office.desk("maria").promote("responder", None, "read them").tier is Tier.T3


def test_an_admin_may_waive_the_record_with_a_reason() -> None:
    """That is a grant, with what was not met; also for an agent that nobody knows yet."""
    office = Office()
    with refused(AuthError):
        office.desk("maria").promote("responder", Tier.T2, "please", waive=True)
    with refused(AuthError):
        office.desk("agent").promote("responder", Tier.T2, "please", waive=True)
    with refused(ConflictError, "no reason"):
        office.desk().promote("responder", Tier.T2, " ", waive=True)
    with refused(ConflictError, "no tier"):
        office.desk().promote("responder", None, "why not", waive=True)
    moved = office.desk().promote("newcomer", Tier.T1, "first day", waive=True)
    entry = office.scene.store.entries(after=moved.entry - 1, limit=1)[0]
    assert entry.kind == "grant"
    assert not all(line["met"] for line in entry.content["criteria"])
    assert [a.agent for a in office.desk().all()] == ["chaos", "newcomer", "responder"]


def test_demotion_goes_down_only() -> None:
    """By one, or to the one named."""
    office = Office(Tier.T3)
    assert office.desk().demote("responder", None, "quiet").tier is Tier.T2
    with refused(ConflictError, "a tier below T2"):
        office.desk().demote("responder", Tier.T2, "")
    assert office.desk().demote("responder", Tier.T0, "").tier is Tier.T0
    with refused(ConflictError):
        office.desk().demote("responder", None, "")
    with refused(NotFoundError, "responder"):
        office.desk().demote("nobody", None, "")


async def test_a_revoked_agent_is_not_promoted_and_only_an_admin_gives_it_back() -> None:
    """Revoking twice, reinstating twice, by the wrong person: each with its reason."""
    office = Office()
    office.earn(10)
    report = await office.desk("maria").revoke("responder", "")
    assert (report.agent, report.stopped, report.locks) == ("responder", [], [])
    with refused(ConflictError):
        await office.desk().revoke("responder", "again")
    with refused(ConflictError, "revoked"):
        office.desk().promote("responder", None, "")
    assert {a.agent: a.status for a in office.desk().all()}["responder"] == "revoked"
    with refused(AuthError, "an admin"):
        office.desk("maria").reinstate("responder", "")
    assert office.desk().reinstate("responder", "fine").tier is Tier.T1
    with refused(ConflictError):
        office.desk().reinstate("responder", "again")
    await office.scene.guard.quiet()
    kinds = [t.kind for t in office.desk().history("responder")]
    assert kinds[:3] == ["reinstatement", "handoff", "revocation"]


async def test_a_running_step_is_cut_off_and_its_effect_is_looked_for() -> None:
    """Locks go, the claim is unknown until the read-back tells, the handoff says so, what was applied can be taken back."""
    office = Office()
    scene = office.scene
    await scene.agent.judge(plan(SCALE, call("set_config", "postgres", key="A", value="b")), actor())
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED

    scene.executor.hold = asyncio.Event()
    running = asyncio.ensure_future(scene.agent.apply("plan-1", "s2", actor()))
    while not scene.executor.world["postgres"]["config"]:
        await asyncio.sleep(0)
    report = await office.desk().revoke("responder", "looks odd")
    assert len(report.stopped) == 1
    assert "postgres" in report.locks
    receipt = await running
    assert receipt.outcome is Outcome.SUCCEEDED, "it was looked for and found"
    handoff = handoff_of(scene.store, "responder")
    assert handoff is not None
    assert [left.step for left in handoff.applied] == ["s1"]
    assert [left.step for left in handoff.unknown] == ["s2"]
    await scene.guard.quiet()
    assert "diagnostic" in scene.kinds()
    assert office.desk().detail("responder").handoff is not None
    assert office.desk().detail("responder").budgets[0].spent == 2
    scene.executor.hold = None
    back = await scene.agent.compensate("plan-1", "s1", actor())
    assert back.outcome is Outcome.SUCCEEDED
    assert scene.executor.world["api"]["pool"] == 5


async def test_the_diagnostic_run_reads_back_what_was_left_unknown() -> None:
    """A step whose answer was lost earlier is settled after the revocation."""
    office = Office()
    scene = office.scene
    scene.executor.deaf, scene.executor.after_effect = True, _lost
    await scene.agent.judge(plan(SCALE), actor())
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.UNKNOWN
    scene.executor.deaf = False
    await office.desk().revoke("responder", "looks odd")
    await scene.guard.quiet()
    [entry] = [e for e in scene.store.entries(limit=100) if e.kind == "diagnostic"]
    assert list(entry.content["found"].values()) == ["confirmed"]


def _lost() -> None:

    raise ToolUnknownError("no answer")


def test_an_overturned_charge_gives_back_what_it_took() -> None:
    """Seat and right to act; a warning has nothing to give back; what a person changed since stays."""
    office = Office(Tier.T3)
    store, policy = office.scene.store, office.scene.policy

    def charged(violation: Violation) -> str:
        suspicion = Suspicion(violation=violation, agent="responder", change="inc-1", what="seen")
        with store.transaction() as tx:
            return charge(tx, suspicion, policy).id

    critical = charged(Violation.APPLY_WITHOUT_PLAN)
    assert office.tier() is Tier.T0
    with refused(AuthError):
        office.desk("maria").overturn(critical, "it was the network")
    row = office.desk().overturn(critical, "it was the network")
    assert (row.charged, row.consequence, row.cause) == (False, "overturned", "human")
    assert office.tier() is Tier.T3
    assert office.desk().all()[0].status == "active"
    with refused(ConflictError):
        office.desk().overturn(critical, "again")
    with refused(NotFoundError):
        office.desk().overturn("vio-nothing", "")
    warning = charged(Violation.MISSING_ARTIFACT)
    office.desk().overturn(warning, "it was there")
    high = charged(Violation.PROCEDURE_VIOLATION)
    office.desk().demote("responder", Tier.T0, "meanwhile")
    office.desk().overturn(high, "late")
    assert office.tier() is Tier.T0


def test_a_plan_is_reviewed_by_a_person() -> None:
    """An observer's record; an agent cannot write its own."""
    office = Office(Tier.T0)
    for n in range(5):
        office.desk("maria").review("responder", f"plan-{n}", right=True)
    with refused(AuthError):
        office.desk("agent").review("responder", "plan-9", right=True)
    assert [row.action for row in rows_of(office.scene.store, "responder")] == [PLAN] * 5
    assert office.desk().promote("responder", None, "five good plans").tier is Tier.T1


def test_an_unknown_agent_is_unseated() -> None:
    """Somebody who was only ever charged is listed, at T0."""
    office = Office()
    with office.scene.store.transaction() as tx:
        suspicion = Suspicion(violation=Violation.MISSING_ARTIFACT, agent="stray", change="", what="seen")
        charge(tx, suspicion, office.scene.policy)
    stray = office.desk().detail("stray")
    assert (stray.status, stray.tier, stray.heartbeat) == ("unseated", Tier.T0, None)


async def test_what_is_earned_opens_production_and_nothing_else_does() -> None:
    """At T3 an action with an earned record runs unattended; another one still asks; demos alone do not do it."""
    office = Office(Tier.T3, inventory=mixed_inventory(), policy=load_policy())
    scene = office.scene
    wanted = call("scale_pool", "billing", size=9)

    async def verdicts() -> list[Verdict]:
        asked = plan(wanted, call("set_config", "billing", key="A", value="b"))
        return [j.verdict for j in await scene.agent.judge(asked, actor())]

    assert await verdicts() == [Verdict.ASK, Verdict.ASK]
    office.earn(400, origin=Origin.DEMO, environment=Environment.SANDBOX)
    assert await verdicts() == [Verdict.ASK, Verdict.ASK]
    office.earn(6)
    assert await verdicts() == [Verdict.ALLOW, Verdict.ASK]
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    scene.clock.advance(90 * 86_400)
    assert await verdicts() != [Verdict.ALLOW, Verdict.ASK]


async def test_a_verified_run_leaves_its_rows_and_an_unverified_one_none() -> None:
    """Held, taken back, failed, unverified; each effect once, however often the run is closed."""
    office = Office()
    scene = office.scene
    scene.executor.after_effect = None
    await scene.agent.judge(plan(RESTART, SCALE), actor())
    for step in ("s1", "s2"):
        await scene.agent.apply("plan-1", step, actor())
    await scene.agent.compensate("plan-1", "s2", actor())
    report = {"agent": "responder", "run": "r-1", "outcome": "mitigated", "artifacts": ["verification", "brief"]}
    walk = ["BOOTSTRAP", "PREFLIGHT", "PLAN", "EXECUTE", "VERIFY", "PACKAGE", "REPORT", "EXIT"]
    await scene.agent.record("closing", "inc-1", {**report, "phases": walk})
    assert rows_of(scene.store, "responder") == []
    for _ in range(2):
        await scene.agent.record("closing", "inc-1", {**report, "phases": walk, "verified": True})
    rows = {row.action: row for row in rows_of(scene.store, "responder")}
    assert len(rows_of(scene.store, "responder")) == 2
    assert (rows["restart_service"].held, rows["scale_pool"].held) == (True, False)
    assert rows["restart_service"].origin is Origin.DEMO
    assert rows["restart_service"].environment is Environment.SANDBOX


async def test_modes_that_ask_are_unchanged_by_trust() -> None:
    """A person still answers where the production rules ask."""
    office = Office(Tier.T2, policy=load_policy("production"))
    [judged] = await office.scene.agent.judge(plan(RESTART), actor())
    assert judged.verdict is Verdict.ASK
    assert judged.approval_id is not None
    await office.scene.maria.answer(judged.approval_id, ApprovalAnswer(decision=Decision.APPROVE))
    assert (await office.scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED


async def test_an_issuer_that_is_away_does_not_hold_a_revocation_up() -> None:
    """The revocation stands on record, and so does what could not be ended."""
    office = Office()

    async def away(**_: Any) -> list[str]:
        raise CredentialsUnavailableError("sealed")

    office.scene.guard.parts.credentials.revoke_all = away  # type: ignore[method-assign]
    await office.desk().revoke("responder", "looks odd")
    assert {a.agent: a.status for a in office.desk().all()}["responder"] == "revoked"
    assert "credential" in office.scene.kinds()
    await office.scene.guard.quiet()
