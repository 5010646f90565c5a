"""Findings about a policy: what does nothing, what contradicts, what cannot match, what errs, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from domain.action import ActionSpec, Verdict
from domain.value import Value
from governance.policy import Policy, Question, Rule
from governance.policycheck.reading import Reading, read_rule
from governance.policycheck.situations import space
from governance.policycheck.worlds import Explored, World, explore
from governance.vocabulary import FUNCTIONS


class Flaw(StrEnum):
    """What is wrong with a rule. The last two are remarks, no findings."""

    UNKNOWN_FIELD = "unknown field"
    UNKNOWN_FUNCTION = "unknown function"
    ERRS = "errs"
    NEVER_MATCHES = "never matches"
    UNREACHABLE = "unreachable"
    CONTRADICTORY = "contradictory"
    DENIES_ALL = "denies everything"
    PRECAUTION = "precaution"
    UNDECIDED = "undecided"

    @property
    def finding(self) -> bool:
        """Whether a check fails on it."""
        return self not in {Flaw.PRECAUTION, Flaw.UNDECIDED}


class PolicyFinding(Value):
    """One thing a reader of the policy should know."""

    rule: str
    flaw: Flaw
    text: str
    example: dict[str, Any] | None = None
    """A situation that shows it."""


class PolicyCheck(Value):
    """The whole check."""

    policy: str
    """Name and revision."""
    rules: int
    actions: int
    """How many registered actions it was checked against."""
    situations: int
    """How many combinations of the fields' representative values there are."""
    worlds: int
    """How many of them, each with every history that a rule asks about, were looked at."""
    complete: bool
    findings: list[PolicyFinding]

    @property
    def clean(self) -> bool:
        """No findings; remarks are allowed."""
        return not any(found.flaw.finding for found in self.findings)


def check_policy(policy: Policy, specs: Sequence[ActionSpec]) -> PolicyCheck:
    """Ask the policy about every combination of representative values, and say what that shows."""
    readings = [read_rule(rule) for rule in policy.document.rules]
    explored = explore(policy, space(readings, specs), _asked(readings))
    findings = [found for n, reading in enumerate(readings) for found in _about(n, reading, policy, explored)]
    return PolicyCheck(
        policy=policy.pin,
        rules=len(readings),
        actions=len(specs),
        situations=explored.situations,
        worlds=len(explored.worlds),
        complete=explored.complete,
        findings=[*findings, *_whole(policy, explored)],
    )


def _asked(readings: Sequence[Reading]) -> frozenset[int]:
    """Numbers that answers of sequence functions are compared with."""
    return frozenset(n for reading in readings if reading.functions & FUNCTIONS.keys() for n in reading.numbers)


def _about(n: int, reading: Reading, policy: Policy, explored: Explored) -> Iterator[PolicyFinding]:
    rule = reading.rule
    strange = list(_strange(reading))
    if strange:
        yield from strange
        return
    erring = next((world for world in explored.worlds if world.registered and world.erred >> n & 1), None)
    if erring is not None:
        yield PolicyFinding(rule=rule.id, flaw=Flaw.ERRS, text=_error(n, policy, erring), example=erring.shown())
    if reading.beyond():
        text = f"{', '.join(reading.beyond())}: no representative values cover this, so only errors are looked for"
        yield PolicyFinding(rule=rule.id, flaw=Flaw.UNDECIDED, text=text)
        return
    matched = [world for world in explored.worlds if world.matched >> n & 1]
    if not matched:
        yield from () if erring else [_unseen(rule, explored)]
    elif not any(world.registered for world in matched):
        yield _imagined(rule, matched[0])
    else:
        yield from _covered(n, policy.document.rules, matched, explored)


def _strange(reading: Reading) -> Iterator[PolicyFinding]:
    unknown = [*reading.unknown_roots(), *reading.unknown_fields()]
    rows = [
        *((Flaw.UNKNOWN_FIELD, f"there is no {name}") for name in unknown),
        *((Flaw.UNKNOWN_FUNCTION, f"there is no function {name}") for name in reading.unknown_functions()),
        *((Flaw.ERRS, problem) for problem in reading.bad_windows()),
    ]
    for flaw, text in rows:
        yield PolicyFinding(rule=reading.rule.id, flaw=flaw, text=text)


def _error(n: int, policy: Policy, world: World) -> str:
    found = policy.answers(Question(fields=world.fields, functions=world.functions()))[n]
    assert found is not None, "it erred there"
    return found.text


def _unseen(rule: Rule, explored: Explored) -> PolicyFinding:
    if explored.complete:
        text = f"its condition is true in none of {explored.situations} situations"
        return PolicyFinding(rule=rule.id, flaw=Flaw.NEVER_MATCHES, text=text)
    text = f"no match among {len(explored.worlds)} of {explored.situations} situations; the others were not looked at"
    return PolicyFinding(rule=rule.id, flaw=Flaw.UNDECIDED, text=text)


def _imagined(rule: Rule, world: World) -> PolicyFinding:
    flaw = Flaw.PRECAUTION if rule.verdict is Verdict.DENY else Flaw.NEVER_MATCHES
    text = "it matches no registered action" + ("; kept for later ones" if flaw is Flaw.PRECAUTION else "")
    return PolicyFinding(rule=rule.id, flaw=flaw, text=text, example=world.shown())


def _covered(n: int, rules: Sequence[Rule], matched: Sequence[World], explored: Explored) -> Iterator[PolicyFinding]:
    """Whether another rule that is at least as strict speaks wherever this one does."""
    above = sum(1 << m for m in range(len(rules)) if m != n and _outranks(m, n, rules))
    if not all(world.matched & above for world in matched):
        return
    names = ", ".join(
        rule.id for m, rule in enumerate(rules) if any((world.matched & above) >> m & 1 for world in matched)
    )
    twin = next((rules[m] for m in range(len(rules)) if above >> m & 1 and _twins(n, m, rules, explored)), None)
    if not explored.complete:
        flaw, text = Flaw.UNDECIDED, f"in all situations that were looked at, {names} decided instead"
    elif twin is not None:
        mine, theirs = rules[n].verdict.value, twin.verdict.value
        flaw, text = Flaw.CONTRADICTORY, f"{twin.id} says {theirs} in exactly the situations where this says {mine}"
    else:
        flaw, text = Flaw.UNREACHABLE, f"wherever it matches, {names} decides"
    yield PolicyFinding(rule=rules[n].id, flaw=flaw, text=text, example=matched[0].shown())


def _outranks(m: int, n: int, rules: Sequence[Rule]) -> bool:
    """Of two equal rules the one that is written first counts."""
    ours, theirs = _weight(rules[n]), _weight(rules[m])
    return theirs > ours or (theirs == ours and m < n)


def _weight(rule: Rule) -> tuple[int, int]:
    return rule.verdict.strictness, rule.quorum if rule.verdict is Verdict.ASK else 0


def _twins(n: int, m: int, rules: Sequence[Rule], explored: Explored) -> bool:
    """Two rules of different verdicts that match in exactly the same situations."""
    if rules[n].verdict is rules[m].verdict:
        return False
    return all((world.matched >> n & 1) == (world.matched >> m & 1) for world in explored.worlds)


def _whole(policy: Policy, explored: Explored) -> Iterator[PolicyFinding]:
    no = sum(1 << n for n, rule in enumerate(policy.document.rules) if rule.verdict is Verdict.DENY)
    real = [world for world in explored.worlds if world.registered]
    if not any(world.matched and not (world.matched & no or world.erred) for world in real):
        flaw = Flaw.DENIES_ALL if explored.complete else Flaw.UNDECIDED
        yield PolicyFinding(rule="", flaw=flaw, text="no registered action is allowed or asked for in any situation")
