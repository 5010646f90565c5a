"""A process that only a pid file names, with no supervisor at all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from domain.action import ActionCall, ActionResult, Outcome
from domain.errors import ToolError
from domain.inventory import Binding, Inventory, Service
from tools.probes.runner import ProbeRunner
from tools.registry import ActionRegistry

pytestmark = pytest.mark.integration

PROGRAM = "import os,sys,time; open(sys.argv[1],'w').write(str(os.getpid())); time.sleep(600)"


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "host.pid"
    yield path
    with suppress(OSError, ValueError):
        os.kill(int(path.read_text()), signal.SIGKILL)


def _inventory(pid_file: Path, command: list[str] | None) -> Inventory:
    options = {"command": command} if command else {}
    binding = Binding(via="process", path=pid_file.name, options=options)
    return Inventory(services=[Service(name="host", kind="host", bindings={"process": binding})])


async def test_it_is_started_paused_resumed_restarted_and_stopped(pid_file: Path) -> None:
    """The declared command starts it; signals do the rest; every step is read back from the kernel."""
    inventory = _inventory(pid_file, [sys.executable, "-c", PROGRAM, str(pid_file)])
    registry = ActionRegistry(inventory, {}, root=pid_file.parent)
    runner = ProbeRunner(inventory, {}, root=pid_file.parent)

    async def do(action: str) -> ActionResult:
        return await registry.execute(ActionCall(action=action, target="host"), idempotency_key=action)

    assert (await runner.run(["process_state"]))[0].ok is False
    assert (await do("start_process")).outcome is Outcome.SUCCEEDED
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(0.05)
    assert (await runner.run(["process_state"]))[0].values["state"] == "paused"
    assert (await do("resume_process")).outcome is Outcome.SUCCEEDED
    restarted = await do("restart_service")
    assert restarted.outcome is Outcome.SUCCEEDED, restarted.summary
    assert int(pid_file.read_text()) != pid
    stopped = await do("stop_process")
    assert stopped.outcome is Outcome.SUCCEEDED
    assert stopped.undo == ActionCall(action="start_process", target="host")
    assert (await runner.run(["process_state"]))[0].values["pid"] is None


async def test_without_a_command_nothing_is_started(pid_file: Path) -> None:
    """Nobody guesses how a program is run."""
    registry = ActionRegistry(_inventory(pid_file, None), {}, root=pid_file.parent)
    result = await registry.execute(ActionCall(action="start_process", target="host"), idempotency_key="k")
    assert result.outcome is Outcome.FAILED
    assert "nothing says how" in result.summary


async def test_a_binding_nobody_understands_is_an_error(pid_file: Path) -> None:
    """A process cannot be reached through a database."""
    binding = Binding(via="postgres")
    inventory = Inventory(services=[Service(name="host", kind="host", bindings={"process": binding})])
    with pytest.raises(ToolError, match="via postgres"):
        await ActionRegistry(inventory, {}).execute(
            ActionCall(action="restart_service", target="host"), idempotency_key="k"
        )
