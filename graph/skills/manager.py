"""The manager agent: for a task card, stage by stage, choose skills and run them; read-only unless changes are allowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field

from domain.errors import NotFoundError
from domain.value import UtcTime, Value
from skills.bench import Bench
from skills.card import TaskCard
from skills.choose import Address, Planner, choose
from skills.problem import SkillError
from skills.report import Engine, ModelName, Order, Report, RunStatus
from skills.schema import Stage

RunSkill = Callable[[Order, str], Awaitable[Report]]
"""(order, id of the run) → its report once it ended; the same id is never run twice."""


class Mission(Value):
    """What the manager is asked."""

    card: TaskCard
    stages: list[Stage] = Field(default=[Stage.DETECTION, Stage.DIAGNOSIS, Stage.RECOVERY], min_length=1, max_length=3)
    max_skills_per_stage: Annotated[int, Field(ge=1, le=8)] = 2
    planner: Engine = "rules"
    planner_model: ModelName = ""
    planner_base_url: Address = ""
    verifier: Engine = "rules"
    verifier_model: ModelName = ""
    allow_mutation: bool = False


class Chosen(Value):
    """One skill that was chosen, and what came of it."""

    stage: Stage
    skill: str
    target: str = ""
    why: str
    run: str = ""
    status: str = ""
    """Empty: not run yet."""
    verifier: str = ""
    text: str = ""


class ManagerReport(Value):
    """The whole of it, as JSON."""

    schema_version: Literal["1"] = "1"
    id: str
    mission: Mission
    status: Literal["running", "mitigated", "found", "nothing_found", "unknown", "proposed", "blocked", "failed"] = (
        "running"
    )
    """proposed: recovery was only run dry, since nobody allowed changes. unknown: no look found anything, one could not tell."""
    planned: list[Stage] = []
    """Stages for which skills were chosen."""
    planned_by: dict[Stage, str] = {}
    """Stage → who chose: the rules, or a model by name."""
    chosen: list[Chosen] = []
    notes: list[str] = []
    started_at: UtcTime
    ended_at: UtcTime | None = None


class ManagerState(TypedDict):
    """The report as plain JSON."""

    report: dict[str, Any]


ManagerGraph = CompiledStateGraph[ManagerState, None, ManagerState, ManagerState]


def build_manager(bench: Bench, run: RunSkill, save: Callable[[ManagerReport], None]) -> ManagerGraph:
    """plan (the next stage) → run (one skill) → … → conclude."""

    async def plan(report: ManagerReport) -> ManagerReport:
        mission, stage = report.mission, next_stage(report)
        assert stage is not None, "routing sends only missions with a stage left"
        asked = Planner(engine=mission.planner, model=mission.planner_model, base_url=mission.planner_base_url)
        found = await choose(mission.card, stage, bench, most=mission.max_skills_per_stage, planner=asked)
        rows = [Chosen(stage=stage, skill=c.skill.name, target=c.target, why=c.why) for c in found.rows]
        notes = [*report.notes, *([f"{stage.value}: {found.note}"] if found.note else [])]
        notes += [] if rows else [f"{stage.value}: no skill fits the card"]
        planned = {"planned": [*report.planned, stage], "planned_by": {**report.planned_by, stage: found.by}}
        return report.model_copy(update={**planned, "chosen": [*report.chosen, *rows], "notes": notes})

    async def run_one(report: ManagerReport) -> ManagerReport:
        number, row = next(((n, c) for n, c in enumerate(report.chosen, 1) if not c.status))
        recovers = row.stage is Stage.RECOVERY
        order = Order(
            skill=row.skill,
            target=row.target,
            execute=not recovers or report.mission.allow_mutation,
            allow_mutation=recovers and report.mission.allow_mutation,
            verifier=report.mission.verifier,
            verifier_model=report.mission.verifier_model,
        )
        try:
            found = told(await run(order, f"{report.id}-{number}"))
        except (SkillError, NotFoundError) as error:
            found = {"status": RunStatus.BLOCKED.value, "text": "; ".join(error.lines())[:300]}
        row = row.model_copy(update=found)
        return report.model_copy(update={"chosen": [*report.chosen[: number - 1], row, *report.chosen[number:]]})

    async def conclude(report: ManagerReport) -> ManagerReport:
        return report.model_copy(update={"status": concluded(report), "ended_at": bench.clock.now()})

    graph: StateGraph[ManagerState, None, ManagerState, ManagerState] = StateGraph(ManagerState)
    for name, step in (("plan", plan), ("run", run_one), ("conclude", conclude)):
        graph.add_node(name, _node(step, save))
    graph.add_conditional_edges(START, onward, ["plan", "run", "conclude"])
    graph.add_conditional_edges("plan", onward, ["plan", "run", "conclude"])
    graph.add_conditional_edges("run", onward, ["plan", "run", "conclude"])
    graph.add_edge("conclude", END)
    return graph.compile(name="manager").with_config(recursion_limit=60)


def told(run: Report) -> dict[str, str]:
    """What came of a run, for the row of its skill."""
    text = run.failure.text if run.failure else "; ".join(s.text for s in run.visible)[:300]
    return {"run": run.id, "status": run.status.value, "verifier": run.verifier, "text": text}


def next_stage(report: ManagerReport) -> Stage | None:
    """The first stage that was not planned."""
    return next((s for s in report.mission.stages if s not in report.planned), None)


def onward(state: ManagerState) -> str:
    """Whatever was chosen is run, unless a recovery kept its promise; then the next stage; then the end."""
    report = ManagerReport.model_validate(state["report"])
    mended = any(c.stage is Stage.RECOVERY and c.status == RunStatus.SUCCEEDED for c in report.chosen)
    if mended:
        return "conclude"
    if any(not c.status for c in report.chosen):
        return "run"
    return "plan" if next_stage(report) is not None else "conclude"


def concluded(report: ManagerReport) -> str:
    """Blocked is not failed, dry is not mitigated, and finding nothing is an answer."""
    recovery = [c.status for c in report.chosen if c.stage is Stage.RECOVERY and c.status]
    looks = [c.status for c in report.chosen if c.stage is not Stage.RECOVERY and c.status]
    for status, word in (
        (RunStatus.SUCCEEDED, "mitigated"),
        (RunStatus.FAILED, "failed"),
        (RunStatus.UNKNOWN, "failed"),
        (RunStatus.ROLLED_BACK, "failed"),
        (RunStatus.BLOCKED, "blocked"),
        (RunStatus.DRY_RUN, "proposed"),
    ):
        if status in recovery:
            return word
    if RunStatus.SUCCEEDED in looks:
        return "found"
    return "unknown" if RunStatus.UNKNOWN in looks else "nothing_found"


def _node(step: Callable[[ManagerReport], Awaitable[ManagerReport]], save: Callable[[ManagerReport], None]) -> Any:
    async def node(state: ManagerState) -> ManagerState:
        report = await step(ManagerReport.model_validate(state["report"]))
        save(report)
        return {"report": report.model_dump(mode="json")}

    return node
