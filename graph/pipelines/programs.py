"""Stages that ask programs of this machine what a change would do: git, terraform, ansible. They read and plan, never apply."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field

from agents.perception.diffs import effect
from domain.action import Tier
from domain.value import Value
from graph.pipelines.stages import Bindings, StageAnswer, StageCall, StageTemplate, StageWork
from tools.ansible import Ansible
from tools.git import Checkout
from tools.terraform import Terraform

RISKY = 0.6
"""From this share on a diff of one file is worth a person's look (scale of agents.perception.diffs: 0–1)."""
_RANGE = r"^[A-Za-z0-9_./~^@{}][A-Za-z0-9_./~^@{}-]*$"
_FILE = re.compile(r"^diff --git a/(.+?) b/(.+)$", re.M)


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
        diff = await Checkout(folder=Path(call.args.folder), timeout_s=60).range(call.args.range)
        rows = sorted((_reviewed(name, part) for name, part in by_file(diff)), key=lambda r: -float(r["risk"]))
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
        program = Terraform(folder=Path(call.args.folder), timeout_s=call.args.timeout_s)
        return StageAnswer(artifacts=await program.plan())

    return work


def _ansible(bindings: Bindings) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        given = call.args
        program = Ansible(folder=Path(given.folder), timeout_s=given.timeout_s)
        found = await program.check(given.playbook, given.inventory)
        error = f"{found.failed} hosts failed or could not be reached" if found.failed else ""
        return StageAnswer(artifacts={"would_change": found.changed, "report": found.report}, error=error)

    return work


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
