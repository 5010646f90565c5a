"""Pipelines over the little world: conditions, branches, gates, failures as written, taking back, timeouts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from langgraph.types import Command

from domain.action import Tier, Verdict
from domain.conditions import Condition
from domain.errors import FirebreakError, ToolUnavailableError
from domain.pipeline import Pipeline, StageStatus
from graph.pipelines.catalogue import STAGE_TEMPLATES
from graph.pipelines.checking import UNDO, check_pipeline
from graph.pipelines.compiling import compile_pipeline
from graph.pipelines.reading import parse_pipeline
from graph.pipelines.stages import Bindings, NoArguments, StageAnswer, StageCall, StageTemplate, StageWork
from graph.state import Knobs
from tests.fakes.house import House
from tests.fakes.world import SPECS, World

POOL = (Condition.POOL_SATURATED, "api")
HEAD = "name: trial\nversion: 1.0.0\ndescription: a trial\ntier: T1\nstages:\n"
SCALE = "agent: {template: act, tier: T1, with: {action: scale_pool, target: api, args: {size: 9}}}"
WIDEN = "agent: {template: act, tier: T1, with: {action: widen_queue, target: api}}"


class Moody:
    """A stage that fails as often as told, then does its work."""

    def __init__(self, failures: int = 0, error: Exception | None = None, seconds: float = 0.0) -> None:
        self.failures, self.error, self.seconds, self.calls = failures, error, seconds, 0

    async def __call__(self, call: StageCall) -> StageAnswer:
        self.calls += 1
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.calls <= self.failures:
            if self.error:
                raise self.error
            return StageAnswer(error="not in the mood")
        return StageAnswer(artifacts={"calls": self.calls})


def moody_template(name: str, work: Moody) -> StageTemplate:
    def make(_: Bindings) -> StageWork:
        return work

    return StageTemplate(name=name, summary="", tier=Tier.T1, args=NoArguments, make=make)


def read(text: str) -> Pipeline:
    return parse_pipeline(HEAD + text, "trial.yaml")


async def run(
    text: str, house: House | None = None, works: dict[str, Moody] | None = None, answers: list[Any] | None = None
) -> dict[str, Any]:
    """Run to the end; questions are answered from the list, in order."""
    house = house or House(World(wrong={POOL: {}}))
    moody = {name: moody_template(name, work) for name, work in (works or {}).items()}
    templates = {**STAGE_TEMPLATES, **moody}
    pipeline = read(text)
    actions = {spec.name: spec for spec in SPECS}
    assert [f for f in check_pipeline(pipeline, templates, actions) if f.level == "error"] == []
    graph = compile_pipeline(pipeline, templates, Bindings(services=house.services), house.saver)
    config: Any = {"configurable": {"thread_id": "pipe-1"}}
    given: Any = {"run": "pipe-1", "incident": "pipe-1", "pipeline_name": "trial", "inputs": {"n": 3}}
    left = list(answers or [])
    while given is not None:
        await graph.ainvoke(given, config, context=Knobs(), durability="sync")
        waiting = (await graph.aget_state(config)).interrupts
        given = Command(resume={waiting[0].id: left.pop(0)}) if waiting and left else None
    return dict((await graph.aget_state(config)).values)


def statuses(state: dict[str, Any]) -> dict[str, str]:
    return {r.name: r.status.value for r in state["stage_results"]}


async def test_a_condition_goes_one_way() -> None:
    """The other way's stages never run; variables come from artifacts."""
    text = """
  - {name: first, agent: {template: calm, tier: T1}, set: {calls: artifacts.first.calls}}
  - name: which
    condition:
      if: variables.calls == 1 && inputs.n == 3
      then: [{name: yes-way, agent: {template: calm, tier: T1}}]
      else: [{name: no-way, agent: {template: calm, tier: T1}}]
  - {name: last, agent: {template: calm, tier: T1}}
"""
    state = await run(text, works={"calm": Moody()})
    assert [r.name for r in state["stage_results"]] == ["first", "which", "yes-way", "last"]
    assert state["variables"] == {"calls": 1}


async def test_branches_run_side_by_side_and_are_waited_for() -> None:
    """The stage after them comes once, when the slowest is done; a nested parallel too."""
    text = """
  - name: fan
    parallel:
      branches:
        - - {name: slow, agent: {template: slow, tier: T1}}
        - - name: inner
            parallel:
              branches:
                - [{name: a, agent: {template: calm, tier: T1}}]
                - [{name: b, agent: {template: calm, tier: T1}}]
          - {name: after-inner, agent: {template: calm, tier: T1}}
  - {name: last, agent: {template: calm, tier: T1}}
"""
    state = await run(text, works={"slow": Moody(seconds=0.05), "calm": Moody()})
    names = [r.name for r in state["stage_results"] if r.status is StageStatus.COMPLETED]
    assert names[-1] == "last"
    assert names.count("last") == 1
    assert statuses(state)["fan"] == "completed"


async def test_a_failure_in_a_branch_stops_the_run_at_the_join() -> None:
    """The other branch ends where it is; nothing after the join runs."""
    text = """
  - name: fan
    parallel:
      branches:
        - [{name: bad, agent: {template: moody, tier: T1}}]
        - [{name: good, agent: {template: calm, tier: T1}}]
  - {name: last, agent: {template: calm, tier: T1}}
"""
    state = await run(text, works={"moody": Moody(failures=9), "calm": Moody()})
    assert (statuses(state)["fan"], "last" in statuses(state)) == ("failed", False)
    assert state["failed"] == "bad: not in the mood"


async def test_a_change_goes_through_the_guard_and_is_taken_back_on_failure() -> None:
    """Compensations run in reverse order, and only for what came after the named stage."""
    house = House(World(wrong={POOL: {}}))
    text = f"""
  - {{name: widen, {WIDEN}}}
  - {{name: hold, agent: {{template: calm, tier: T1}}}}
  - {{name: scale, {SCALE}}}
  - {{name: check, agent: {{template: moody, tier: T1}}, on_failure: {{action: rollback}}}}
"""
    state = await run(text, house, works={"moody": Moody(failures=9), "calm": Moody()})
    assert house.world.effects == ["widen_queue api", "scale_pool api", "undo scale_pool api", "undo widen_queue api"]
    assert [r.name for r in state["stage_results"]][-2:] == [UNDO, UNDO]
    assert state["failed"].startswith("check")
    later = House(World(wrong={POOL: {}}))
    await run(
        text.replace("action: rollback", "action: rollback, rollback_to: hold"),
        later,
        works={"moody": Moody(failures=9), "calm": Moody()},
    )
    assert later.world.effects == ["widen_queue api", "scale_pool api", "undo scale_pool api"]


async def test_what_cannot_be_taken_back_is_said() -> None:
    """The first compensation that needs a person ends the taking back."""
    house = House(World(wrong={POOL: {}}))
    house.guard.refuses_undo = True
    text = f"""
  - {{name: scale, {SCALE}}}
  - {{name: check, agent: {{template: moody, tier: T1}}, on_failure: {{action: rollback}}}}
"""
    state = await run(text, house, works={"moody": Moody(failures=9)})
    assert "was not taken back" in state["stage_results"][-1].error


async def test_failures_as_written() -> None:
    """continue goes on; a pause asks a person who may retry, skip or abort."""
    text = """
  - {name: one, agent: {template: moody, tier: T1}, on_failure: {action: %s}}
  - {name: two, agent: {template: calm, tier: T1}}
"""
    going = await run(text % "continue", works={"moody": Moody(failures=1), "calm": Moody()})
    assert statuses(going) == {"one": "failed", "two": "completed"}
    retried = await run(
        text % "pause", works={"moody": Moody(failures=2), "calm": Moody()}, answers=[{"decision": "retry"}] * 2
    )
    assert statuses(retried) == {"one": "completed", "two": "completed"}
    skipped = await run(
        text % "pause", works={"moody": Moody(failures=9), "calm": Moody()}, answers=[{"decision": "skip"}]
    )
    assert statuses(skipped) == {"one": "skipped", "two": "completed"}
    gone = await run(
        text % "pause", works={"moody": Moody(failures=9), "calm": Moody()}, answers=[{"decision": "abort"}]
    )
    assert statuses(gone) == {"one": "failed"}


async def test_time_and_errors() -> None:
    """A stage that takes too long has failed; an error that a second try can mend is tried again; others are said."""
    slow = await run(
        "  - {name: one, agent: {template: slow, tier: T1}, timeout: 1s}\n", works={"slow": Moody(seconds=5)}
    )
    assert slow["failed"] == "one: did not end within 1s"
    again = Moody(failures=1, error=ToolUnavailableError("away"))
    assert statuses(await run("  - {name: one, agent: {template: again, tier: T1}}\n", works={"again": again})) == {
        "one": "completed"
    }
    broken = Moody(failures=9, error=FirebreakError("torn", expected="whole", found="torn"))
    said = await run("  - {name: one, agent: {template: broken, tier: T1}}\n", works={"broken": broken})
    assert said["failed"] == "one: torn; expected: whole; found: torn"
    assert broken.calls == 1


@pytest.mark.parametrize(
    ("votes", "decision", "status"),
    [
        ([{"by": "ada", "decision": "approve"}, {"by": "eve", "decision": "approve"}], "approve", "completed"),
        ([{"by": "ada", "decision": "approve"}, {"by": "ada", "decision": "approve"}], "approve", "failed"),
        ([{"by": "ada", "decision": "reject", "reason": "no"}], "reject", "failed"),
        ([], "expired", "failed"),
        ([], "as the model says, approved", "failed"),
    ],
)
async def test_a_gate_opens_only_for_enough_people(votes: list[Any], decision: str, status: str) -> None:
    """Two distinct names say yes, or it stays shut."""
    text = "  - {name: door, gate: {approval: {question: 'Go on?', quorum: 2}}, timeout: 5m}\n"
    state = await run(text, answers=[{"decision": decision, "votes": votes}])
    assert statuses(state) == {"door": status}


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("true", "true", "completed"), ("true", "1 == 2", "failed"), ("true", "nope.x", "failed")],
)
async def test_reviewers_vote_with_reasons(first: str, second: str, status: str) -> None:
    """A tie fails; a reviewer that errs says no."""
    text = f"""
  - name: door
    gate:
      consensus:
        question: Good?
        quorum: 1
        reviewers:
          - {{name: one, approves_if: "{first}", because: it is so}}
          - {{name: two, approves_if: "{second}", because: it is so}}
"""
    state = await run(text)
    assert statuses(state) == {"door": status}
    assert len(state["artifacts"]["door"]["votes"]) == 2


async def test_a_denied_change_fails_and_an_asked_one_waits() -> None:
    """The guard's word stands; a claimed yes is none."""
    one = f"  - {{name: scale, {SCALE}}}\n"
    denied = House(World(), verdicts={"scale_pool": Verdict.DENY})
    assert (await run(one, denied))["failed"].startswith("scale: denied")
    asked = House(World(), verdicts={"scale_pool": Verdict.ASK})
    state = await run(one, asked, answers=[{"decision": "approved"}])
    assert (statuses(state), asked.world.effects) == ({"scale": "failed"}, [])


async def test_looking_stages_read_the_world() -> None:
    """Observation, probes, users and runbooks, on a sick and on a healthy world."""
    text = """
  - {name: observe, agent: {template: observe, with: {looks: 2}}}
  - {name: probes, agent: {template: read_probes, with: {probes: [http_health]}}, on_failure: {action: continue}}
  - {name: users, agent: {template: watch_users, with: {hold_s: 1, patience_s: 1}}, on_failure: {action: continue}}
  - {name: books, agent: {template: search_runbooks, with: {query: pool is full}}}
"""
    sick = await run(text, House(World(wrong={POOL: {"size": 5}})))
    assert sick["artifacts"]["observe"]["verdict"] == "fault"
    assert statuses(sick) == {"observe": "completed", "probes": "failed", "users": "failed", "books": "completed"}
    well = await run(text, House(World()))
    assert set(statuses(well).values()) == {"completed"}


async def test_no_drills_where_nothing_may_be_broken() -> None:
    """Said as what it is."""
    state = await run("  - {name: drill, agent: {template: run_drill, tier: T1}}\n")
    assert state["failed"].startswith("drill: there are no drills here")


def test_replaced_services_are_what_the_stages_ask() -> None:
    """Bindings are plain values."""
    house = House(World())
    assert replace(Bindings(services=house.services), drills=None).services.agent == "responder"
