"""What a skill says that it does, against what its actions and commands do."""

from __future__ import annotations

from collections.abc import Iterator

from domain.action import Effect
from domain.commands import blocked, read_command
from domain.programs import BLOCKED
from skills.rules.flaw import Flaw, Subject, placed
from skills.schema import Action, Category, Risk
from skills.vocabulary import Vocabulary


def inferred(action: Action, words: Vocabulary) -> Effect | None:
    """The effect class of what it really calls; None when nothing is known about it."""
    if action.command is not None:
        return read_command(action.command).effect
    spec = words.actions.get(action.action or "")
    return spec.effect if spec else None


def declared_effect(subject: Subject) -> Iterator[Flaw]:
    """The declared class must be the inferred one."""
    for number, action in enumerate(subject.skill.actions):
        found = inferred(action, subject.words)
        at = ("actions", str(number), "effect")
        if found is None and action.command and action.effect is not Effect.IRREVERSIBLE:
            text = f"{action.name}: nothing is known about `{action.command[0]}`, so it counts as irreversible"
            yield Flaw(rule="unknown_effect", at=at, text=text, fix="declare it irreversible, or use a known program")
        elif found is not None and found is not action.effect:
            text = f"{action.name}: declared {action.effect.value}, but what it calls is {found.value}"
            yield Flaw(
                rule="declared_effect", at=at, text=text, fix=f"write effect: {found.value}, or do something else"
            )


def mutability(subject: Subject) -> Iterator[Flaw]:
    """`read_only` means that nothing changes; inferred, not believed."""
    skill, meta = subject.skill, subject.skill.metadata
    changes = [a.name for a in skill.actions if inferred(a, subject.words) is not Effect.READ]
    if changes and meta.mutability == "read_only":
        text = f"says read_only, but {', '.join(changes)} may change something"
        yield Flaw(rule="not_read_only", at=("metadata", "mutability"), text=text, fix="write mutability: mutating")
    if not changes and meta.mutability == "mutating":
        text = "says mutating, but no action changes anything"
        yield Flaw(rule="not_mutating", at=("metadata", "mutability"), text=text, fix="write mutability: read_only")
    if changes and meta.category is not Category.ACTION:
        text = f"{', '.join(changes)} may change something in a skill of category {meta.category.value}"
        yield Flaw(rule="wrong_category", at=("metadata", "category"), text=text, fix="write category: action")
    if changes and meta.risk_level is Risk.NONE:
        text = "a change is never without risk"
        yield Flaw(rule="no_risk", at=("metadata", "risk_level"), text=text, fix="write low, medium or high")


def checks_only_read(subject: Subject) -> Iterator[Flaw]:
    """A check may look, nothing else."""
    for one in placed(subject):
        effect = read_command(one.check.command).effect if one.check.command else Effect.READ
        if effect is not Effect.READ:
            found = effect.value if effect else "unknown"
            text = f"{one.check.name}: a check must only read, the effect of `{one.check.command[0]}` is {found}"  # type: ignore[index]
            yield Flaw(
                rule="check_changes", at=(*one.at, "command"), text=text, fix="use a reading command", file=one.file
            )


def blocked_verbs(subject: Subject) -> Iterator[Flaw]:
    """Said early: these stop at a person, whatever the autonomy."""
    for number, action in enumerate(subject.skill.actions):
        if action.command and (verb := blocked(action.command)):
            fix = "say in `irreversible` why it must be"
            text = f"{action.name}: `{verb}` is one of {', '.join(sorted(BLOCKED))}"
            if not subject.skill.irreversible:
                yield Flaw(rule="blocked_verb", at=("actions", str(number), "command"), text=text, fix=fix)


RULES = (declared_effect, mutability, checks_only_read, blocked_verbs)
