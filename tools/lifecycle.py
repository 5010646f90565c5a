"""How a service's process is looked at, started, stopped, restarted and resumed, whatever its binding speaks."""

from __future__ import annotations

from typing import Any, Protocol

from domain.errors import ToolError
from tools.control import ControlEndpoint
from tools.process import PidFileProcess, os_state
from tools.target import Target


class Lifecycle(Protocol):
    """One process."""

    async def state(self) -> dict[str, Any]:
        """{state, pid, restarts, last_exit, started_at, os_state}. Raises ToolUnavailableError."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def restart(self) -> None: ...

    async def resume(self) -> None: ...


def lifecycle(target: Target) -> Lifecycle:
    """The target's process as its `process` binding reaches it. Raises ToolError when it has none we can use."""
    binding = target.binding("process")
    if binding.via == "control":
        return ControlledProcess(ControlEndpoint(target, binding))
    if binding.via == "process":
        return WatchedProcess(PidFileProcess(target.path(binding), target.option(binding, "command", ())))
    raise ToolError(
        f"the process of {target.name} cannot be reached via {binding.via}",
        expected="control or process",
        found=binding.via,
        code="tool.no_binding",
    )


class ControlledProcess:
    """A process under a supervisor with a control endpoint."""

    def __init__(self, endpoint: ControlEndpoint) -> None:
        self._endpoint = endpoint

    async def state(self) -> dict[str, Any]:
        return process_facts(await self._endpoint.process())

    async def start(self) -> None:
        await self._endpoint.post(suffix="/start")

    async def stop(self) -> None:
        await self._endpoint.post(suffix="/stop")

    async def restart(self) -> None:
        await self._endpoint.post(suffix="/restart")

    async def resume(self) -> None:
        await self._endpoint.post(suffix="/resume")


class WatchedProcess:
    """A process that only a pid file names."""

    def __init__(self, process: PidFileProcess) -> None:
        self._process = process

    async def state(self) -> dict[str, Any]:
        return process_facts(await self._process.state())

    async def start(self) -> None:
        await self._process.start()

    async def stop(self) -> None:
        await self._process.stop()

    async def restart(self) -> None:
        if (await self._process.state())["pid"] is not None:
            await self._process.stop()
        await self._process.start()

    async def resume(self) -> None:
        await self._process.resume()


def process_facts(row: dict[str, Any]) -> dict[str, Any]:
    """A status row with what the kernel says about the pid; a stopped pid counts as paused."""
    letter = os_state(row.get("pid"))
    state = str(row.get("state") or "unknown")
    return {
        "state": "paused" if letter == "T" and state in ("running", "starting") else state,
        "pid": row.get("pid"),
        "os_state": letter,
        "restarts": row.get("restarts"),
        "last_exit": row.get("last_exit"),
        "started_at": row.get("started_at"),
    }
