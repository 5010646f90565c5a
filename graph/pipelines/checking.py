"""What is wrong with a pipeline before anything runs. Pure; every finding names its stage and what would be right."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from domain.action import ActionSpec, Effect
from domain.pipeline import END, Pipeline, Stage, inner
from domain.value import Value
from graph.pipelines.conditions import check_condition, expressions
from graph.pipelines.stages import StageTemplate

UNDO = "take-back"
"""The node that takes changes back."""
RESERVED = (END, UNDO)


class PipelineFinding(Value):
    """One thing that is wrong (error: it must not run) or worth knowing (warning)."""

    stage: str
    level: Literal["error", "warning"]
    text: str


def check_pipeline(
    pipeline: Pipeline, templates: Mapping[str, StageTemplate], actions: Mapping[str, ActionSpec]
) -> list[PipelineFinding]:
    """All findings; a pipeline without errors may run."""
    found = [*_names(pipeline), *_jumps(pipeline)]
    if not found:
        found += _unreachable(pipeline)
    for stage in pipeline.every_stage():
        found += _conditions(stage)
        found += _agent(stage, pipeline, templates, actions)
        found += _side_by_side(stage, templates)
        found += _gate(stage)
    return found


def missing_programs(pipeline: Pipeline, templates: Mapping[str, StageTemplate]) -> list[PipelineFinding]:
    """Programs that stages need and this machine does not have."""
    rows = [(s.name, t.needs_tool) for s in pipeline.every_stage() if (t := _template(s, templates)) is not None]
    return [
        _warn(stage, f"needs the program {tool}, which is not on this machine's PATH")
        for stage, tool in rows
        if tool and shutil.which(tool) is None
    ]


def _template(stage: Stage, templates: Mapping[str, StageTemplate]) -> StageTemplate | None:
    return templates.get(stage.agent.template) if stage.agent else None


def _names(pipeline: Pipeline) -> list[PipelineFinding]:
    names = [s.name for s in pipeline.every_stage()]
    doubles = sorted({n for n in names if names.count(n) > 1})
    found = [_error(n, "two stages have this name; names are unique in a pipeline") for n in doubles]
    return found + [_error(n, f"no stage may be called {n}: that name is our own") for n in names if n in RESERVED]


def _jumps(pipeline: Pipeline) -> list[PipelineFinding]:
    names = [s.name for s in pipeline.every_stage()]
    found = []
    for stage in pipeline.every_stage():
        targets = [*jumps(stage)]
        if stage.on_failure and stage.on_failure.rollback_to:
            targets.append(stage.on_failure.rollback_to)
        found += [
            _error(stage.name, f"there is no stage {t!r}{_near(t, names)}")
            for t in targets
            if t != END and t not in names
        ]
    inside = {s.name for b in _branches(pipeline) for s in Pipeline.every_stage(_of(pipeline, b))}
    for stage in pipeline.every_stage():
        own = _branch_of(pipeline, stage.name)
        for target in jumps(stage):
            leaves = stage.name in inside and target not in own
            enters = target in inside and target not in own
            if leaves or enters:
                found.append(_error(stage.name, f"a jump to {target!r} would cross the border of a parallel branch"))
    return found


def jumps(stage: Stage) -> Iterator[str]:
    """Names that this stage may go to besides the stage that follows it."""
    if stage.next:
        yield stage.next
    if stage.condition:
        yield from (t for t in (stage.condition.then, stage.condition.else_) if isinstance(t, str))


def _branches(pipeline: Pipeline) -> list[list[Stage]]:
    return [branch for s in pipeline.every_stage() if s.parallel for branch in s.parallel.branches]


def _of(pipeline: Pipeline, stages: list[Stage]) -> Pipeline:
    return pipeline.model_copy(update={"stages": stages})


def _branch_of(pipeline: Pipeline, name: str) -> set[str]:
    """All names of the innermost branch that holds the stage; empty outside of branches."""
    holding = [{s.name for s in _of(pipeline, b).every_stage()} for b in _branches(pipeline)]
    return min((names for names in holding if name in names), key=len, default=set())


def _unreachable(pipeline: Pipeline) -> list[PipelineFinding]:
    seen: set[str] = set()
    _visit(pipeline.stages, 0, [], _places(pipeline.stages, []), seen)
    return [
        _error(s.name, "no way leads here: the stage before it always goes elsewhere")
        for s in pipeline.every_stage()
        if s.name not in seen
    ]


Place = tuple[list[Stage], int, list[tuple[list[Stage], int]]]


def _places(stages: list[Stage], outer: list[tuple[list[Stage], int]]) -> dict[str, Place]:
    """Stage name → the list it stands in, its position there, and where to go on when that list ends."""
    found: dict[str, Place] = {}
    for at, stage in enumerate(stages):
        found[stage.name] = (stages, at, outer)
        for nested in inner(stage):
            found |= _places(nested, [(stages, at + 1), *outer])
    return found


def _visit(
    stages: list[Stage], at: int, outer: list[tuple[list[Stage], int]], places: dict[str, Place], seen: set[str]
) -> None:
    if at >= len(stages):
        if outer:
            _visit(outer[0][0], outer[0][1], outer[1:], places, seen)
        return
    stage = stages[at]
    if stage.name in seen:
        return
    seen.add(stage.name)
    for target in jumps(stage):
        if target != END:
            where = places[target]
            _visit(where[0], where[1], where[2], places, seen)
    for nested in inner(stage):
        _visit(nested, 0, [(stages, at + 1), *outer], places, seen)
    if not stage.next and not _never_falls_through(stage):
        _visit(stages, at + 1, outer, places, seen)


def _never_falls_through(stage: Stage) -> bool:
    condition = stage.condition
    return condition is not None and isinstance(condition.then, str) and isinstance(condition.else_, str)


def _conditions(stage: Stage) -> list[PipelineFinding]:
    texts = list(stage.set.values())
    texts += [stage.condition.if_] if stage.condition else []
    texts += expressions(stage.agent.with_) if stage.agent else []
    if stage.gate and stage.gate.consensus:
        texts += [r.approves_if for r in stage.gate.consensus.reviewers]
    return [_error(stage.name, f"{text!r} is {wrong}") for text in texts if (wrong := check_condition(text))]


def _agent(
    stage: Stage, pipeline: Pipeline, templates: Mapping[str, StageTemplate], actions: Mapping[str, ActionSpec]
) -> list[PipelineFinding]:
    if stage.agent is None:
        return []
    template = templates.get(stage.agent.template)
    if template is None:
        return [
            _error(stage.name, f"unknown template {stage.agent.template!r}{_near(stage.agent.template, templates)}")
        ]
    found = []
    if stage.agent.tier.level > pipeline.tier.level:
        found.append(_error(stage.name, f"asks for {stage.agent.tier}, above the pipeline's ceiling {pipeline.tier}"))
    if stage.agent.tier.level < template.tier.level:
        text = f"{template.name} needs at least {template.tier}, the stage grants {stage.agent.tier}"
        found.append(_error(stage.name, text))
    found += _arguments(stage, template)
    return found + (_undo(stage, actions) if template.name == "act" else [])


def _arguments(stage: Stage, template: StageTemplate) -> list[PipelineFinding]:
    assert stage.agent is not None, "asked before"
    written = stage.agent.with_
    if expressions(written):  # known only when it runs; names can be checked now
        extra = sorted(set(written) - set(template.args.model_fields))
        missing = [n for n, f in template.args.model_fields.items() if f.is_required() and n not in written]
        rows = [f"{n} is no argument{_near(n, template.args.model_fields)}" for n in extra]
        return [_error(stage.name, row) for row in rows + [f"{n} is missing" for n in missing]]
    try:
        template.args.model_validate(written)
    except ValidationError as error:
        return [_error(stage.name, f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}") for e in error.errors()]
    return []


def _undo(stage: Stage, actions: Mapping[str, ActionSpec]) -> list[PipelineFinding]:
    assert stage.agent is not None, "asked before"
    written: dict[str, Any] = stage.agent.with_
    action = written.get("action")
    if isinstance(action, str) and action not in actions:
        return [_error(stage.name, f"unknown action {action!r}{_near(action, actions)}")]
    if written.get("accept_no_undo") is True:
        return []
    if not isinstance(action, str):
        text = "which action it is shows only when it runs, so whether it can be taken back is not known"
    elif actions[action].effect is Effect.IRREVERSIBLE:
        text = f"{action} has no undo ({actions[action].no_undo_reason or 'none is known'})"
    else:
        return []
    return [_error(stage.name, f"{text}; say accept_no_undo: true to run it all the same")]


def _side_by_side(stage: Stage, templates: Mapping[str, StageTemplate]) -> list[PipelineFinding]:
    if stage.parallel is None:
        return []
    changing = [
        nested.name
        for branch in stage.parallel.branches
        for nested in branch
        if (template := _template(nested, templates)) is not None and template.mutating
    ]
    return [_error(stage.name, f"changes run one after the other: {', '.join(changing)}")] if len(changing) > 1 else []


def _gate(stage: Stage) -> list[PipelineFinding]:
    consensus = stage.gate.consensus if stage.gate else None
    if consensus is None or consensus.quorum <= len(consensus.reviewers):
        return []
    return [_error(stage.name, f"{len(consensus.reviewers)} reviewers can never be a quorum of {consensus.quorum}")]


def _error(stage: str, text: str) -> PipelineFinding:
    return PipelineFinding(stage=stage, level="error", text=text)


def _warn(stage: str, text: str) -> PipelineFinding:
    return PipelineFinding(stage=stage, level="warning", text=text)


def _near(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
