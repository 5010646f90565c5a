"""The static check of policies: each flaw is found, each honest policy passes, and what cannot be told is said."""

from __future__ import annotations

from typing import Any

import pytest

from domain.action import ActionSpec, Effect, Verdict
from governance.policy import Policy, PolicyDocument, Rule, load_policy, shipped
from governance.policycheck import worlds
from governance.policycheck.check import Flaw, PolicyCheck, check_policy
from governance.policycheck.reading import read_rule

OPEN = ("true", Verdict.ALLOW)


def spec(name: str, effect: Effect, **properties: Any) -> ActionSpec:
    return ActionSpec(
        name=name, summary="", effect=effect, binding="process", schema={"type": "object", "properties": properties}
    )


SPECS = [
    spec("read_status", Effect.READ),
    spec("restart_service", Effect.TRANSIENT),
    spec(
        "scale_pool",
        Effect.REVERSIBLE,
        size={"type": "integer", "minimum": 1, "maximum": 100},
        force={"type": "boolean"},
        how={"enum": ["slow", "fast"]},
        note={"anyOf": [{"type": "string"}, {"type": "null"}]},
        pids={"type": "array"},
        extra={"type": "object"},
    ),
    spec("drop_table", Effect.IRREVERSIBLE),
]


def checked(*rules: tuple[str, Verdict], quorum: int = 1) -> PolicyCheck:
    made = [
        Rule(id=f"r{n}", why="w", when=when, verdict=verdict, quorum=quorum) for n, (when, verdict) in enumerate(rules)
    ]
    return check_policy(Policy(PolicyDocument(version="1", name="test", rules=made)), SPECS)


def flaws(*rules: tuple[str, Verdict]) -> list[tuple[str, Flaw]]:
    return [(found.rule, found.flaw) for found in checked(*rules).findings]


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_policies_have_no_findings(name: str) -> None:
    """Over actions such as the product's; all situations were looked at."""
    found = check_policy(load_policy(name), [*SPECS, spec("migrate", Effect.IRREVERSIBLE)])
    assert found.clean, found.findings
    assert found.complete
    assert found.policy == load_policy(name).pin


@pytest.mark.parametrize(
    ("when", "flaw"),
    [
        ('target.colour == "red"', Flaw.UNKNOWN_FIELD),
        ('weather.today == "rain"', Flaw.UNKNOWN_FIELD),
        ('counts("*", "*", "1m") > 1', Flaw.UNKNOWN_FUNCTION),
        ('count("*", "*", "1d") > 1', Flaw.ERRS),
        ('count("*", "*") > 1', Flaw.ERRS),
        ("running(1, 2) > 1", Flaw.ERRS),
        ('count(target.name, "*", target.kind) > 1', Flaw.ERRS),
        ("change.compensation > 3", Flaw.ERRS),
        ("args.size > 5", Flaw.ERRS),
        ("target.environment", Flaw.ERRS),
        ('target.environment == "prod"', Flaw.NEVER_MATCHES),
        ('target.kind == "a" && target.kind == "b"', Flaw.NEVER_MATCHES),
        ('count("*", "*", "1m") > 2 && count("*", "*", "5m") < 2', Flaw.NEVER_MATCHES),
        ('count("*", "api", "5m") > 2 && count("*", "*", "5m") < 2', Flaw.NEVER_MATCHES),
        ("agent.tier == 'T1' && agent.level > 1", Flaw.NEVER_MATCHES),
        ('action.name == "reboot_universe"', Flaw.PRECAUTION),
        ('target.name.matches("^a")', Flaw.UNDECIDED),
        ("has(args.extra) && has(args.extra.deep) && args.extra.deep > 1", Flaw.UNDECIDED),
        ('taint.args.exists(a, a == "x")', Flaw.UNDECIDED),
    ],
)
def test_a_flawed_rule_is_found(when: str, flaw: Flaw) -> None:
    """Each way in which a rule may do nothing or something else than it says."""
    assert ("r1", flaw) in flaws(OPEN, (when, Verdict.DENY))


@pytest.mark.parametrize(
    "when",
    [
        'target.kind == "database"',
        '"database" == target.kind',
        'target["kind"] != "database"',
        'target.name in ["a", "b"] && action.effect != "read"',
        'action.name.startsWith("rest") && action.name.endsWith("service")',
        'action.name.startsWith("x_") && action.name.contains("y")',
        "has(args.size) && args.size > 50",
        'action.name == "scale_pool" && args.force && args.how == "fast"',
        'has(args.note) && args.note == "x" && size(args.pids) == 0',
        '"value" in taint.unknown && agent.level < 3',
        "size(taint.args) > 0",
        'count("restart_service", target.name, "10m") >= 2',
        'count_kind("*", "database", "1h") > 3 && running("migrate", "*") > 0 && running_kind("*", "cache") == 0',
        "plan.revision > 2 && !change.compensation",
        'plan.source in ["model"] && target.criticality == "high"',
    ],
)
def test_an_honest_rule_passes(when: str) -> None:
    """No findings, at most a remark that no action of today is meant."""
    assert checked(OPEN, (when, Verdict.DENY)).clean


def test_a_rule_below_another_is_unreachable() -> None:
    """A stricter rule, or an equal one that is written first, speaks wherever this one does."""
    narrow = ('action.effect == "read"', Verdict.ASK)
    assert flaws(OPEN, ("target.environment != 'sandbox'", Verdict.DENY), narrow) == []
    assert flaws(OPEN, narrow, ("action.effect != 'transient'", Verdict.DENY)) == [("r1", Flaw.UNREACHABLE)]
    assert flaws(OPEN, narrow, ("action.effect == 'read' && change.compensation", Verdict.ASK)) == [
        ("r2", Flaw.UNREACHABLE)
    ]


def test_two_verdicts_on_the_same_situations_contradict() -> None:
    """One of them cannot be meant."""
    found = checked(OPEN, ('action.effect == "read"', Verdict.ASK), ('!(action.effect != "read")', Verdict.DENY))
    [finding] = found.findings
    assert (finding.rule, finding.flaw) == ("r1", Flaw.CONTRADICTORY)
    assert "r2 says deny" in finding.text
    assert finding.example is not None


def test_a_policy_that_never_opens_is_a_finding() -> None:
    """Nobody writes rules to shut everything."""
    assert ("", Flaw.DENIES_ALL) in flaws(('action.effect in ["read"]', Verdict.DENY))


def test_an_allow_for_an_action_that_nobody_has_never_matches() -> None:
    """A deny may be a precaution; an allow is a slip of the pen."""
    found = checked(OPEN, ('action.name == "restart_servce"', Verdict.ASK))
    assert [(f.rule, f.flaw) for f in found.findings] == [("r1", Flaw.NEVER_MATCHES)]


def test_what_was_not_all_looked_at_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many situations: a sample disproves, it does not prove."""
    monkeypatch.setattr(worlds, "WORLDS", 1)
    names = ('target.kind == "a" && target.kind == "b"', Verdict.DENY)
    found = checked(("action.effect == 'nothing'", Verdict.ALLOW), names)
    assert not found.complete
    assert {f.flaw for f in found.findings} == {Flaw.UNDECIDED}
    covered = checked(("plan.steps > 0", Verdict.DENY), ("plan.steps >= 1 && agent.level >= 0", Verdict.ALLOW))
    assert ("r1", Flaw.UNDECIDED) in [(f.rule, f.flaw) for f in covered.findings]


def test_two_people_outrank_one() -> None:
    """A rule that asks two people covers one that asks one."""
    rules = [
        Rule(id="one", why="w", when="true", verdict=Verdict.ASK),
        Rule(id="two", why="w", when="true", verdict=Verdict.ASK, quorum=2),
    ]
    found = check_policy(Policy(PolicyDocument(version="1", name="test", rules=rules)), SPECS)
    assert [(f.rule, f.flaw) for f in found.findings] == [("one", Flaw.UNREACHABLE)]


def test_a_condition_is_read_without_running_it() -> None:
    """Fields, numbers, windows and literals, whatever stands inside quotes."""
    rule = Rule(
        id="r",
        why="w",
        when='action.name == "target.colour 99" && count("*", target["name"], "10m") > 3 && ["a"].exists(x, x == "b")',
        verdict=Verdict.DENY,
    )
    reading = read_rule(rule)
    assert reading.fields == {("action", "name"), ("target", "name")}
    assert reading.numbers == {3}
    assert reading.windows == ("10m",)
    assert reading.literals[("action", "name")] == ("target.colour 99",)
    assert reading.unknown_fields() == reading.unknown_roots() == []
