"""Starting, stopping, restarting and resuming a service's process."""

from __future__ import annotations

from typing import Any

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args
from tools.lifecycle import lifecycle
from tools.spec import Action, Preview, State, UndoCall, nothing, would
from tools.target import Target


class RestartService(Args):
    """A restart takes no arguments."""


class ResumeProcess(Args):
    """A resume takes no arguments."""


class StartProcess(Args):
    """A start takes no arguments."""


class StopProcess(Args):
    """A stop takes no arguments."""


async def look(target: Target, args: Any) -> State:
    """State of the process: {name, state, pid, os_state, restarts, last_exit, started_at}."""
    return {"name": target.name, **await lifecycle(target).state()}


def restarted(before: State, now: State) -> bool:
    """Another process than before, and it runs. Both are states as `look` gives them."""
    fresh = now.get("pid") != before.get("pid") or now.get("started_at") != before.get("started_at")
    return now.get("state") == "running" and fresh


def _says(state: State) -> str:
    pid = f", pid {state['pid']}" if state.get("pid") else ""
    return f"{state['name']} ({state['state']}{pid})"


def _preview_restart(args: RestartService, state: State) -> Preview:
    return would(f"{_says(state)} would be stopped and started again; requests in flight fail")


async def _restart(target: Target, args: RestartService, before: State) -> str:
    await lifecycle(target).restart()
    return f"{target.name} was restarted"


def _confirm_restart(args: RestartService, before: State, now: State) -> bool | None:
    return restarted(before, now) if before else None


def _preview_resume(args: ResumeProcess, state: State) -> Preview:
    if state["state"] != "paused":
        return nothing(f"{_says(state)} is not paused")
    return would(f"{_says(state)} would be told to continue (SIGCONT)")


async def _resume(target: Target, args: ResumeProcess, before: State) -> str:
    await lifecycle(target).resume()
    return f"{target.name} was told to continue"


def _confirm_resume(args: ResumeProcess, before: State, now: State) -> bool | None:
    return now["state"] == "running" and now.get("os_state") != "T"


def _preview_start(args: StartProcess, state: State) -> Preview:
    if state["state"] in ("running", "paused", "starting"):
        return nothing(f"{_says(state)} is there already")
    return would(f"{_says(state)} would be started")


async def _start(target: Target, args: StartProcess, before: State) -> str:
    await lifecycle(target).start()
    return f"{target.name} was started"


def _confirm_start(args: StartProcess, before: State, now: State) -> bool | None:
    return bool(now["state"] == "running")


def _undo_start(args: StartProcess, before: State) -> UndoCall:
    return UndoCall(action="stop_process", args={})


def _preview_stop(args: StopProcess, state: State) -> Preview:
    if state["state"] == "stopped":
        return nothing(f"{_says(state)} is stopped already")
    return would(f"{_says(state)} would be stopped; whatever depends on it fails until it is started")


async def _stop(target: Target, args: StopProcess, before: State) -> str:
    await lifecycle(target).stop()
    return f"{target.name} was stopped"


def _confirm_stop(args: StopProcess, before: State, now: State) -> bool | None:
    return bool(now["state"] == "stopped")


def _undo_stop(args: StopProcess, before: State) -> UndoCall | None:
    return UndoCall(action="start_process", args={}) if before["state"] != "stopped" else None


RESTART_SERVICE = Action(
    name="restart_service",
    summary="Stop the service's process and start it again.",
    args=RestartService,
    effect=Effect.TRANSIENT,
    removes=(
        Condition.PROCESS_NOT_RUNNING,
        Condition.PROCESS_CRASH_LOOPING,
        Condition.PROCESS_PAUSED,
        Condition.PROCESS_UNRESPONSIVE,
    ),
    aspects=("process",),
    no_undo_reason="nothing durable changes: the same program runs with the same files",
    settle_s=4.0,
    blast_radius="the service answers nothing for a few seconds; requests in flight fail",
    observe=look,
    preview=_preview_restart,
    apply=_restart,
    confirm=_confirm_restart,
)

RESUME_PROCESS = Action(
    name="resume_process",
    summary="Let a paused (SIGSTOP) process continue where it stood.",
    args=ResumeProcess,
    effect=Effect.TRANSIENT,
    removes=(Condition.PROCESS_PAUSED,),
    aspects=("process",),
    no_undo_reason="nothing durable changes: the process continues",
    timeout_s=10.0,
    settle_s=3.0,
    blast_radius="none; work that had piled up is done at once",
    witness=("state", "pid"),
    observe=look,
    preview=_preview_resume,
    apply=_resume,
    confirm=_confirm_resume,
)

START_PROCESS = Action(
    name="start_process",
    summary="Start a process that does not run.",
    args=StartProcess,
    effect=Effect.REVERSIBLE,
    removes=(Condition.PROCESS_NOT_RUNNING,),
    aspects=("process",),
    undo_action="stop_process",
    settle_s=4.0,
    blast_radius="none; the service comes back",
    observe=look,
    preview=_preview_start,
    apply=_start,
    confirm=_confirm_start,
    undo=_undo_start,
)

STOP_PROCESS = Action(
    name="stop_process",
    summary="Stop a process and keep it stopped.",
    args=StopProcess,
    effect=Effect.REVERSIBLE,
    aspects=("process",),
    undo_action="start_process",
    blast_radius="the service and whatever depends on it fail until it is started again",
    observe=look,
    preview=_preview_stop,
    apply=_stop,
    confirm=_confirm_stop,
    undo=_undo_stop,
)
