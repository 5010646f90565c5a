"""From a commit range to what a contract is drafted from: the context with its files, the findings, the doubts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.change.files import ChangedFile
from contracts.change.history import DAYS, history_findings
from contracts.change.inspect import inspect
from contracts.change.range import Range, read_range
from contracts.context import DeploymentContext, FileChange
from contracts.draft import Doubt
from contracts.finding import Finding
from tools.repository import Changes

_WORDS = {"A": "added", "M": "modified", "D": "deleted", "R": "renamed", "C": "copied", "T": "type changed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is known about one deployment."""

    context: DeploymentContext
    findings: Sequence[Finding]
    doubts: Sequence[Doubt]


async def subject_of(repository: Changes, text: str, about: DeploymentContext) -> Subject:
    """`about` says what no diff can: the service, its objectives, its neighbours. Raises ConfigError, ToolError."""
    found = await read_range(repository, text)
    past = await repository.touched(found.base, days=DAYS)
    findings, doubts = inspect(found.files)
    version = about.version or await repository.describe(found.head)
    facts = {"changes": _described(found), "base": found.base, "head": found.head, "version": version}
    return Subject(
        context=about.model_copy(update=facts),
        findings=[*findings, *history_findings(found.files, past)],
        doubts=[*found.doubts, *doubts],
    )


def _described(found: Range) -> list[FileChange]:
    return [
        FileChange(file_path=f.path[:1000], change_type=_word(f), lines_changed=f.changed)
        for f in found.files
        if f.path
    ]


def _word(file: ChangedFile) -> str:
    return _WORDS.get(file.status, "modified") if file.kind == "text" else file.kind
