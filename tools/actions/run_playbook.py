"""An Ansible playbook that the inventory names, run as it was checked: whatever changes in its folder makes an approval stale."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from domain.action import Effect
from domain.errors import ToolError
from tools.actions.arguments import Args
from tools.ansible import Ansible
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target

LOOK_S = 120.0
"""A check visits every host."""
LONGEST_S = 900.0


class RunPlaybook(Args):
    """Which playbook; the hosts are those of the binding's own inventory."""

    playbook: Annotated[str, Field(pattern=r"^[\w./-]+\.ya?ml$", max_length=200)]


def _program(target: Target) -> Ansible:
    binding = target.binding("ansible")
    return Ansible(folder=target.path(binding), timeout_s=LONGEST_S, env=target.program_env(binding))


def _hosts(target: Target) -> str:
    return str(target.option(target.binding("ansible"), "inventory", "inventory"))


def _accept(target: Target, args: RunPlaybook) -> None:
    allowed = [str(name) for name in target.option(target.binding("ansible"), "playbooks") or []]
    if args.playbook not in allowed:
        raise ToolError(
            f"the inventory does not let this playbook run on {target.name}",
            expected=", ".join(allowed) or "an entry of `options.playbooks` in its ansible binding; there is none",
            found=args.playbook,
            hint="whoever owns the service adds it there",
            code="tool.not_allowed",
        )


async def _observe(target: Target, args: RunPlaybook) -> State:
    """{would_change, failed, content}."""
    program = _program(target)
    content = await asyncio.to_thread(program.content)
    found = await program.check(args.playbook, _hosts(target))
    return {"would_change": found.changed, "failed": found.failed, "content": content}


def _preview(args: RunPlaybook, state: State) -> Preview:
    if state["failed"]:
        return unclear(f"{state['failed']} tasks or hosts failed in the check of {args.playbook}")
    if not state["would_change"]:
        return nothing(f"{args.playbook} would change nothing")
    return would(f"{args.playbook} would change {state['would_change']} things")


async def _apply(target: Target, args: RunPlaybook, before: State) -> str:
    found = await _program(target).run(args.playbook, _hosts(target))
    return f"{args.playbook} changed {found.changed} things"


def _confirm(args: RunPlaybook, before: State, now: State) -> bool | None:
    """Nothing is left to change; as much as before; or some of it, or a task that always changes something."""
    if not now["would_change"] and not now["failed"]:
        return True
    return False if now["would_change"] == before.get("would_change") else None


RUN_PLAYBOOK = Action(
    name="run_playbook",
    summary="Run an Ansible playbook that the service's binding names, after a check that says what it would change.",
    args=RunPlaybook,
    effect=Effect.IRREVERSIBLE,
    aspects=("ansible",),
    no_undo_reason="a playbook has no inverse; the way back is another playbook",
    timeout_s=LONGEST_S,
    observe_s=LOOK_S,
    settle_s=5.0,
    blast_radius="every host of the binding's inventory that the playbook addresses",
    witness=("would_change", "content"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    accept=_accept,
)
