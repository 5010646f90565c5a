"""Where a procedure's commands run: the port that local, SSH and Kubernetes runners share.

A runner never decides whether a command may run: that is the guard's, and only the action server holds runners that can
change anything. Commands are argument lists; no shell reads them on any side.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field

from domain.action import Effect
from domain.value import UtcTime, Value

Word = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
"""One argument, handed over as it is."""


class Command(Value):
    """What shall be run, how long it may take and what it does to the world."""

    argv: tuple[Word, ...] = Field(min_length=1, max_length=64)
    """Program and arguments. Never joined to a line: an argument with `;` or a space stays one argument."""
    effect: Effect
    """What the caller says that it does. A runner without the right to change refuses everything but `read`."""
    timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """From the start until the exit code is known, in seconds."""
    max_output_bytes: int = Field(default=64 * 1024, gt=0, le=1024 * 1024)
    """Of each of the two outputs; what is over is cut and `truncated` says so."""


class RunOutcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    """It ran to its end; the exit code says how."""
    REFUSED = "refused"
    """It was not started: not permitted, an untrusted host, an unreachable one, or no such program."""
    UNKNOWN = "unknown"
    """It may have been started and its end is not known: look, never send it again."""


class Ran(Value):
    """What came of a command. Outputs are redacted before they leave the runner."""

    outcome: RunOutcome
    exit_code: int | None = None
    """Only when it ran to its end; minus the signal's number when a signal ended it."""
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    seconds: float = 0.0
    reason: str = ""
    """Why it was refused or is unknown, and what to do."""

    @property
    def ok(self) -> bool:
        """It ran to its end and says that all went well."""
        return self.outcome is RunOutcome.DONE and self.exit_code == 0


class Profile(Value):
    """What a target can do and what we may do there."""

    target: str
    """Its name in the inventory or in the cluster configuration."""
    runner: str
    """local, ssh or kubernetes."""
    reachable: bool
    permissions: list[str] = []
    """What the credential may do, e.g. `patch deployments.apps` or `run systemctl`; sorted."""
    tools: dict[str, str] = {}
    """Programs that are there → version, or empty when they do not tell."""
    api_resources: list[str] = []
    """Plural names with their group, e.g. `deployments.apps`; custom resources included."""
    custom_resources: list[str] = []
    versions: dict[str, str] = {}
    """What runs there → version, e.g. kernel, kubernetes."""
    nodes: list[str] = []
    problems: list[str] = []
    """What could not be looked at, and why. Absent facts count as missing, never as given."""
    taken_at: UtcTime


class Runner(Protocol):
    """One target, reached in one way. Expected trouble is a value (`Ran`), not an exception."""

    async def profile(self) -> Profile:
        """Look at the target now; the caller caches. Never changes anything."""
        ...

    async def run(self, command: Command, step_id: str) -> Ran:
        """Run it once. The same `step_id` never starts a second time: its first result is returned, or UNKNOWN."""
        ...

    async def settle(self, step_id: str) -> Ran | None:
        """After a crash: what became of the step, or None when it was never begun there. Starts nothing."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
