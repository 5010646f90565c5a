"""Terraform as argument lists: a folder is planned, what a saved plan holds is read, and that very plan is applied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import ToolError
from tools.command import Ran, run_program, well

PLAN = "firebreak.tfplan"
"""The saved plan, beside the configuration."""
SHOWN = 500
"""Resources of a plan that are told one by one."""
_PENDING = 2
"""`terraform plan -detailed-exitcode`: there is a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terraform:
    """One folder with a configuration, for one caller."""

    folder: Path
    timeout_s: float
    env: Mapping[str, str] | None = None
    """What the program sees of the environment; None: all of ours."""

    async def plan(self) -> dict[str, Any]:
        """Initialise, validate, plan and save the plan; what it holds, see `planned`, and its `sha256`. Raises ToolError."""
        for words in (["init", "-input=false", "-no-color"], ["validate", "-no-color"]):
            well(await self._run(*words), f"terraform {words[0]}")
        well(await self._run("plan", "-input=false", "-no-color", f"-out={PLAN}"), "terraform plan")
        return {**await self.saved(), "sha256": self.sha256()}

    def sha256(self) -> str:
        """Digest of the saved plan; empty without one."""
        try:
            return hashlib.sha256((self.folder / PLAN).read_bytes()).hexdigest()
        except OSError:
            return ""

    async def saved(self) -> dict[str, Any]:
        """What the saved plan would do. Raises ToolError."""
        return planned(well(await self._run("show", "-json", PLAN), "terraform show").out)

    async def pending(self) -> bool:
        """Whether configuration and state differ; the resources themselves are not asked. Changes nothing. Raises ToolError."""
        words = ("-detailed-exitcode", "-refresh=false", "-lock=false", "-input=false", "-no-color")
        ran = await self._run("plan", *words)
        return ran.code == _PENDING or bool(well(ran, "terraform plan").code)

    async def serial(self) -> int:
        """Number of the state's version; 0 without a state. Raises ToolError."""
        text = well(await self._run("state", "pull"), "terraform state pull").out
        try:
            return int(json.loads(text)["serial"]) if text.strip() else 0
        except (ValueError, KeyError, TypeError) as error:
            raise ToolError("terraform's state cannot be read", expected="JSON with a serial") from error

    async def apply(self) -> str:
        """Carry out the saved plan; the program's last words. Raises ToolError."""
        ran = well(await self._run("apply", "-input=false", "-no-color", PLAN), "terraform apply")
        return (ran.out.strip().splitlines() or ["it said nothing"])[-1]

    async def _run(self, *words: str) -> Ran:
        return await run_program(["terraform", *words], folder=self.folder, timeout_s=self.timeout_s, env=self.env)


def planned(text: str) -> dict[str, Any]:
    """Counts of creations, updates and destructions in what `terraform show -json` prints. Raises ToolError."""
    try:
        changes = [(row["address"], row["change"]["actions"]) for row in json.loads(text).get("resource_changes", [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError("terraform's plan cannot be read", expected="JSON with resource_changes") from error
    counts = {kind: sum(kind in actions for _, actions in changes) for kind in ("create", "update", "delete")}
    touched = [{"address": address, "actions": actions} for address, actions in changes if actions != ["no-op"]]
    return {**counts, "resources": touched[:SHOWN]}
