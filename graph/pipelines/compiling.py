"""From a checked pipeline to a LangGraph graph: one node per stage, one beside it that waits for people and does nothing else."""

# pyright: reportTypedDictNotRequiredAccess=false
# (a run always has its ids)
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END as GRAPH_END
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from domain.action import Outcome, Verdict
from domain.errors import FirebreakError
from domain.pipeline import END, Pipeline, Stage, StageResult, StageStatus
from graph.nodes.walk import knobs_of
from graph.pipelines.changing import take_back
from graph.pipelines.checking import UNDO
from graph.pipelines.conditions import holds
from graph.pipelines.gates import gate_work
from graph.pipelines.stages import Bindings, StageTemplate
from graph.pipelines.state import PipelineState, context, visits
from graph.pipelines.visiting import Visitor, failure
from graph.state import Knobs

RECURSION_LIMIT = 400

PipelineGraph = CompiledStateGraph[PipelineState, Knobs, PipelineState, PipelineState]
_Graph = StateGraph[PipelineState, Knobs, PipelineState, PipelineState]


def compile_pipeline(
    pipeline: Pipeline,
    templates: Mapping[str, StageTemplate],
    bindings: Bindings,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
) -> PipelineGraph:
    """The compiled graph of a pipeline without errors (checking.check_pipeline)."""
    compiler = _Compiler(pipeline, templates, bindings)
    compiled = compiler.graph().compile(checkpointer=checkpointer, name=pipeline.name)
    return compiled.with_config(recursion_limit=RECURSION_LIMIT)


class _Compiler:
    def __init__(self, pipeline: Pipeline, templates: Mapping[str, StageTemplate], bindings: Bindings) -> None:
        self._pipeline = pipeline
        self._templates = templates
        self._bindings = bindings
        self._graph: _Graph = StateGraph(PipelineState, context_schema=Knobs)

    def graph(self) -> _Graph:
        self._graph.add_node(UNDO, self._undo)
        self._graph.add_conditional_edges(UNDO, _more_to_undo, [UNDO, GRAPH_END])
        self._graph.add_edge(START, self._sequence(self._pipeline.stages, GRAPH_END, ""))
        return self._graph

    def _sequence(self, stages: list[Stage], then: str, branch_end: str) -> str:
        """Wires stages in order; returns where the list is entered. `branch_end`: where a failure in a branch leads."""
        for at in range(len(stages) - 1, -1, -1):
            follower = stages[at + 1].name if at + 1 < len(stages) else then
            wanted = stages[at].next
            self._stage(stages[at], follower if wanted is None else _place(wanted), branch_end)
        return stages[0].name if stages else then

    def _stage(self, stage: Stage, then: str, branch_end: str) -> None:
        if stage.condition is not None:
            self._condition(stage, then, branch_end)
        elif stage.parallel is not None:
            self._parallel(stage, then, branch_end)
        else:
            self._visited(stage, then, branch_end)

    def _visited(self, stage: Stage, then: str, branch_end: str) -> None:
        waiting = f"{stage.name}.wait"
        template = self._templates[stage.agent.template] if stage.agent else None
        if template is not None:
            work = template.make(self._bindings)
        else:
            assert stage.gate is not None, "agent or gate"
            work = gate_work(stage.gate)
        visit: Any = Visitor(stage=stage, work=work, template=template, bindings=self._bindings).visit
        self._graph.add_node(stage.name, visit)
        self._graph.add_node(waiting, _waiter(stage.name))
        self._graph.add_edge(waiting, stage.name)

        def route(state: PipelineState) -> str:
            if state.get("waiting", {}).get(stage.name) is not None:
                return waiting
            return _onward(state, then, branch_end)

        self._graph.add_conditional_edges(stage.name, route, _unique(waiting, then, branch_end, UNDO, GRAPH_END))

    def _condition(self, stage: Stage, then: str, branch_end: str) -> None:
        condition = stage.condition
        assert condition is not None, "asked before"
        yes, no = (
            _place(way) if isinstance(way, str) else self._sequence(way, then, branch_end)
            for way in (condition.then, condition.else_)
        )
        self._graph.add_node(stage.name, self._decider(stage))

        def route(state: PipelineState) -> str:
            if state.get("failed"):
                return _onward(state, then, branch_end)
            return yes if state["artifacts"][stage.name]["holds"] else no

        self._graph.add_conditional_edges(stage.name, route, _unique(yes, no, branch_end, UNDO, GRAPH_END))

    def _decider(self, stage: Stage) -> Callable[..., Any]:
        clock = self._bindings.services.clock

        async def decide(state: PipelineState, runtime: Runtime[Knobs]) -> dict[str, Any]:
            assert stage.condition is not None, "asked before"
            now, error, answer = clock.now(), "", False
            try:
                answer = holds(stage.condition.if_, context(state, knobs_of(runtime)))
            except FirebreakError as problem:
                error = "; ".join(problem.lines())
            artifacts = {"if": stage.condition.if_, "holds": answer}
            result = StageResult(
                name=stage.name,
                visit=visits(state, stage.name) + 1,
                status=StageStatus.FAILED if error else StageStatus.COMPLETED,
                started_at=now,
                completed_at=clock.now(),
                artifacts=artifacts,
                error=error,
            )
            update = {"stage_results": [result], "artifacts": {stage.name: artifacts}}
            return {**update, **(failure(state, stage.on_failure, stage.name, error, []) if error else {})}

        return decide

    def _parallel(self, stage: Stage, then: str, branch_end: str) -> None:
        assert stage.parallel is not None, "asked before"
        join = f"{stage.name}.join"
        clock = self._bindings.services.clock

        async def fork(state: PipelineState) -> dict[str, Any]:
            visit = visits(state, stage.name) + 1
            running = StageResult(name=stage.name, visit=visit, status=StageStatus.RUNNING, started_at=clock.now())
            return {"stage_results": [running]}

        async def joined(state: PipelineState) -> dict[str, Any]:
            begun = [r for r in state["stage_results"] if r.name == stage.name][-1]
            status = StageStatus.FAILED if state.get("failed") else StageStatus.COMPLETED
            ended = begun.model_copy(update={"status": status, "completed_at": clock.now()})
            return {"stage_results": [ended]}

        self._graph.add_node(stage.name, fork)
        self._graph.add_node(join, joined)
        ends = []
        for number, branch in enumerate(stage.parallel.branches, start=1):
            end = f"{stage.name}.end.{number}"
            self._graph.add_node(end, _nothing)
            self._graph.add_edge(stage.name, self._sequence(branch, end, end))
            ends.append(end)
        self._graph.add_edge(ends, join)
        self._graph.add_conditional_edges(
            join, lambda state: _onward(state, then, branch_end), _unique(then, branch_end, UNDO, GRAPH_END)
        )

    async def _undo(self, state: PipelineState) -> dict[str, Any]:
        """One compensation. What cannot be taken back unattended stays and is said."""
        change, *rest = state["taking_back"]
        clock = self._bindings.services.clock
        started = clock.now()
        receipt = await take_back(self._bindings.services, state, change)
        done = receipt.verdict is Verdict.ALLOW and receipt.outcome in (Outcome.SUCCEEDED, Outcome.SKIPPED)
        result = StageResult(
            name=UNDO,
            visit=visits(state, UNDO) + 1,
            status=StageStatus.COMPLETED if done else StageStatus.FAILED,
            started_at=started,
            completed_at=clock.now(),
            artifacts={**change, "ledger": receipt.ledger},
            error="" if done else f"{change['stage']} was not taken back: {receipt.summary}",
        )
        return {"taking_back": rest if done else [], "stage_results": [result]}


def _place(name: str) -> str:
    return GRAPH_END if name == END else name


def _onward(state: PipelineState, then: str, branch_end: str) -> str:
    """The next stage; after a failure the end of the branch, the taking back, or the end."""
    if not state.get("failed"):
        return then
    return branch_end or _more_to_undo(state)


def _more_to_undo(state: PipelineState) -> str:
    return UNDO if state.get("taking_back") else GRAPH_END


def _waiter(stage: str) -> Callable[..., Any]:
    async def wait(state: PipelineState) -> dict[str, Any]:
        return {"answers": {stage: interrupt(state["waiting"][stage])}}

    return wait


async def _nothing(state: PipelineState) -> dict[str, Any]:
    return {}


def _unique(*names: str) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))
