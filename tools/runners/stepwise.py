"""A runner for anything with a POSIX shell: this machine or a host over SSH, by the protocol beside this file."""

from __future__ import annotations

from domain.clock import Clock, SystemClock
from domain.errors import FirebreakError, ToolUnknownError
from domain.redaction import redact
from domain.remote import RemoteTarget
from domain.runner import Command, Profile, Ran, RunOutcome
from tools.runners.permitted import refusal
from tools.runners.profile import profile_of
from tools.runners.protocol import (
    Begun,
    Fate,
    Looked,
    checked_step,
    look_words,
    read_begun,
    read_look,
    start_words,
)
from tools.runners.transport import Transport

ASK_S = 20.0
"""The longest that starting a step or looking at one may take, in seconds."""

PATIENCE_S = 10.0
"""How long after a step's own limit its end may take to be written down."""

_REFUSED = {
    Begun.MISSING: "there is no program {program} there",
    Begun.OTHER: "this step id belongs to another command; use a fresh one",
    Begun.UNSAFE: "the private folder for steps is a link or belongs to somebody else; remove it there",
}


class StepRunner:
    """Implements domain.runner.Runner over a transport. `target` says what may be changed; None: commands only read."""

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        target: RemoteTarget | None = None,
        may_change: bool = False,
        base: str = ".firebreak",
        clock: Clock | None = None,
    ) -> None:
        self._transport = transport
        self._name = name
        self._target = target
        self._may_change = may_change
        self._base = base
        self._clock = clock or SystemClock()

    async def profile(self) -> Profile:
        """See Runner."""
        return await profile_of(self._transport, self._name, self._target, self._clock)

    async def run(self, command: Command, step_id: str) -> Ran:
        """See Runner. A step that runs already is waited for."""
        why = refusal(command, self._target, may_change=self._may_change)
        if why:
            return Ran(outcome=RunOutcome.REFUSED, reason=why)
        try:
            begun = await self._begin(command, checked_step(step_id))
        except ToolUnknownError as error:
            return await self._awaited(command, step_id, trouble=_said(error))
        except FirebreakError as error:
            return Ran(outcome=RunOutcome.REFUSED, reason=_said(error))
        if begun in _REFUSED:
            return Ran(outcome=RunOutcome.REFUSED, reason=_REFUSED[begun].format(program=repr(command.argv[0])))
        return await self._awaited(command, step_id)

    async def settle(self, step_id: str) -> Ran | None:
        """See Runner. A step that has not begun is sealed first, so that nothing that is still under way begins it."""
        try:
            looked = await self.look(step_id, seal=True)
        except FirebreakError as error:
            return Ran(outcome=RunOutcome.UNKNOWN, reason=_said(error))
        return None if looked.fate is Fate.NONE else _told(looked)

    async def look(self, step_id: str, *, seal: bool = False) -> Looked:
        """What the far side's folder says about the step. Raises ToolError."""
        words = look_words(self._base, checked_step(step_id), seal=seal)
        answer = await self._transport.ask(words, timeout_s=ASK_S)
        return read_look(answer.out)

    async def aclose(self) -> None:
        """See Runner."""
        await self._transport.aclose()

    async def _begin(self, command: Command, step: str) -> Begun:
        """Begin the first attempt that was not sealed."""
        attempt = 1
        while True:
            words = start_words(self._base, step, attempt, command)
            begun = read_begun((await self._transport.ask(words, timeout_s=ASK_S)).out)
            if begun is not Begun.SEALED:
                return begun
            attempt += 1

    async def _awaited(self, command: Command, step: str, trouble: str = "") -> Ran:
        """Look until it has ended; a lost line is no reason to stop looking."""
        deadline = self._clock.monotonic() + command.timeout_s + PATIENCE_S
        wait_s, looked = 0.02, None
        while True:
            try:
                looked = await self.look(step)
                if looked.fate in (Fate.DONE, Fate.LOST):
                    return _told(looked)
                if looked.fate is Fate.NONE and trouble:
                    return await self._never(step, trouble)
            except FirebreakError as error:
                trouble = _said(error)
            if self._clock.monotonic() >= deadline:
                return _told(looked) if looked else Ran(outcome=RunOutcome.UNKNOWN, reason=trouble)
            await self._clock.sleep(wait_s)
            wait_s = min(1.0, wait_s * 1.6)

    async def _never(self, step: str, trouble: str) -> Ran:
        """The request to begin was lost. Once sealed it stays lost."""
        found = await self.settle(step)
        return found or Ran(outcome=RunOutcome.REFUSED, reason=f"it was never begun: {trouble}")


def _told(looked: Looked) -> Ran:
    """A step as the port tells it."""
    if looked.fate is Fate.DONE:
        late = looked.code is None
        return Ran(
            outcome=RunOutcome.DONE,
            exit_code=-15 if looked.code is None else looked.code,
            stdout=redact(looked.out.decode(errors="replace")),
            stderr=redact(looked.err.decode(errors="replace")),
            truncated=looked.cut,
            seconds=looked.seconds,
            reason=f"it did not end within {looked.seconds:.0f} s and was ended" if late else "",
        )
    reasons = {
        Fate.RUNNING: "it still runs; settle the step again later",
        Fate.WAITING: "it was claimed and has not begun yet; settle the step again later",
        Fate.LOST: "it was begun and whoever watched it is gone; look at its effect, do not send it again",
        Fate.NONE: "nothing of it was found; settle the step",
    }
    return Ran(outcome=RunOutcome.UNKNOWN, reason=reasons[looked.fate])


def _said(error: FirebreakError) -> str:
    return redact("; ".join(error.lines()))
