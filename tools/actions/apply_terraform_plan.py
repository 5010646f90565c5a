"""A saved Terraform plan, carried out: exactly the one that was planned and approved, and nothing that came later."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from pydantic import Field

from domain.action import Effect
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.spec import Action, Preview, State, nothing, would
from tools.target import Target
from tools.terraform import PLAN, Terraform

LOOK_S = 60.0
"""Planning asks the providers' plugins; without a refresh it asks no cloud."""
LONGEST_S = 900.0


class ApplyTerraformPlan(Args):
    """Which plan, by its content."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _program(target: Target) -> Terraform:
    binding = target.binding("terraform")
    env = target.program_env(binding)
    return Terraform(folder=target.path(binding), timeout_s=LONGEST_S, env=env)


def _accept(target: Target, args: ApplyTerraformPlan) -> None:
    found = _program(target).sha256()
    if found != args.sha256:
        raise ToolError(
            f"the saved plan of {target.name} is not the one that is meant",
            expected=f"{PLAN} with SHA-256 {args.sha256[:12]}…",
            found=f"{found[:12]}…" if found else f"no {PLAN}",
            hint="plan again, look at what it would do, and have that one approved",
            code="tool.plan_changed",
        )


async def _observe(target: Target, args: ApplyTerraformPlan) -> State:
    """{create, update, delete, resources, pending, serial}."""
    program = _program(target)
    saved, pending, serial = await asyncio.gather(program.saved(), program.pending(), program.serial())
    return {**saved, "pending": pending, "serial": serial}


def _preview(args: ApplyTerraformPlan, state: State) -> Preview:
    if not state["pending"]:
        return nothing("state and configuration agree already")
    touched = ", ".join(f"{'/'.join(r['actions'])} {r['address']}" for r in state["resources"][:20])
    counts = f"{state['create']} to create, {state['update']} to update, {state['delete']} to destroy"
    return would(f"terraform would apply plan {args.sha256[:12]}: {counts} ({touched})")


async def _apply(target: Target, args: ApplyTerraformPlan, before: State) -> str:
    _accept(target, args)
    said = await _program(target).apply()
    return f"terraform applied plan {args.sha256[:12]}: {said}"


def _confirm(args: ApplyTerraformPlan, before: State, now: State) -> bool | None:
    """State and configuration agree; untouched; or something happened, and not all of it."""
    if not now["pending"]:
        return True
    untouched: Any = before.get("serial") == now["serial"]
    return False if untouched else None


APPLY_TERRAFORM_PLAN = Action(
    name="apply_terraform_plan",
    summary="Carry out a saved Terraform plan of the service's folder, by its content.",
    args=ApplyTerraformPlan,
    effect=Effect.IRREVERSIBLE,
    aspects=("terraform",),
    no_undo_reason="what a plan replaces or destroys does not come back; the way back is the former configuration, "
    "planned and applied",
    timeout_s=LONGEST_S,
    observe_s=LOOK_S,
    settle_s=5.0,
    blast_radius="every resource that the plan names",
    witness=("create", "update", "delete", "serial"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    accept=_accept,
)
