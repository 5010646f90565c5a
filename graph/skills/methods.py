"""The product's own way through a task, and the same with one of its parts left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from domain.value import new_id
from graph.checkpoint.serde import strict_serde
from graph.skills.build import RECURSION_LIMIT, STEPS, Step, build, report_of
from graph.skills.manager import ManagerReport, Mission, build_manager
from skills.bench import Bench
from skills.card import Family
from skills.choose import Planner, choose
from skills.evaluation.attempt import Claim, Method, Said
from skills.evaluation.baselines import calls_of, carried_out, read_off
from skills.evaluation.task import Task
from skills.executor import begin, knock
from skills.problem import SkillError
from skills.report import GateAnswer, Order, Report, RunStatus

MOST_SKILLS = 3
CLAIMS: Mapping[str, Claim] = {"mitigated": "done", "found": "done", "blocked": "refused", "proposed": "refused"}


def ours(steps: Mapping[str, Step] = STEPS) -> Method:
    """The manager agent with the card alone; changes are allowed unless the card only asks."""

    async def method(task: Task, bench: Bench) -> Said:
        reports: list[Report] = []

        async def run(order: Order, run_id: str) -> Report:
            reports.append(await ran(order, run_id, bench, steps))
            return reports[-1]

        mission = Mission(
            card=task.card,
            stages=[task.card.family.stage],
            allow_mutation=task.card.family is not Family.T1,
            max_skills_per_stage=MOST_SKILLS,
        )
        report = ManagerReport(id=new_id("mgr"), mission=mission, started_at=bench.clock.now())
        state = await build_manager(bench, run, lambda _: None).ainvoke({"report": report.model_dump(mode="json")})
        ended = ManagerReport.model_validate(state["report"])
        text = "; ".join(c.text for c in ended.chosen)
        return Said(claim=CLAIMS.get(ended.status, "not_done"), preconditions=_preconditions(reports), text=text)

    return method


async def untyped(task: Task, bench: Bench) -> Said:
    """Without the typed schema: the same choice, carried out as a plain list of actions."""
    chosen = await choose(task.card, task.card.family.stage, bench, most=1, planner=Planner())
    try:
        calls = [call for c in chosen.rows for call in calls_of(c.skill, bench, c.target)]
    except SkillError:
        calls = []
    text = "; ".join([await read_off(c.skill, bench) for c in chosen.rows])
    done = bool(calls or text) and await carried_out(calls, bench)
    return Said(claim="done" if done else "not_done", preconditions=0.0 if calls else 1.0, text=text)


async def ran(order: Order, run_id: str, bench: Bench, steps: Mapping[str, Step] = STEPS) -> Report:
    """One run to its end, or to the question that nobody answers here."""
    report = begin(order, run_id, bench)
    graph = build(bench, InMemorySaver(serde=strict_serde()), steps)
    config: Any = {"configurable": {"thread_id": run_id}, "recursion_limit": RECURSION_LIMIT}
    state = await graph.ainvoke({"report": report.model_dump(mode="json")}, config)
    ended = report_of(state)  # type: ignore[arg-type]
    waits = ended.status is RunStatus.RUNNING
    return ended.model_copy(update={"status": RunStatus.WAITING}) if waits else ended


def _preconditions(reports: Sequence[Report]) -> float:
    """Of the runs that changed something; whoever changed nothing rested on nothing."""
    seen = [s.holds is True for r in reports if r.mutated for s in r.preconditions]
    acted = any(r.mutated for r in reports)
    return (sum(seen) / len(seen) if seen else 0.0) if acted else 1.0


async def _open_gate(report: Report, bench: Bench) -> Report:
    """The guard's judgement alone; whatever speaks against it at the gate is not heard."""
    seen = [s.model_copy(update={"holds": True}) for s in report.preconditions]
    judged = await knock(report.model_copy(update={"preconditions": seen}), bench)
    return judged.model_copy(update={"gate": GateAnswer(open=True), "preconditions": report.preconditions})


async def _blind(report: Report, bench: Bench) -> Report:
    return report


async def _left(report: Report, bench: Bench) -> Report:
    """Nothing is taken back."""
    steps = [s.model_copy(update={"taken_back": False}) if s.undo else s for s in report.steps]
    return report.model_copy(update={"steps": steps})


ABLATIONS: Mapping[str, Method] = {
    "no typed schema": untyped,
    "no gate": ours({**STEPS, "knock": _open_gate}),
    "no hidden verification": ours({**STEPS, "verify_hidden": _blind}),
    "no rollback": ours({**STEPS, "take_back": _left}),
}
