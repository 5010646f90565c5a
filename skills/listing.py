"""Skills as they are listed and shown: by pages, by the API, by the command line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from domain.value import Value
from skills.folder import Package
from skills.rehearsal import Rehearsal
from skills.report import Report
from skills.schema import Skill
from skills.shelf import Shelf
from skills.store import SkillStore, Standing
from skills.track import Track, track_of
from skills.trust import trust_of

REHEARSALS_SHOWN = 5


class SkillRow(Value):
    """One skill as it is listed."""

    name: str
    version: str
    stage: str
    intent: str
    fault_classes: list[str]
    mutability: str
    digest: str
    trust: str
    track: Track


class SkillShown(Value):
    """One skill with its history; hidden checks are counted, not shown."""

    schema_version: str = "1"
    row: SkillRow
    procedure: dict[str, Any]
    prose: str
    hidden_checks: int
    history: list[Standing]
    rehearsals: list[Rehearsal] = []
    """Newest first, at most five."""


def listed(shelf: Shelf, store: SkillStore) -> list[SkillRow]:
    """Everything that can be run, by name; all runs are read once."""
    runs: dict[str, list[Report]] = defaultdict(list)
    for run in store.runs():
        runs[run.order.skill].append(run)
    return [row_of(package, skill, store, runs[skill.name]) for package, skill in shelf.procedures()]


def row_of(package: Package, skill: Skill, store: SkillStore, runs: Sequence[Report]) -> SkillRow:
    """How a skill is listed; `runs` are its own, newest first."""
    return SkillRow(
        name=skill.name,
        version=skill.version,
        stage=skill.metadata.stage.value,
        intent=skill.intent,
        fault_classes=skill.metadata.fault_classes,
        mutability=skill.metadata.mutability,
        digest=package.digest,
        trust=trust_of(package, store).value,
        track=track_of(runs, package.digest),
    )


def shown(package: Package, skill: Skill, store: SkillStore) -> SkillShown:
    """One skill as its page shows it."""
    return SkillShown(
        row=row_of(package, skill, store, store.runs(skill.name)),
        procedure=skill.model_dump(mode="json", exclude_defaults=True),
        prose=package.body,
        hidden_checks=len(package.hidden.hidden_checks),
        history=store.history(skill.name),
        rehearsals=store.rehearsals(skill.name)[:REHEARSALS_SHOWN],
    )
