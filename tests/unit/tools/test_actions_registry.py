"""The registry: what it refuses, what it remembers, and what it makes of trouble."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.action import ActionCall, ActionResult, DryRun, Effect, Outcome
from domain.clock import ManualClock
from domain.errors import StorageError, ToolError, ToolUnavailableError, ToolUnknownError
from domain.inventory import Binding, Inventory, Service
from tools.actions.arguments import Args
from tools.journal import DirectoryJournal, Journal, JournalEntry, MemoryJournal
from tools.registry import ActionRegistry
from tools.spec import Action, Preview, State, UndoCall, nothing, would
from tools.target import Target


class Dial(Args):
    """Turn a dial."""

    to: int = 5


class World:
    """A dial, and how turning it goes wrong."""

    def __init__(self) -> None:
        self.value = 1
        self.turns = 0
        self.trouble: Exception | None = None
        self.lands = True
        """Whether turning has its effect."""
        self.hidden = False
        self.blinks = 0
        """Looks that fail before one succeeds."""
        self.hangs = False

    def action(self, **more: Any) -> Action[Dial]:
        async def observe(target: Target, args: Dial) -> State:
            if self.hidden or self.blinks:
                self.blinks = max(0, self.blinks - 1)
                raise ToolUnavailableError("the dial cannot be seen", found="fog, password=abcdefgh")
            return {"value": self.value, "note": "token=abcdefgh"}

        async def apply(target: Target, args: Dial, before: State) -> str:
            self.turns += 1
            if self.lands:
                self.value = args.to
            if self.hangs:
                await asyncio.sleep(60)
            if self.trouble:
                raise self.trouble
            return "turned"

        def preview(args: Dial, state: State) -> Preview:
            return nothing("already there") if state["value"] == args.to else would(f"to {args.to}")

        def confirm(args: Dial, before: State, now: State) -> bool | None:
            return bool(now["value"] == args.to)

        def undo(args: Dial, before: State) -> UndoCall:
            return UndoCall(action="turn_dial", args={"to": before["value"]})

        given: dict[str, Any] = {"timeout_s": 5.0, "settle_s": 1.0, **more}
        return Action(
            name="turn_dial",
            summary="Turn it.",
            args=Dial,
            effect=Effect.REVERSIBLE,
            aspects=("dial",),
            undo_action="turn_dial",
            blast_radius="none",
            witness=("value",),
            observe=observe,
            preview=preview,
            apply=apply,
            confirm=confirm,
            undo=undo,
            **given,
        )


@pytest.fixture
def world() -> World:
    return World()


def _registry(world: World, journal: Journal | None = None, **more: Any) -> ActionRegistry:
    dial = {"dial": Binding(via="directory", path="/nowhere")}
    services = [Service(name="radio", kind="api", bindings=dial), Service(name="tv", kind="host")]
    return ActionRegistry(
        Inventory(services=services), {}, actions=[world.action(**more)], journal=journal, clock=ManualClock()
    )


def _call(**args: Any) -> ActionCall:
    return ActionCall(action="turn_dial", target="radio", args=args)


@pytest.mark.parametrize(
    ("call", "code", "hint"),
    [
        (ActionCall(action="turn_dials", target="radio"), "tool.unknown_action", "turn_dial"),
        (ActionCall(action="turn_dial", target="rado"), "tool.unknown_target", "radio"),
        (ActionCall(action="turn_dial", target="tv"), "tool.wrong_target", "radio"),
    ],
)
def test_what_is_not_there_is_refused_with_a_suggestion(world: World, call: ActionCall, code: str, hint: str) -> None:
    """Unknown actions and targets, and targets without the binding, come back with what was probably meant."""
    with pytest.raises(ToolError) as caught:
        _registry(world).check(call)
    assert caught.value.code == code
    assert hint in caught.value.hint


@pytest.mark.parametrize("args", [{"to": "x"}, {"speed": 3}, {"to": 1.5}])
def test_wrong_arguments_name_the_field_and_hide_the_value(world: World, args: dict[str, Any]) -> None:
    """The field is named; what was given is not repeated."""
    with pytest.raises(ToolError, match=next(iter(args))) as caught:
        _registry(world).check(_call(**args))
    assert caught.value.code == "tool.bad_arguments"


def test_defaults_are_filled_in(world: World) -> None:
    """A checked call carries every argument, so that its digest is that of what will be done."""
    assert _registry(world).check(_call()).args == {"to": 5}


def test_kinds_restrict_targets(world: World) -> None:
    """An action for databases does not apply to an api."""
    with pytest.raises(ToolError, match="does not apply"):
        _registry(world, target_kinds=("database",)).check(_call())


async def test_a_dry_run_that_cannot_see_cannot_tell(world: World) -> None:
    """The reason is given without the secret in it."""
    world.hidden = True
    found = await _registry(world).dry_run(_call())
    assert found.answer is DryRun.CANNOT_TELL
    assert "fog" in found.summary
    assert "abcdefgh" not in found.summary


async def test_a_dry_run_looks_twice(world: World) -> None:
    """One look that fails on a busy machine wakes nobody."""
    world.blinks = 1
    assert (await _registry(world).dry_run(_call())).answer is DryRun.WOULD_CHANGE


async def test_nothing_to_do_is_skipped(world: World) -> None:
    """An effect that is there already is not brought about again."""
    result = await _registry(world).execute(_call(to=1), idempotency_key="k")
    assert (result.outcome, result.undo, world.turns) == (Outcome.SKIPPED, None, 0)


async def test_an_unreachable_target_raises_before_anything_is_done(world: World) -> None:
    """Nothing was dispatched, so the error says so and the key stays free."""
    world.hidden = True
    registry = _registry(world)
    with pytest.raises(ToolUnavailableError):
        await registry.execute(_call(), idempotency_key="k")
    world.hidden = False
    assert (await registry.execute(_call(), idempotency_key="k")).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("trouble", "lands", "outcome"),
    [
        (ToolError("no"), False, Outcome.FAILED),
        (ToolError("no"), True, Outcome.SUCCEEDED),
        (ToolUnavailableError("gone"), False, Outcome.FAILED),
        (ToolUnknownError("silence"), True, Outcome.SUCCEEDED),
        (ToolUnknownError("silence"), False, Outcome.FAILED),
        (None, False, Outcome.FAILED),
    ],
)
async def test_after_trouble_the_state_decides(
    world: World, trouble: Exception | None, lands: bool, outcome: Outcome
) -> None:
    """What the far end said matters less than what is there; in no case is it done twice."""
    world.trouble, world.lands = trouble, lands
    registry = _registry(world)
    result = await registry.execute(_call(), idempotency_key="k")
    assert result.outcome is outcome
    assert (await registry.execute(_call(), idempotency_key="k")) == result
    assert world.turns == 1


async def test_trouble_in_the_fog_is_unknown(world: World) -> None:
    """A lost answer and an unreadable state leave UNKNOWN; reading back later resolves it."""
    registry = _registry(world)

    async def hide() -> None:
        while not world.turns:
            await asyncio.sleep(0)
        world.hidden = True

    hiding = asyncio.create_task(hide())
    world.hangs = True
    result = await _quick(world).execute(_call(), idempotency_key="k")
    await hiding
    assert result.outcome is Outcome.UNKNOWN
    assert result.undo is not None
    world.hidden = False
    assert (await registry.read_back(_call(), result)).outcome is Outcome.SUCCEEDED


def _quick(world: World) -> ActionRegistry:
    return _registry(world, timeout_s=0.05)


async def test_a_step_that_was_cut_off_is_unknown_and_never_repeated(world: World, tmp_path: Path) -> None:
    """A process killed in the middle finds its own entry and does not dispatch again."""
    journal = DirectoryJournal(tmp_path)
    world.hangs = True
    running = asyncio.create_task(_registry(world, journal).execute(_call(), idempotency_key="k"))
    while not world.turns:
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    world.hangs = False
    again = _registry(world, DirectoryJournal(tmp_path))
    result = await again.execute(_call(), idempotency_key="k")
    assert (result.outcome, world.turns, result.before["value"]) == (Outcome.UNKNOWN, 1, 1)
    back = await again.read_back(_call(), None)
    assert back.outcome is Outcome.SUCCEEDED
    assert back.undo == ActionCall(action="turn_dial", target="radio", args={"to": 1})


async def test_a_key_belongs_to_one_call(world: World) -> None:
    """The same key for other arguments is a mistake of the caller, not a replay."""
    registry = _registry(world)
    await registry.execute(_call(to=3), idempotency_key="k")
    with pytest.raises(ToolError, match="another call"):
        await registry.execute(_call(to=4), idempotency_key="k")


async def test_captured_state_is_redacted(world: World) -> None:
    """Results hold no secret, whatever the target showed."""
    result = await _registry(world).execute(_call(), idempotency_key="k")
    assert "abcdefgh" not in result.model_dump_json()


def test_a_full_disk_does_not_block_the_journal(tmp_path: Path) -> None:
    """An entry that cannot be written is kept in memory."""
    place = tmp_path / "file"
    place.write_text("not a directory")
    journal = DirectoryJournal(place)
    journal.begin(JournalEntry(key="k", call="c" * 64, before={"a": 1}))
    journal.finish("k", ActionResult(outcome=Outcome.SUCCEEDED, summary="done"))
    found = journal.find("k")
    assert found is not None
    assert found.result is not None
    assert journal.latest("c" * 64) == found


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_journals_agree(kind: str, tmp_path: Path) -> None:
    """Both journals remember per key, give the newest per call and keep the first beginning."""
    journal: Journal = MemoryJournal() if kind == "memory" else DirectoryJournal(tmp_path)
    assert journal.find("a") is None
    assert journal.latest("c" * 64) is None
    journal.finish("a", ActionResult(outcome=Outcome.FAILED, summary="never begun"))
    journal.begin(JournalEntry(key="a", call="c" * 64, before={"n": 1}))
    journal.begin(JournalEntry(key="a", call="c" * 64, before={"n": 2}))
    found = journal.find("a")
    assert found is not None
    assert found.before == {"n": 1}
    journal.finish("a", ActionResult(outcome=Outcome.SUCCEEDED, summary="done"))
    latest = journal.latest("c" * 64)
    assert latest is not None
    assert latest.result is not None


def test_a_damaged_entry_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Half an entry must not be taken for none."""
    journal = DirectoryJournal(tmp_path)
    journal.begin(JournalEntry(key="a", call="c" * 64, before={}))
    path = next(tmp_path.glob("*.json"))
    path.write_text("{")
    with pytest.raises(StorageError, match="journal"):
        journal.find("a")


async def test_the_aim_of_a_step_is_fixed_when_it_begins(world: World) -> None:
    """Without a named one the next look would aim at the next choice, and an undo could never bring that back."""
    dial = world.action()

    async def observe(target: Target, args: Dial) -> State:
        found = await dial.observe(target, args)
        return {**found, "wanted": found["value"] + 1}

    service = Service(name="radio", kind="api", bindings={"dial": Binding(via="directory", path="/nowhere")})
    registry = ActionRegistry(
        Inventory(services=[service]), {}, actions=[replace(dial, observe=observe)], clock=ManualClock()
    )
    result = await registry.execute(_call(), idempotency_key="k1")
    assert (result.before["wanted"], result.after["wanted"]) == (2, 2)
