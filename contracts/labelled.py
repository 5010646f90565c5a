"""Labelled changes from incident bundles: their commits with diffs, and the one that `truth.json` names as harmful."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.change.excerpts import files_of
from contracts.change.inspect import inspect
from contracts.circumstances import around
from contracts.context import DeploymentContext, FileChange
from contracts.evaluate import Labelled
from contracts.score import factors_of, score_of
from domain.alert import Change
from tools.bundle.read import read_bundle, read_truth


def labelled_changes(folder: Path) -> Iterator[Labelled]:
    """Commits whose diff was recorded, of every bundle below `folder` that says which change was at fault, or none."""
    for truth_file in sorted(folder.glob("**/truth.json")):
        truth = read_truth(truth_file.parent)
        if truth is not None and "change" in truth:
            bundle = read_bundle(truth_file.parent)
            yield from (
                _labelled(truth_file.parent.name, c, truth) for c in bundle.changes if c.kind == "commit" and c.diff
            )


def _labelled(case: str, change: Change, truth: dict[str, Any]) -> Labelled:
    files = files_of(change.diff, change.files)
    return Labelled(
        case=case,
        id=change.id,
        harmful=truth["change"] in (change.id, change.commit or change.id),
        score=score_of_change(change),
        lines=sum(f.changed for f in files),
        files=len(files),
        words=f"{change.summary} {' '.join(f.path for f in files)} {change.diff}",
    )


def score_of_change(change: Change) -> float:
    """Of its diff alone, as `contract draft --range` would score it without anything known about the service."""
    files = files_of(change.diff, change.files)
    context = DeploymentContext(
        deployment_id=change.id,
        service_name=change.service or "service",
        changes=[FileChange(file_path=f.path[:1000], lines_changed=f.changed) for f in files if f.path],
        owner=change.author,
    )
    findings, _ = inspect(files)
    return score_of(factors_of([*findings, *around(context)]))
