"""What a pipeline run knows: the incident state (whose nodes may be stages) and the context of the pipeline itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from domain.pipeline import StageResult, StageStatus
from graph import routing
from graph.state import Knobs, State


def merge(known: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """By key; the newer value stands."""
    return {**known, **new}


def append_stages(known: Sequence[StageResult], new: Sequence[StageResult]) -> list[StageResult]:
    """By stage and visit; a stage that ran again after a crash is one row."""
    merged = {(r.name, r.visit): r for r in known}
    merged.update({(r.name, r.visit): r for r in new})
    return list(merged.values())


def append_changes(known: Sequence[dict[str, str]], new: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Applied steps in order, each once."""
    return [*known, *(row for row in new if row not in known)]


def first_words(known: str, new: str) -> str:
    """The first reason to stop stands."""
    return known or new


class PipelineState(State, total=False):
    """One run of one pipeline."""

    pipeline_name: str
    inputs: dict[str, Any]
    variables: Annotated[dict[str, Any], merge]
    artifacts: Annotated[dict[str, Any], merge]
    """Stage → what it left behind."""
    stage_results: Annotated[list[StageResult], append_stages]
    changes: Annotated[list[dict[str, str]], append_changes]
    """{stage, plan, step} of everything that was applied and could be taken back."""
    waiting: Annotated[dict[str, Any], merge]
    """Stage → what it asks people, or None."""
    answers: Annotated[dict[str, Any], merge]
    """Stage → what people said, or None."""
    failed: Annotated[str, first_words]
    """Why the run stops; empty: go on."""
    taking_back: list[dict[str, str]]
    """Changes still to be taken back, next first."""


def visits(state: PipelineState, stage: str) -> int:
    """How often the stage has come to an end."""
    return sum(1 for r in state.get("stage_results", []) if r.name == stage and r.status is not StageStatus.RUNNING)


def context(state: PipelineState, knobs: Knobs) -> dict[str, Any]:
    """What a condition may read: pipeline, run, inputs, variables, artifacts, results (stage → status), next.

    `next` says where the incident graph's own routing would go after each of its nodes: {perceive: "plan", …}.
    """
    return {
        "pipeline": state.get("pipeline_name", ""),
        "run": state.get("run", ""),
        "inputs": state.get("inputs", {}),
        "variables": state.get("variables", {}),
        "artifacts": state.get("artifacts", {}),
        "results": {r.name: r.status.value for r in state.get("stage_results", [])},
        "next": {
            "perceive": routing.after_perceive(state, knobs),
            "plan": routing.after_plan(state),
            "judge": routing.after_judge(state, knobs),
            "approve": routing.after_approve(state),
            "act": routing.after_act(state),
            "oversee": routing.after_oversee(state, knobs),
            "clarify": routing.after_clarify(state, knobs),
            "roll_back": routing.after_roll_back(state, knobs),
        },
    }
