"""Arguments that stem from untrusted text: they match the inventory, or a person looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from domain.action import Verdict
from domain.inventory import Inventory
from governance.guard.attempt import Attempt, Door, Parts, Wrapper


class Taint(Wrapper):
    """A log line may suggest a value; only the inventory or a person makes it a fact."""

    name = "taint"

    def __init__(self, inner: Door, parts: Parts) -> None:
        super().__init__(inner, parts)
        self._known = known_words(parts.inventory)

    async def look(self, attempt: Attempt) -> None:
        for argument in attempt.step.tainted_args:
            value = attempt.call.target if argument == "target" else attempt.call.args.get(argument)
            strange = [word for word in scalars(value) if word not in self._known]
            if strange:
                attempt.strange_args.append(argument)
                shown = ", ".join(repr(word)[:60] for word in strange[:3])
                text = f"argument {argument} stems from untrusted text and is not in the inventory: {shown}"
                attempt.say(self.name, Verdict.ASK, text)
            else:
                attempt.say(
                    self.name, Verdict.ALLOW, f"argument {argument} stems from untrusted text, the inventory has it"
                )


def known_words(inventory: Inventory) -> frozenset[str | int | float | bool]:
    """Every value that the inventory itself contains."""
    return frozenset(scalars(inventory.model_dump(mode="json")))


def scalars(value: object) -> Iterator[str | int | float | bool]:
    """All plain values inside a JSON value, names of fields included; null is none."""
    match value:
        case dict():
            for name, inner in cast("dict[str, object]", value).items():
                yield name
                yield from scalars(inner)
        case list():
            for inner in cast("list[object]", value):
                yield from scalars(inner)
        case str() | int() | float():
            yield value
        case _:
            return
