"""Stages that ask programs of this machine what a change would do: git, terraform, ansible. They read and plan, never apply."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import Field

from agents.perception.diffs import effect
from domain.action import Tier
from domain.errors import ToolError
from domain.value import Value
from graph.pipelines.stages import Bindings, StageAnswer, StageCall, StageTemplate, StageWork
from tools.command import Ran, run_program

RISKY = 0.6
"""From this share on a diff of one file is worth a person's look (scale of agents.perception.diffs: 0–1)."""
_RANGE = r"^[A-Za-z0-9_./~^@{}-]+$"
_FILE = re.compile(r"^diff --git a/(.+?) b/(.+)$", re.M)
_CHANGED = re.compile(r"changed=(\d+)")
_FAILED = re.compile(r"(?:failed|unreachable)=([1-9]\d*)")


class ReviewDiff(Value):
    """Arguments of `review_diff`."""

    folder: str
    range: str = Field(default="HEAD~1..HEAD", pattern=_RANGE, max_length=200)
    """What git calls a range; never an option."""
    risky: float = Field(default=RISKY, ge=0, le=1)


class InFolder(Value):
    """Arguments of `terraform_plan`."""

    folder: str
    timeout_s: float = Field(default=300, ge=1, le=3600)


class CheckPlaybook(InFolder):
    """Arguments of `ansible_check`."""

    playbook: str = Field(pattern=r"^[\w./-]+\.ya?ml$")
    inventory: str = Field(default="inventory", pattern=r"^[\w./,-]+$")


def _review(bindings: Bindings) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        words = ["git", "diff", "--no-color", "--no-ext-diff", "--unified=3", call.args.range, "--"]
        ran = _well(await run_program(words, folder=Path(call.args.folder), timeout_s=60), "git diff")
        rows = sorted((_reviewed(name, diff) for name, diff in by_file(ran.out)), key=lambda r: -float(r["risk"]))
        worst = float(rows[0]["risk"]) if rows else 0.0
        return StageAnswer(artifacts={"files": rows[:200], "risk": worst, "risky": worst >= call.args.risky})

    return work


def by_file(diff: str) -> list[tuple[str, str]]:
    """(file, its part) of a unified diff."""
    starts = list(_FILE.finditer(diff))
    ends = [*(m.start() for m in starts[1:]), len(diff)]
    return [(m.group(2), diff[m.start() : end]) for m, end in zip(starts, ends, strict=False)]


def _reviewed(name: str, diff: str) -> dict[str, Any]:
    found = effect(diff, [name], "")
    return {"file": name, "risk": round(found.risk, 3), "kind": found.kind}


def _terraform(bindings: Bindings) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        folder, patience = Path(call.args.folder), call.args.timeout_s
        for words in (["init", "-input=false", "-no-color"], ["validate", "-no-color"]):
            _well(await run_program(["terraform", *words], folder=folder, timeout_s=patience), f"terraform {words[0]}")
        plan = ["terraform", "plan", "-input=false", "-no-color", "-out=firebreak.tfplan"]
        _well(await run_program(plan, folder=folder, timeout_s=patience), "terraform plan")
        shown = await run_program(["terraform", "show", "-json", "firebreak.tfplan"], folder=folder, timeout_s=patience)
        return StageAnswer(artifacts=planned(_well(shown, "terraform show").out))

    return work


def planned(text: str) -> dict[str, Any]:
    """Counts of creations, updates and destructions in what `terraform show -json` prints. Raises ToolError."""
    try:
        changes = [(row["address"], row["change"]["actions"]) for row in json.loads(text).get("resource_changes", [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError("terraform's plan cannot be read", expected="JSON with resource_changes") from error
    counts = {kind: sum(kind in actions for _, actions in changes) for kind in ("create", "update", "delete")}
    touched = [{"address": address, "actions": actions} for address, actions in changes if actions != ["no-op"]]
    return {**counts, "resources": touched[:500]}


def _ansible(bindings: Bindings) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        given = call.args
        words = ["ansible-playbook", "--check", "--diff", "-i", given.inventory, given.playbook]
        ran = _well(
            await run_program(words, folder=Path(given.folder), timeout_s=given.timeout_s), "ansible-playbook --check"
        )
        failed = sum(int(n) for n in _FAILED.findall(ran.out))
        changed = sum(int(n) for n in _CHANGED.findall(ran.out))
        error = f"{failed} hosts failed or could not be reached" if failed else ""
        return StageAnswer(artifacts={"would_change": changed, "report": ran.out[-4000:]}, error=error)

    return work


def _well(ran: Ran, what: str) -> Ran:
    if ran.code != 0:
        words = (ran.err or ran.out).strip().splitlines()
        raise ToolError(f"{what} failed", expected="exit code 0", found=f"{ran.code}: {' '.join(words[-3:])[:300]}")
    return ran


PROGRAM_STAGES: tuple[StageTemplate, ...] = (
    StageTemplate(
        name="review_diff",
        summary="read what a git range could do, file by file",
        tier=Tier.T0,
        args=ReviewDiff,
        make=_review,
        needs_tool="git",
    ),
    StageTemplate(
        name="terraform_plan",
        summary="terraform init, validate and plan; counts what would be created, updated, destroyed",
        tier=Tier.T1,
        args=InFolder,
        make=_terraform,
        needs_tool="terraform",
    ),
    StageTemplate(
        name="ansible_check",
        summary="ansible-playbook --check --diff; counts what would change",
        tier=Tier.T1,
        args=CheckPlaybook,
        make=_ansible,
        needs_tool="ansible-playbook",
    ),
)
