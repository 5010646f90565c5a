"""The registered actions over one inventory: the Executor that only the guard calls, in the action server."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.action import ActionCall, ActionResult, ActionSpec, DryRun, DryRunResult, Outcome
from domain.clock import Clock, SystemClock
from domain.errors import AuthError, ToolError, ToolUnavailableError, ToolUnknownError
from domain.inventory import Inventory
from domain.redaction import redact, redact_json
from domain.secret import SecretStore, StepVariables
from tools import config_versions
from tools.actions.catalogue import ACTIONS
from tools.bind import Binder, Bound
from tools.config_versions import ConfigVersions
from tools.journal import DirectoryJournal, Journal, JournalEntry, MemoryJournal
from tools.spec import Action, Preview, State, unclear

POLL_S = 0.2
"""How often the target is looked at while an effect is awaited: at first; later at every tenth of the time waited."""
LOOK_AGAIN_S = 0.5


class ActionRegistry:
    """Implements domain.action.Executor. `env` holds the credentials that the inventory's bindings name.

    What the running step's own credential opens counts before them.
    """

    def __init__(
        self,
        inventory: Inventory,
        env: Mapping[str, str],
        *,
        root: Path | None = None,
        actions: Sequence[Action[Any]] = ACTIONS,
        versions: ConfigVersions | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
        secrets: SecretStore | None = None,
    ) -> None:
        home = env.get("FIREBREAK_HOME")
        self._actions = {action.name: action for action in actions}
        self._clock = clock or SystemClock()
        self._bind = Binder(
            actions=self._actions,
            inventory=inventory,
            env=StepVariables(env),
            root=root or Path.cwd(),
            versions=versions or config_versions.from_env(env),
            clock=self._clock,
            secrets=secrets,
        ).bound
        self._journal = journal or (DirectoryJournal(Path(home) / "actions") if home else MemoryJournal())
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def specs(self) -> list[ActionSpec]:
        """All registered actions, by name."""
        return [self._actions[name].published() for name in sorted(self._actions)]

    def spec(self, action: str) -> ActionSpec | None:
        """See Executor."""
        found = self._actions.get(action)
        return found.published() if found else None

    def check(self, call: ActionCall) -> ActionCall:
        """See Executor."""
        return call.model_copy(update={"args": self._bind(call).plain()})

    async def dry_run(self, call: ActionCall) -> DryRunResult:
        """See Executor. A target that cannot be looked at, twice, is `cannot_tell`, with the reason."""
        bound = self._bind(call)
        try:
            state = await _observed_at_last(bound)
        except (ToolError, AuthError) as error:
            return DryRunResult(answer=DryRun.CANNOT_TELL, summary=redact("; ".join(error.lines())))
        preview = await _rehearsed(bound, state, bound.action.preview(bound.args, state))
        witness = {key: state.get(key) for key in bound.action.witness}
        return DryRunResult(answer=preview.answer, summary=redact(preview.summary), witness=redact_json(witness))

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        """See Executor. Raises ToolUnavailableError when the target cannot be reached and nothing was done."""
        bound = self._bind(call)
        async with self._locks[idempotency_key]:
            known = await asyncio.to_thread(self._journal.find, idempotency_key)
            if known is None:
                return await self._first(bound, idempotency_key)
            if known.call != bound.key():
                raise ToolError(
                    "this idempotency key belongs to another call",
                    expected="a fresh key for a fresh call",
                    found=f"the key of an earlier {bound.action.name} or another action",
                    code="tool.key_reused",
                )
            return known.result or _unknown(known.before, "this step was begun before and its end is not known")

    async def read_back(self, call: ActionCall, result: ActionResult | None) -> ActionResult:
        """See Executor. Without a result the pre-state comes from the journal."""
        bound = self._bind(call)
        before = dict(result.before) if result else {}
        if not before:
            entry = await asyncio.to_thread(self._journal.latest, bound.key())
            before = dict(entry.before) if entry else {}
        started = self._clock.monotonic()
        try:
            now = await _observed(bound)
        except (ToolError, AuthError) as error:
            return _unknown(before, redact("; ".join(error.lines())))
        done = bound.action.confirm(bound.args, before, now)
        outcome = {True: Outcome.SUCCEEDED, False: Outcome.FAILED, None: Outcome.UNKNOWN}[done]
        words = {True: "the effect is there", False: "the effect is not there", None: "the state cannot tell"}[done]
        undo = result.undo if result else (self._undo(bound, before) if done and before else None)
        return self._result(bound, outcome, words, before, now, undo, started)

    async def _first(self, bound: Bound, key: str) -> ActionResult:
        started = self._clock.monotonic()
        before = await _observed(bound)
        preview = bound.action.preview(bound.args, before)
        entry = JournalEntry(key=key, call=bound.key(), before=redact_json(before))
        await asyncio.to_thread(self._journal.begin, entry)
        if preview.answer is DryRun.NO_CHANGE:
            result = self._result(bound, Outcome.SKIPPED, preview.summary, before, before, None, started)
        elif preview.answer is DryRun.CANNOT_TELL:
            result = self._result(bound, Outcome.FAILED, preview.summary, before, before, None, started)
        else:
            result = await self._effect(bound, before, started)
        await asyncio.to_thread(self._journal.finish, key, result)
        return result

    async def _effect(self, bound: Bound, before: State, started: float) -> ActionResult:
        """Apply and wait until the effect shows. An exception here means that something may have happened."""
        undo = self._undo(bound, before)
        words, outcome = "", Outcome.UNKNOWN
        now: State = {}
        try:
            async with asyncio.timeout(bound.action.timeout_s):
                words = await bound.action.apply(bound.target, bound.args, before)
                outcome, now = await self._settled(bound, before)
        except TimeoutError:
            outcome = Outcome.UNKNOWN
            words = f"no confirmation within {bound.action.timeout_s:g} s" + (f" ({words})" if words else "")
        except ToolUnknownError as error:
            words = "; ".join(error.lines())
        except ToolUnavailableError as error:
            outcome, words = Outcome.FAILED if not words else Outcome.UNKNOWN, "; ".join(error.lines())
        except (ToolError, AuthError) as error:
            outcome, words = Outcome.FAILED, "; ".join(error.lines())
        if outcome is not Outcome.SUCCEEDED:
            outcome, now = await self._last_look(bound, before, outcome)
        return self._result(bound, outcome, words, before, now, undo, started)

    async def _settled(self, bound: Bound, before: State) -> tuple[Outcome, State]:
        """Look until the effect is confirmed or its time to show is over."""
        began = self._clock.monotonic()
        while True:
            now = await self._glimpse(bound)
            if now is not None and bound.action.confirm(bound.args, before, now):
                return Outcome.SUCCEEDED, now
            waited = self._clock.monotonic() - began
            if waited >= bound.action.settle_s:
                return Outcome.UNKNOWN, {}
            await self._clock.sleep(max(POLL_S, waited / 10))

    async def _glimpse(self, bound: Bound) -> State | None:
        try:
            return await bound.action.observe(bound.target, bound.args)
        except (ToolError, AuthError):
            return None

    async def _last_look(self, bound: Bound, before: State, outcome: Outcome) -> tuple[Outcome, State]:
        """After trouble the state decides: there, not there, or still unknown."""
        try:
            async with asyncio.timeout(max(5.0, bound.action.observe_s / 2)):
                now = await self._glimpse(bound)
        except TimeoutError:
            now = None
        if now is None:
            return outcome, {}
        done = bound.action.confirm(bound.args, before, now)
        return (Outcome.SUCCEEDED if done else Outcome.FAILED if done is False else outcome), now

    def _undo(self, bound: Bound, before: State) -> ActionCall | None:
        taken_back = bound.action.undo(bound.args, before)
        if taken_back is None:
            return None
        return self.check(ActionCall(action=taken_back.action, target=bound.target.name, args=taken_back.args))

    def _result(
        self,
        bound: Bound,
        outcome: Outcome,
        words: str,
        before: State,
        now: State,
        undo: ActionCall | None,
        started: float,
    ) -> ActionResult:
        return ActionResult(
            outcome=outcome,
            summary=redact(words),
            before=redact_json(before),
            after=redact_json(_aimed(before, now)),
            undo=undo,
            seconds=round(self._clock.monotonic() - started, 3),
        )


def _aimed(before: State, now: State) -> State:
    """The state afterwards with the aim of before: without a named one, the next look would aim at the next choice."""
    return {**now, "wanted": before["wanted"]} if "wanted" in before and "wanted" in now else now


async def _observed(bound: Bound) -> State:
    try:
        async with asyncio.timeout(bound.action.observe_s):
            return await bound.action.observe(bound.target, bound.args)
    except TimeoutError as error:
        raise ToolUnavailableError(
            f"{bound.target.name} could not be looked at in time",
            expected=f"an answer within {bound.action.observe_s:g} s",
            found="none",
            hint="nothing was changed",
        ) from error


async def _observed_at_last(bound: Bound) -> State:
    """What one look did not get in time on a busy machine, a second one does; a person is woken only after it."""
    try:
        return await _observed(bound)
    except ToolUnavailableError:
        await asyncio.sleep(LOOK_AGAIN_S)
        return await _observed(bound)


async def _rehearsed(bound: Bound, state: State, preview: Preview) -> Preview:
    """The preview, unless the far end would refuse what it announces."""
    if preview.answer is not DryRun.WOULD_CHANGE:
        return preview
    try:
        async with asyncio.timeout(bound.action.observe_s):
            await bound.action.rehearse(bound.target, bound.args, state)
    except (ToolError, AuthError) as error:
        return unclear(f"{preview.summary}; but the far end would refuse it: {'; '.join(error.lines())}")
    except TimeoutError:
        return unclear(f"{preview.summary}; but the far end did not check it within {bound.action.observe_s:g} s")
    return preview


def _unknown(before: State, words: str) -> ActionResult:
    return ActionResult(outcome=Outcome.UNKNOWN, summary=words, before=before)
