"""How a skill is taken back: every change has its undo or the open word that there is none."""

from __future__ import annotations

from collections.abc import Iterator

from domain.action import Effect
from domain.commands import plain_words, read_command
from skills.rules.effects import inferred
from skills.rules.flaw import Flaw, Subject
from skills.schema import Action, Compensation
from skills.vocabulary import Vocabulary


def missing_undo(subject: Subject) -> Iterator[Flaw]:
    """What changes something and is not in `rollback` needs `irreversible: why`."""
    skill = subject.skill
    covered = {c.undoes for c in skill.rollback}
    for number, action in enumerate(skill.actions):
        harmless = inferred(action, subject.words) is Effect.READ
        if harmless or action.name in covered or skill.irreversible:
            continue
        spec = subject.words.actions.get(action.action or "")
        known = f"add rollback: {{undoes: {action.name}, action: {spec.undo}}}" if spec and spec.undo else ""
        yield Flaw(
            rule="missing_undo",
            at=("actions", str(number), "name"),
            text=f"{action.name} changes something and nothing takes it back",
            fix=known or "add a rollback, or say in `irreversible` why there is none",
        )


def inverse(subject: Subject) -> Iterator[Flaw]:
    """A rollback that is not the inverse of what it undoes is worse than none."""
    actions = {a.name: a for a in subject.skill.actions}
    seen: set[str] = set()
    for number, undo in enumerate(subject.skill.rollback):
        at = ("rollback", str(number))
        action = actions.get(undo.undoes)
        if action is None:
            text = f"undoes {undo.undoes!r}, which is no action of this skill"
            yield Flaw(
                rule="undoes_nothing", at=at, text=text, fix=f"name one of {', '.join(actions) or 'its actions'}"
            )
        elif undo.undoes in seen:
            text = f"{undo.undoes} is taken back twice"
            yield Flaw(rule="undone_twice", at=at, text=text, fix="keep one")
        elif why := not_inverse(action, undo, subject.words):
            yield Flaw(rule="no_inverse", at=at, text=why[0], fix=why[1])
        seen.add(undo.undoes)


def not_inverse(action: Action, undo: Compensation, words: Vocabulary) -> tuple[str, str] | None:
    """(why a compensation does not take an action back, what to do), or None when it does."""
    if action.action is not None:
        return _registered(action.action, undo, words)
    assert action.command is not None
    if undo.command is None:
        return f"{action.name} is a command, its undo must be one", "write `command: [...]`"
    return _commands(action, undo.command)


def _registered(name: str, undo: Compensation, words: Vocabulary) -> tuple[str, str] | None:
    spec = words.actions.get(name)
    if spec is None:
        return None  # an unknown action is another rule's flaw
    if not spec.undo:
        return f"{name} cannot be taken back: {spec.no_undo_reason}", "remove it and say so in `irreversible`"
    if undo.action != spec.undo:
        found = undo.action or " ".join(undo.command or ())
        return f"{found} does not take {name} back, {spec.undo} does", f"write action: {spec.undo}"
    return None


def _commands(action: Action, undo: tuple[str, ...]) -> tuple[str, str] | None:
    assert action.command is not None
    forward, back = read_command(action.command), read_command(undo)
    said = f"{back.program} {back.verb}".strip()
    if not forward.takes_back:
        return f"nothing takes `{forward.program} {forward.verb}` back", "say so in `irreversible`"
    if said != forward.takes_back:
        return f"`{said}` does not take `{forward.program} {forward.verb}` back", f"use {forward.takes_back}"
    if tuple(undo) == tuple(action.command):
        return "the rollback is the action itself: it would do the same again", "name the state from before"
    gone = set(_objects(action.command)) - set(_objects(undo))
    if gone:
        return f"the rollback does not touch {', '.join(sorted(gone))}", "take back the same object"
    return None


def _objects(argv: tuple[str, ...]) -> list[str]:
    """`kind/name` words that a command is about."""
    return [word for word in plain_words(argv) if "/" in word]


RULES = (missing_undo, inverse)
