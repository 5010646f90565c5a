"""One visit of one stage: bounded in time, retried where that helps, its outcome recorded, its failure handled as written."""

# pyright: reportTypedDictNotRequiredAccess=false
# (a run always has its ids)
from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from domain.clock import Clock
from domain.errors import FirebreakError, LeaseLostError, Transient
from domain.pipeline import OnFailure, Stage, StageResult, StageStatus, seconds
from graph.nodes.walk import knobs_of
from graph.pipelines.conditions import evaluate, filled
from graph.pipelines.stages import Bindings, StageAnswer, StageCall, StageTemplate, StageWork
from graph.pipelines.state import PipelineState, context, visits
from graph.state import Knobs

ATTEMPTS = 3
"""Tries of a stage whose error says that trying again helps."""
PAUSED = "paused"
"""Key of the question that a failed stage with `on_failure: pause` asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Runs one stage of kind agent or gate."""

    stage: Stage
    work: StageWork
    template: StageTemplate | None
    bindings: Bindings

    async def visit(self, state: PipelineState, config: RunnableConfig, runtime: Runtime[Knobs]) -> dict[str, Any]:
        """The node of the stage: an update of the state."""
        started = self.clock.now()
        asked = dict(state.get("waiting", {}).get(self.stage.name) or {})
        answer = dict(state.get("answers", {}).get(self.stage.name) or {})
        told = self._after_pause(asked, answer)
        if told is not None:
            return await self._ended(state, started, told, runtime, decided=True)
        asked = {} if PAUSED in asked else {**asked, **answer}
        found = await self._tried(state, config, runtime, asked)
        if found.asks is not None:
            return {"waiting": {self.stage.name: self._question(found.asks, state)}, "answers": {self.stage.name: None}}
        return await self._ended(state, started, found, runtime)

    @property
    def clock(self) -> Clock:
        return self.bindings.services.clock

    async def _tried(
        self, state: PipelineState, config: RunnableConfig, runtime: Runtime[Knobs], asked: Mapping[str, Any]
    ) -> StageAnswer:
        try:
            args = self._arguments(state, runtime)
            visit = visits(state, self.stage.name) + 1
            call = StageCall(
                stage=self.stage.name,
                visit=visit,
                args=args,
                state=state,
                asked=asked,
                config=config,
                runtime=runtime,
            )
            async with asyncio.timeout(seconds(self.stage.timeout) if self.stage.timeout and self.template else None):
                return await self._patiently(call)
        except TimeoutError:
            return StageAnswer(error=f"did not end within {self.stage.timeout}")
        except LeaseLostError:
            raise
        except FirebreakError as error:
            return StageAnswer(error="; ".join(error.lines()))
        except ValueError as error:
            return StageAnswer(error=f"arguments: {' '.join(str(error).split())[:300]}")

    def _arguments(self, state: PipelineState, runtime: Runtime[Knobs]) -> Any:
        if self.template is None or self.stage.agent is None:
            return None
        return self.template.args.model_validate(filled(self.stage.agent.with_, context(state, knobs_of(runtime))))

    async def _patiently(self, call: StageCall) -> StageAnswer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self.work(call)
            except Transient as error:
                if attempt == ATTEMPTS or isinstance(error, LeaseLostError):
                    raise
                await self.clock.sleep(error.retry_after)
        raise AssertionError("the last attempt returns or raises")

    def _question(self, asks: Mapping[str, Any], state: PipelineState) -> dict[str, Any]:
        now = self.clock.now().isoformat()
        question = {**asks, "id": f"{self.stage.name}@{now}", "stage": self.stage.name, "run": state["run"]}
        if self.stage.timeout:
            question["expires_at"] = (self.clock.now() + timedelta(seconds=seconds(self.stage.timeout))).isoformat()
        return question

    def _after_pause(self, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> StageAnswer | None:
        """What a person decided about a failed stage; None: run it (again)."""
        if PAUSED not in asked or answer.get("decision") == "retry":
            return None
        if answer.get("decision") == "skip":
            return StageAnswer(artifacts={"skipped_by": answer.get("by", ""), "failed_with": asked[PAUSED]})
        return StageAnswer(error=f"{asked[PAUSED]} ({answer.get('decision', 'abort')} by {answer.get('by', '')})")

    async def _ended(
        self,
        state: PipelineState,
        started: datetime,
        found: StageAnswer,
        runtime: Runtime[Knobs],
        *,
        decided: bool = False,
    ) -> dict[str, Any]:
        """`decided`: a person said what becomes of a failure, so nobody is asked again."""
        name, rule = self.stage.name, self.stage.on_failure
        if found.error and rule and rule.action == "pause" and not decided:
            asks = {PAUSED: found.error, "allowed": ["retry", "skip", "abort"]}
            return {"waiting": {name: self._question(asks, state)}, "answers": {name: None}}
        status = StageStatus.FAILED if found.error else StageStatus.SKIPPED if decided else StageStatus.COMPLETED
        artifacts, error = dict(found.artifacts), found.error
        variables: dict[str, Any] = {}
        if not error:
            variables, error = self._variables(state, artifacts, runtime)
            status = StageStatus.FAILED if error else status
        result = StageResult(
            name=name,
            visit=visits(state, name) + 1,
            status=status,
            started_at=started,
            completed_at=self.clock.now(),
            artifacts=artifacts,
            error=error,
            agent_id=self.bindings.services.agent,
        )
        await self._note(state, result)
        return {
            **found.update,
            "artifacts": {name: artifacts},
            "variables": variables,
            "stage_results": [result],
            "waiting": {name: None},
            "answers": {name: None},
            **(failure(state, rule, name, error, found.update.get("changes", [])) if error else {}),
        }

    def _variables(
        self, state: PipelineState, artifacts: dict[str, Any], runtime: Runtime[Knobs]
    ) -> tuple[dict[str, Any], str]:
        if not self.stage.set:
            return {}, ""
        seen = context(state, knobs_of(runtime))
        seen["artifacts"] = {**seen["artifacts"], self.stage.name: artifacts}
        try:
            return {name: evaluate(text, seen) for name, text in self.stage.set.items()}, ""
        except FirebreakError as error:
            return {}, "; ".join(error.lines())

    async def _note(self, state: PipelineState, result: StageResult) -> None:
        said = {
            "pipeline": state.get("pipeline_name", ""),
            "stage": result.name,
            "visit": result.visit,
            "status": result.status.value,
            "error": result.error[:500],
        }
        await self.bindings.services.note("observation", state["run"], said)


def failure(
    state: PipelineState, rule: OnFailure | None, stage: str, error: str, fresh: list[dict[str, str]]
) -> dict[str, Any]:
    """What a failed stage means for the run."""
    if rule and rule.action == "continue":
        return {}
    stop = {"failed": f"{stage}: {error}"}
    if rule and rule.action == "rollback":
        return {**stop, "taking_back": after(state, rule.rollback_to, fresh)}
    return stop


def after(state: PipelineState, stage: str | None, fresh: list[dict[str, str]]) -> list[dict[str, str]]:
    """Changes of this run that came after a stage (all without one), the last first."""
    changes = [*state.get("changes", []), *(c for c in fresh if c not in state.get("changes", []))]
    if stage is not None:
        ended = [r.name for r in state.get("stage_results", [])]
        later = set(ended[len(ended) - ended[::-1].index(stage) :]) if stage in ended else set(ended)
        changes = [c for c in changes if c["stage"] in later or c in fresh]
    return changes[::-1]
