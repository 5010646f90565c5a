"""Plans from conditions: what is read, what removes it, where it can be done; never from fault names."""

from __future__ import annotations

from typing import Any

import pytest

from agents.planner import Planner, PlanRequest, plan_question, tainted_args
from agents.reasoners.rules import RulesReasoner
from agents.reasoners.rules.arguments import fill, fill_undo
from agents.reasoners.rules.planning import propose
from domain.action import ActionCall, ActionSpec, Effect, Outcome
from domain.clock import ManualClock
from domain.conditions import Condition, Finding
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.inventory import Binding, Inventory, Service
from domain.plan import StepResult
from tools.actions.catalogue import ACTIONS

NOW = ManualClock().now()
SPECS = [a.published() for a in ACTIONS]


def bindings(*aspects: str, **options: Any) -> dict[str, Binding]:
    return {a: Binding(via="control", options=options) for a in aspects}


INVENTORY = Inventory(
    services=[
        Service(name="frontend", kind="frontend", depends_on=["api"], bindings=bindings("process")),
        Service(
            name="api",
            kind="api",
            depends_on=["proxy-db", "payments"],
            bindings=bindings(
                "process", "config", "pool", "traffic", "upstream", "disk", "warm_cache", "credential", "migration",
                max=40, routes={"proxy-db": {}, "proxy-db-b": {}}, providers=["primary", "fallback"], expected="0003",
            ),
        ),
        Service(name="proxy-db", kind="proxy", depends_on=["postgres"], bindings=bindings("process")),
        Service(name="payments", kind="upstream", bindings=bindings("process")),
        Service(name="postgres", kind="database", bindings=bindings("process", "database")),
    ]
)  # fmt: skip


def diagnosis(*found: Finding, fault_class: str | None = "anything") -> Diagnosis:
    evidence = [Evidence(id="E1", kind="reading", source="probe:x", service=found[0].service, excerpt="seen")]
    top = Hypothesis(
        rank=1,
        service=found[0].service,
        fault_class=fault_class,
        confidence=0.8,
        statement="it is broken",
        evidence=["E1"],
        details={"conditions": [f.model_dump(mode="json") for f in found]},
    )
    return Diagnosis(incident="i", verdict=DiagnosisVerdict.FAULT, confidence=0.8, hypotheses=[top], evidence=evidence)


def request(*found: Finding, **more: Any) -> PlanRequest:
    given = {"revision": 1, "actions": SPECS, "inventory": INVENTORY, "now": NOW, **more}
    return PlanRequest(incident="i", diagnosis=diagnosis(*found), **given)


def steps(*found: Finding, **more: Any) -> list[tuple[str, str, dict[str, Any]]]:
    asked = request(*found, **more)
    answer = propose(plan_question(asked, asked.diagnosis.hypotheses[0]))
    return [(s.call.action, s.call.target, s.call.args) for s in answer.steps]


def see(condition: Condition, service: str, target: str = "", **facts: Any) -> Finding:
    return Finding(condition=condition, service=service, target=target, facts=facts, evidence=["E1"])


ROUTES = {"proxy-db": {"roundtrip_ms": 300.0}, "proxy-db-b": {"roundtrip_ms": 1.0}}


@pytest.mark.parametrize(
    ("found", "first"),
    [
        (see(Condition.PROCESS_PAUSED, "api", pid=7), ("resume_process", "api", {})),
        (see(Condition.PROCESS_UNRESPONSIVE, "payments"), ("restart_service", "payments", {})),
        (see(Condition.SESSION_BLOCKS_OTHERS, "postgres", pids=[11]), ("terminate_sessions", "postgres", {"pids": [11]})),
        (see(Condition.POOL_SATURATED, "api", size=5, in_use=5, waiting=2), ("scale_pool", "api", {"size": 15})),
        (see(Condition.CONFIG_KEY_MISSING, "api", keys=["X"]), ("restore_config", "api", {})),
        (
            see(Condition.LINK_SLOW, "proxy-db", "api", current="proxy-db", routes=ROUTES),
            ("shift_traffic", "api", {"route": "proxy-db-b"}),
        ),
        (see(Condition.LINK_SLOW, "proxy-db", current="proxy-db"), ("shift_traffic", "api", {"route": "proxy-db-b"})),
        (see(Condition.DEPENDENCY_REJECTING, "payments", provider="primary"), ("switch_upstream", "api", {"provider": "fallback"})),
        (
            see(Condition.SCHEMA_AHEAD_OR_DIRTY, "postgres", "api", current="0004", expected="0003"),
            ("migrate", "api", {"revision": "0003"}),
        ),
        (see(Condition.ROLE_CANNOT_LOGIN, "postgres", "api", role="shop"), ("rotate_credential", "api", {})),
        (see(Condition.DISK_FULL, "api", path="/x"), ("free_disk_space", "api", {})),
    ],
    ids=lambda value: value.condition.value if isinstance(value, Finding) else "",
)  # fmt: skip
def test_what_is_read_leads_to_what_removes_it(found: Finding, first: tuple[str, str, dict[str, Any]]) -> None:
    """Every condition of the readings finds its action, its place and its arguments, whatever the fault is called."""
    assert steps(found)[0] == first


def test_causes_come_before_processes() -> None:
    """Torn state is cleared before the restart; a restart alone is not proposed first."""
    found = [see(Condition.PROCESS_CRASH_LOOPING, "api"), see(Condition.LOCAL_STATE_TORN, "api")]
    assert [s[0] for s in steps(*found)] == ["clear_cache", "restart_service"]


def test_tried_and_refused_are_left_out() -> None:
    """The second choice comes when the first was tried or refused; then nothing."""
    found = see(Condition.PROCESS_PAUSED, "api")
    tried = StepResult(
        step_id="s", action="resume_process", target="api", outcome=Outcome.SUCCEEDED, summary="", at=NOW
    )
    assert [s[0] for s in steps(found, tried=[tried])] == ["restart_service"]
    assert [s[0] for s in steps(found, refused=["resume_process api"])] == ["restart_service"]
    assert steps(found, tried=[tried], refused=["restart_service api"]) == []


def test_the_fault_name_plays_no_part() -> None:
    """The same finding under any name gives the same steps; a name without a finding gives none."""
    found = see(Condition.PROCESS_PAUSED, "api")
    plans = []
    for name in ("hang", "disk_full", None):
        given = diagnosis(found, fault_class=name)
        asked = PlanRequest(incident="i", revision=1, diagnosis=given, actions=SPECS, inventory=INVENTORY, now=NOW)
        plans.append([s.call for s in propose(plan_question(asked, given.hypotheses[0])).steps])
    assert plans[0] == plans[1] == plans[2] != []
    bare = diagnosis(found).hypotheses[0].model_copy(update={"details": {}, "fault_class": "hang"})
    assert propose(plan_question(request(found), bare)).steps == []


async def test_steps_say_their_undo_or_that_there_is_none() -> None:
    """Reversible steps name the call that takes them back; transient ones say why there is none."""
    planner = Planner(RulesReasoner(ManualClock()))
    scaled = (await planner.plan(request(see(Condition.POOL_SATURATED, "api", size=5)))).plan.steps[0]
    assert scaled.undo == ActionCall(action="scale_pool", target="api", args={"size": 5})
    resumed = (await planner.plan(request(see(Condition.PROCESS_PAUSED, "api")))).plan.steps[0]
    assert resumed.undo is None
    assert resumed.cannot_undo
    assert resumed.evidence == ["E1"]


async def test_nothing_to_do_is_a_plan_without_steps() -> None:
    """A condition that no registered action removes leads to an empty plan, not to a guess."""
    proposal = await Planner(RulesReasoner()).plan(request(see(Condition.QUEUE_GROWING, "api")))
    assert (proposal.plan.steps, proposal.hypothesis) == ([], None)


def test_arguments_from_free_text_are_marked() -> None:
    """Only values that readings and bindings give are untainted."""
    safe = [ActionCall(action="scale_pool", target="api", args={"size": 15})]
    assert tainted_args(safe[0], safe) == []
    assert tainted_args(ActionCall(action="scale_pool", target="api", args={"size": 39}), safe) == ["size"]
    assert tainted_args(ActionCall(action="set_config", target="api", args={"key": "x"}), safe) == ["key"]


def test_required_arguments_that_cannot_be_known_prevent_the_step() -> None:
    """No argument is invented, and none of the wrong type or pattern is passed on."""
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}, "flag": {"type": "boolean"}},
        "required": ["name"],
    }
    spec = ActionSpec(name="x", summary="", effect=Effect.TRANSIENT, binding="", schema=schema)
    assert fill(spec, {}, {}) is None
    assert fill(spec, {"name": "UPPER"}, {}) is None
    assert fill(spec, {"name": 3}, {}) is None
    assert fill(spec, {"name": "fine", "flag": 1}, {}) == {"name": "fine"}
    assert fill_undo(spec, {"name": "fine"}) == {"name": "fine"}
    assert fill_undo(spec, {}) is None
