"""What an action is: one frozen definition with typed arguments and five small functions.

`observe` reads the target, `preview` says from that state what would happen, `apply` does it, `confirm` judges the state
afterwards and `undo` names the arguments that take it back. Three of the five are pure, so dry run, read-back and undo
follow from the same state and cannot contradict each other; `tools.registry` puts them together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from domain.action import ActionSpec, DryRun, Effect
from domain.conditions import Condition
from tools.target import Target

State: TypeAlias = dict[str, Any]
"""The target as the action sees it: plain JSON, never a secret."""

A = TypeVar("A", bound=BaseModel)


class NoArgs(BaseModel):
    """Arguments of an action that needs none."""

    model_config = {"frozen": True, "extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an action would do to a target in a given state."""

    answer: DryRun
    summary: str


def would(summary: str) -> Preview:
    """A preview that says the world would look different."""
    return Preview(answer=DryRun.WOULD_CHANGE, summary=summary)


def nothing(summary: str) -> Preview:
    """A preview that says everything is as wanted already."""
    return Preview(answer=DryRun.NO_CHANGE, summary=summary)


def unclear(summary: str) -> Preview:
    """A preview that cannot say."""
    return Preview(answer=DryRun.CANNOT_TELL, summary=summary)


def _accept(target: Target, args: Any) -> None:
    """Nothing to check beyond the argument types."""


async def _unrehearsed(target: Target, args: Any, before: State) -> None:
    """The far end offers no dry run of its own."""


def _no_undo(args: Any, before: State) -> UndoCall | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCall:
    """Which action takes an effect back, with the arguments captured before it."""

    action: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Generic[A]):
    """One registered action. `observe`, `rehearse` and `apply` raise ToolErrors; `preview`, `confirm` and `undo` are pure."""

    name: str
    summary: str
    args: type[A]
    effect: Effect
    removes: tuple[Condition, ...] = ()
    """Conditions that it can remove."""
    aspects: tuple[str, ...]
    """Aspects of the target's bindings; any one of them is enough."""
    target_kinds: tuple[str, ...] = ()
    undo_action: str = ""
    no_undo_reason: str = ""
    timeout_s: float = 30.0
    """From the first byte sent until the effect is confirmed."""
    observe_s: float = 10.0
    """How long one look at the target may take."""
    settle_s: float = 10.0
    """How long after `apply` returned the effect may take to show."""
    blast_radius: str
    witness: tuple[str, ...] = ()
    """Keys of the state that an approval is bound to."""
    observe: Callable[[Target, A], Awaitable[State]]
    preview: Callable[[A, State], Preview]
    apply: Callable[[Target, A, State], Awaitable[str]]
    """Do it; returns one sentence about what was done."""
    confirm: Callable[[A, State, State], bool | None]
    """(arguments, before, now) → the effect is there; None when the state cannot tell."""
    undo: Callable[[A, State], UndoCall | None] = _no_undo
    rehearse: Callable[[Target, A, State], Awaitable[None]] = _unrehearsed
    """Let the far end check the change without keeping it, where it can; raises what it would refuse with."""
    accept: Callable[[Target, A], None] = _accept
    """Refuse arguments that the inventory does not allow; raises ToolError."""

    def published(self) -> ActionSpec:
        """What the registry tells others. Several possible aspects are joined with `|`."""
        return ActionSpec(
            name=self.name,
            summary=self.summary,
            effect=self.effect,
            target_kinds=list(self.target_kinds),
            binding="|".join(self.aspects),
            schema=self.args.model_json_schema(),
            undo=self.undo_action,
            no_undo_reason=self.no_undo_reason,
            timeout_s=self.timeout_s,
            blast_radius=self.blast_radius,
            witness=list(self.witness),
            removes=[condition.value for condition in self.removes],
        )
