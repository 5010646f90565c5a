"""Commands on a host over SSH, as far as its TARGET file allows them; the host remembers each step, so none runs twice."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import Field

from domain.action import Effect
from domain.errors import ConfigError, ToolError, ToolUnknownError
from domain.remote import RemoteTarget
from domain.runner import Command, RunOutcome
from tools.actions.arguments import Args
from tools.remote import Located, as_trouble, load_target
from tools.runners.choose import ssh_runner
from tools.runners.protocol import Fate
from tools.runners.stepwise import StepRunner
from tools.spec import Action, Preview, State, UndoCall, nothing, unclear, would
from tools.target import Target

LONGEST_S = 570.0
Argv = Annotated[
    tuple[Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")], ...], Field(min_length=1, max_length=64)
]
Step = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class RunCommand(Args):
    """One argument list, once."""

    step: Step = Field(description="Id of this step; the host remembers it, and the same id never runs twice.")
    argv: Argv = Field(description="Program and arguments; no shell reads them.")
    timeout_s: float = Field(default=60.0, gt=0, le=LONGEST_S)


class RunUndoableCommand(RunCommand):
    """One argument list, once, with the one that takes it back."""

    undo_argv: Argv


def _located(target: Target) -> Located:
    try:
        located = load_target(target.path(target.binding("host")))
    except ConfigError as error:
        raise as_trouble(error) from error
    if located.target.ssh is None:
        raise ToolError(
            f"{located.file} names no host",
            expected="a section `ssh`",
            found="none",
            hint="add host, user, key and known_hosts to the TARGET file",
            code="tool.no_binding",
        )
    return located


def _accept(target: Target, args: RunCommand) -> None:
    declared = _located(target).target
    undo = args.undo_argv if isinstance(args, RunUndoableCommand) else None
    fits = declared.allows(args.argv) if undo is None else declared.undoes(args.argv, undo)
    if not fits:
        raise ToolError(
            f"the TARGET file of {target.name} does not allow this command",
            expected=_allowed(declared) or "an entry of `ssh.commands`; there is none",
            found=shlex.join(args.argv)[:200],
            hint="whoever owns the host adds the beginning of the argument list to `ssh.commands`",
            code="tool.not_allowed",
        )


def _allowed(declared: RemoteTarget) -> str:
    return "; ".join(" ".join(words) for words in declared.changing())


@asynccontextmanager
async def _runner(target: Target) -> AsyncIterator[StepRunner]:
    runner = ssh_runner(_located(target), target.env, may_change=True, clock=target.clock)
    try:
        yield runner
    finally:
        await runner.aclose()


async def _observe(target: Target, args: RunCommand) -> State:
    """{step: what the host's folder says of it, code, host}."""
    async with _runner(target) as runner:
        looked = await runner.look(args.step)
    return {"step": looked.fate.value, "code": looked.code, "host": target.name}


def _preview(args: RunCommand, state: State) -> Preview:
    line = shlex.join(args.argv)
    if state["step"] == Fate.NONE:
        return would(f"`{line}` would run on {state['host']}, for at most {args.timeout_s:g} s")
    if state["step"] == Fate.DONE and state["code"] == 0:
        return nothing(f"step {args.step} ran on {state['host']} already")
    return unclear(f"step {args.step} was begun on {state['host']} before ({state['step']}, code {state['code']})")


async def _apply(target: Target, args: RunCommand, before: State) -> str:
    command = Command(argv=args.argv, effect=Effect.IRREVERSIBLE, timeout_s=args.timeout_s)
    async with _runner(target) as runner:
        ran = await runner.run(command, args.step)
    line = shlex.join(args.argv)
    if ran.outcome is RunOutcome.UNKNOWN:
        raise ToolUnknownError(f"the end of `{line}` is not known", expected="an exit code", found=ran.reason)
    if not ran.ok:
        found = ran.reason or f"exit code {ran.exit_code}: {(ran.stderr or ran.stdout).strip()[-300:]}"
        raise ToolError(f"`{line}` failed on {target.name}", expected="exit code 0", found=found)
    return f"`{line}` ran on {target.name}: {ran.stdout.strip()[-300:] or 'it said nothing'}"


def _confirm(args: RunCommand, before: State, now: State) -> bool | None:
    """It ended well, it did not, or nobody can tell yet."""
    match now["step"]:
        case Fate.DONE:
            return bool(now["code"] == 0)
        case Fate.NONE:
            return False
        case _:
            return None


def _undo(args: RunUndoableCommand, before: State) -> UndoCall:
    back = {"argv": args.undo_argv, "undo_argv": args.argv, "timeout_s": args.timeout_s}
    return UndoCall(action="run_undoable_command", args={"step": f"{args.step[:90]}-undo", **back})


RUN_COMMAND = Action(
    name="run_command",
    summary="Run a command on a host over SSH that its TARGET file allows and that nothing takes back.",
    args=RunCommand,
    effect=Effect.IRREVERSIBLE,
    aspects=("host",),
    no_undo_reason="what the command did is not known to have an inverse",
    timeout_s=600.0,
    settle_s=5.0,
    blast_radius="whatever the command does on that host",
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    accept=_accept,
)

RUN_UNDOABLE_COMMAND = Action(
    name="run_undoable_command",
    summary="Run a command on a host over SSH for which its TARGET file names one that takes it back.",
    args=RunUndoableCommand,
    effect=Effect.REVERSIBLE,
    aspects=("host",),
    undo_action="run_undoable_command",
    timeout_s=600.0,
    settle_s=5.0,
    blast_radius="whatever the command does on that host",
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
    undo=_undo,
    accept=_accept,
)
