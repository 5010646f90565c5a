"""Each situation with every history that a rule asks about: sequence functions answer symbolically."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.policy import Policy, Question
from governance.policycheck.situations import Space, around
from governance.sequence import readable, window_s
from governance.vocabulary import FUNCTIONS

Fact = tuple[str, ...]
"""A function with its arguments: ("count", "restart_service", "api", "10m")."""

LIMIT = 20_000
"""So many situations are looked at; of more, an even sample is."""

WORLDS = 40_000
"""So many situations with their histories are looked at, then the check says that it did not see all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One situation with one history, and what every rule says there."""

    fields: Mapping[str, Mapping[str, Any]]
    history: Mapping[Fact, int]
    matched: int
    """Bit n is set when rule n is true."""
    erred: int
    """Bit n is set when rule n cannot be told."""
    registered: bool
    """Whether its action exists."""

    def functions(self) -> dict[str, Callable[..., int | None]]:
        """The sequence functions with this history."""
        return _functions(self.history, [])

    def shown(self) -> dict[str, Any]:
        """As an example for a person."""
        past = {f"{fact[0]}({', '.join(fact[1:])})": number for fact, number in self.history.items()}
        return {**{root: dict(values) for root, values in self.fields.items()}, **({"history": past} if past else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What was looked at."""

    worlds: Sequence[World]
    situations: int
    """How many there are."""
    complete: bool
    """False: only a sample was looked at."""


def explore(policy: Policy, space: Space, numbers: frozenset[int]) -> Explored:
    """Ask the policy about every situation, or about an even sample of too many."""
    stride = -(-space.size // LIMIT)
    situations = space.situations(stride)
    answers = around(numbers)
    found = (world for fields in situations for world in _histories(policy, fields, answers, space.registered))
    worlds = list(itertools.islice(found, WORLDS + 1))
    complete = stride == 1 and len(worlds) <= WORLDS
    return Explored(worlds=worlds, situations=space.size, complete=complete)


def _histories(
    policy: Policy, fields: dict[str, dict[str, Any]], numbers: Sequence[int], registered: frozenset[str]
) -> Iterator[World]:
    """Start without knowing anything; whenever a rule asks for a fact, try each possible answer."""
    waiting: list[dict[Fact, int]] = [{}]
    while waiting:
        history = waiting.pop()
        asked: list[Fact] = []
        answers = policy.answers(Question(fields=fields, functions=_functions(history, asked)))
        if not asked:
            exists = fields["action"]["name"] in registered
            erred = _bits(found is not None and found.erred for found in answers)
            matched = _bits(found is not None and not found.erred for found in answers)
            yield World(fields=fields, history=history, matched=matched, erred=erred, registered=exists)
            continue
        more = ({**history, asked[0]: number} for number in numbers)
        waiting += [known for known in more if _possible(known)]


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << n for n, flag in enumerate(flags) if flag)


def _functions(history: Mapping[Fact, int], asked: list[Fact]) -> dict[str, Callable[..., int | None]]:
    return {name: _symbolic(name, 3 if name.startswith("count") else 2, history, asked) for name in FUNCTIONS}


def _symbolic(name: str, wanted: int, history: Mapping[Fact, int], asked: list[Fact]) -> Callable[..., int | None]:
    """Answers null to a wrong question, which errs in the condition as the real function does."""

    def answer(*arguments: Any) -> int | None:
        if len(arguments) != wanted or not all(isinstance(argument, str) for argument in arguments):
            return None
        if wanted == 3 and not readable(arguments[2]):
            return None
        fact = (name, *arguments)
        if fact not in history:
            asked.append(fact)
        return history.get(fact, 0)

    return answer


def _possible(history: Mapping[Fact, int]) -> bool:
    """A wider question never has a smaller answer."""
    return all(
        one <= other
        for (narrow, one), (wide, other) in itertools.permutations(history.items(), 2)
        if _within(narrow, wide)
    )


def _within(narrow: Fact, wide: Fact) -> bool:
    if narrow[0] != wide[0]:
        return False
    shorter = len(narrow) < 4 or window_s(narrow[3]) <= window_s(wide[3])
    return shorter and all(theirs in {"*", ours} for ours, theirs in zip(narrow[1:3], wide[1:3], strict=True))
