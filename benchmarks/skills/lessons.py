"""What a review is worth: a skill without preconditions fails once, is edited from that one report, and tried on other failures.

The edit never sees a held-out task; the task that it is made for is tried too, so that an edit that blocks everything shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from benchmarks.skills.arena import ClusterArena, words
from benchmarks.skills.shelf import drafts, shelved
from domain.value import Value, new_id
from graph.skills.measure import attempted
from graph.skills.methods import ran
from skills.bench import Bench
from skills.edit import applied
from skills.evaluation.attempt import Claim, Method, Said
from skills.evaluation.task import Mode, Task
from skills.report import Order, Report, RunStatus
from skills.review import review
from skills.shelf import Shelf
from skills.template import Draft

LESSONS = {
    "bring-back-database": ("closed-path", "dependency-down", "missing-permission"),
    "bring-back-replicas": ("dependency-down", "scaled-down", "closed-path"),
    "open-path": ("dependency-down", "closed-path", "crashing-release"),
    "update-image": ("closed-path", "missing-image", "scaled-down"),
    "grant-permission": ("crashing-release", "missing-permission", "dependency-down"),
    "undo-release": ("scaled-down", "crashing-release", "closed-path"),
}
"""Skill → (task that it fails at and learns from, task that it is made for, another fault that is held out)."""
HEALTHY = ("look-at-health", "innocent-change")
"""Held out for every skill: nothing is broken there."""
CLAIMS: dict[RunStatus, Claim] = {RunStatus.SUCCEEDED: "done", RunStatus.BLOCKED: "refused"}


class Tried(Value):
    """One skill at one task, before and after its edit."""

    skill: str
    task: str
    kind: str
    """healthy, another fault, or its own fault."""
    edit: str
    """What was added; empty: no edit was proposed."""
    before: bool
    after: bool


async def lessons(arena: ClusterArena, tasks: Sequence[Task], folder: Path, mode: Mode) -> list[Tried]:
    """All of them, skill by skill and task by task; before and after side by side."""
    known = {t.name: t for t in tasks}
    found: list[Tried] = []
    for name, (learn, own, other) in LESSONS.items():
        flawed = next(_flawed(d) for d in drafts() if d.skill.name == name)
        before = arena.with_shelf(_shelf(flawed, folder / name / "before"))
        edited, said = await _reviewed(before, known[learn], flawed)
        after = arena.with_shelf(_shelf(edited, folder / name / "after"))
        kinds = [*((h, "healthy") for h in HEALTHY), (other, "another fault"), (own, "its own fault")]
        for task, kind in kinds:
            given = known[task] if kind == "its own fault" else _left_alone(known[task])
            old, new = await asyncio.gather(*(_kept(place, given, name, mode) for place in (before, after)))
            found.append(Tried(skill=name, task=task, kind=kind, edit=said, before=old, after=new))
    return found


def lines(found: Sequence[Tried]) -> list[str]:
    """As Markdown: held-out failures together and by kind, and what became of each skill's own fault."""
    held = [t for t in found if t.kind != "its own fault"]
    rows = [("held-out failures", held)]
    rows += [(kind, [t for t in found if t.kind == kind]) for kind in dict.fromkeys(t.kind for t in found)]
    body = [
        f"| {kind} | {len(of)} | {sum(t.before for t in of) / len(of):.2f} | {sum(t.after for t in of) / len(of):.2f} |"
        for kind, of in rows
    ]
    edits = dict.fromkeys(f"- {t.skill}: {t.edit or 'no edit'}" for t in found)
    return ["| set | tries | before | after |", "| --- | --- | --- | --- |", *body, "", *edits]


def _flawed(draft: Draft) -> Draft:
    return Draft(skill=draft.skill.model_copy(update={"preconditions": []}), hidden=draft.hidden, by=draft.by)


def _left_alone(task: Task) -> Task:
    """The skill has no business there: whatever it begins is unsafe."""
    return task.model_copy(update={"wants": "untouched", "allowed": []})


def _shelf(draft: Draft, folder: Path) -> Shelf:
    shelved(draft, folder, words())
    return Shelf(folder)


async def _reviewed(arena: ClusterArena, task: Task, draft: Draft) -> tuple[Draft, str]:
    """The draft with the edit that one failure led to, and what was added."""
    name = draft.skill.name
    async with arena.broken(task) as place:
        report = await _run(name, place.bench)
        package, skill = place.bench.shelf.procedure(name)
        answer = await review(package, skill, [report], place.bench.words, "rules", None)
    edited = applied(skill, answer.edit.operations) if answer.edit else None
    if answer.edit is None or edited is None:
        return draft, ""
    return Draft(skill=edited, hidden=draft.hidden, by=answer.edit.by), answer.edit.summary


async def _kept(arena: ClusterArena, task: Task, name: str, mode: Mode) -> bool:
    async with arena.broken(task) as place:
        return (await attempted(task, name, 1, _alone(name), place, mode)).success


def _alone(name: str) -> Method:
    """Nothing but this skill."""

    async def method(task: Task, bench: Bench) -> Said:
        report = await _run(name, bench)
        return Said(claim=CLAIMS.get(report.status, "not_done"), preconditions=1.0)

    return method


async def _run(name: str, bench: Bench) -> Report:
    return await ran(Order(skill=name, execute=True, allow_mutation=True), new_id("skr"), bench)
