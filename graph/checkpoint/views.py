"""What a checkpoint says to a person: one view, the difference of two, a summary that fits into a token budget. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from domain.action import Judgement
from domain.diagnosis import Diagnosis
from domain.plan import Plan, StepResult
from domain.value import Value

if TYPE_CHECKING:  # costs a fifth of a second, and the command line imports this for every command
    from langgraph.checkpoint.base import CheckpointTuple

BUDGETS = (500, 1000, 2000, 4000)
"""Token budgets of summaries (spec: governance, Pipelines)."""
RECENT = 8
"""Evidence entries that are shown."""
_VARIABLES = ("looks", "cursor", "replans", "clarified", "decision", "halt", "outcome", "model", "inputs", "variables")


class TaskState(Value):
    """One step of the plan, or one stage of a pipeline."""

    task: str
    what: str
    state: str
    """pending, allowed, asked, denied; then the outcome or the stage's status."""


class CheckpointView(Value):
    """One checkpoint of one thread."""

    thread: str
    id: str
    at: str
    step: int | None = None
    """Superstep of the run; -1 is the input."""
    title: str = ""
    phase: str = ""
    status: str = ""
    agent: str = ""
    tier: str = ""
    """As it is now; checkpoints do not freeze what an agent may do. Empty: nobody could be asked."""
    tasks: list[TaskState] = []
    dependencies: dict[str, bool | None] = {}
    """Health check → ok before the next step; None could not be told."""
    variables: dict[str, Any] = {}
    hypotheses: list[str] = []
    evidence: list[str] = []


class Change(Value):
    """One field that differs between two checkpoints."""

    field: str
    before: str
    after: str


def view_of(found: CheckpointTuple, *, agent: str = "", tier: str = "") -> CheckpointView:
    """A checkpoint as it is shown."""
    values: Mapping[str, Any] = found.checkpoint.get("channel_values", {})
    where: Mapping[str, Any] = found.config.get("configurable", {})
    phases = values.get("phases") or [""]
    diagnosis: Diagnosis | None = values.get("diagnosis")
    evidence = list(diagnosis.evidence) if diagnosis else []
    return CheckpointView(
        thread=str(where.get("thread_id", "")),
        id=str(found.checkpoint["id"]),
        at=str(found.checkpoint["ts"]),
        step=(found.metadata or {}).get("step"),
        title=str(values.get("title", "")),
        phase=str(phases[-1]),
        status=str(values.get("status", "")),
        agent=agent,
        tier=tier,
        tasks=[*_steps(values), *_stages(values)],
        dependencies=dict(values.get("before") or {}),
        variables={name: values[name] for name in _VARIABLES if values.get(name) not in (None, "", [], {})},
        hypotheses=[
            f"{h.service} {h.fault_class or '?'} ({h.confidence:.2f}): {h.statement}"
            for h in (diagnosis.hypotheses[:3] if diagnosis else [])
        ],
        evidence=[f"[{e.id}] {e.source}: {e.excerpt}" for e in evidence[-RECENT:]],
    )


def _steps(values: Mapping[str, Any]) -> Iterator[TaskState]:
    plan: Plan | None = values.get("plan")
    judged: dict[str, Judgement] = {j.step_id: j for j in values.get("judgements", [])}
    done: dict[str, StepResult] = {r.step_id: r for r in values.get("results", []) if not r.compensation}
    back = {r.step_id for r in values.get("results", []) if r.compensation}
    words = {"allow": "allowed", "ask": "asked", "deny": "denied"}
    for step in plan.steps if plan else []:
        state = words[judged[step.id].verdict] if step.id in judged else "pending"
        state = done[step.id].outcome.value if step.id in done else state
        state = f"{state}, taken back" if step.id in back else state
        yield TaskState(task=step.id, what=f"{step.call.action} {step.call.target}", state=state)


def _stages(values: Mapping[str, Any]) -> Iterator[TaskState]:
    for result in values.get("stage_results", []):
        yield TaskState(task=result.name, what=f"visit {result.visit}", state=result.status.value)


def difference(before: CheckpointView, after: CheckpointView) -> list[Change]:
    """Fields that differ, in the order of the view; ids and times are no difference."""
    old, new = _flat(before), _flat(after)
    return [
        Change(field=name, before=old.get(name, ""), after=new.get(name, ""))
        for name in dict.fromkeys([*old, *new])
        if old.get(name, "") != new.get(name, "")
    ]


def _flat(view: CheckpointView) -> dict[str, str]:
    rows = {name: str(getattr(view, name)) for name in ("title", "phase", "status", "agent", "tier")}
    rows |= {f"task {t.task} ({t.what})": t.state for t in view.tasks}
    rows |= {f"dependency {name}": str(ok) for name, ok in view.dependencies.items()}
    rows |= {f"variable {name}": str(value) for name, value in view.variables.items()}
    rows |= {f"hypothesis {n}": text for n, text in enumerate(view.hypotheses, 1)}
    return rows | {f"evidence {text.partition(' ')[0]}": text.partition(" ")[2] for text in view.evidence}


def tokens(text: str) -> int:
    """An upper bound of a text's tokens: its UTF-8 bytes. Byte-level tokenizers never need more; most need a quarter."""
    return len(text.encode())


def summary(view: CheckpointView, budget: int) -> str:
    """The most important lines first, as many as fit into the budget; what was left out is said when that fits too."""
    kept: list[str] = []
    lines = list(_lines(view))
    for number, line in enumerate(lines):
        more = f"… {len(lines) - number - 1} more lines"
        room = budget - tokens("\n".join([*kept, line, more]))
        if room < 0:
            left = f"… {len(lines) - number} more lines"
            return "\n".join([*kept, left] if tokens("\n".join([*kept, left])) <= budget else kept)
        kept.append(line)
    return "\n".join(kept)


def _lines(view: CheckpointView) -> Iterator[str]:
    yield f"{view.thread}: {view.status or 'begun'}, phase {view.phase or 'none'}, step {view.step}"
    yield f"title: {view.title[:120]}"
    yield from (f"cause {n}: {text[:160]}" for n, text in enumerate(view.hypotheses, 1))
    yield from (f"task {t.task}: {t.what}: {t.state}" for t in view.tasks)
    yield from (
        f"dependency {name}: {'well' if ok else 'cannot tell' if ok is None else 'not well'}"
        for name, ok in view.dependencies.items()
    )
    yield from (f"{name}: {str(value)[:160]}" for name, value in view.variables.items())
    yield from (f"evidence {text[:200]}" for text in view.evidence)
    if view.agent:
        yield f"agent {view.agent}, tier {view.tier or 'not known here'}"
