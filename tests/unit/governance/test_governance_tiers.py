"""The table of tiers: total, monotone, and what the specification says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import Effect, Tier, Verdict
from domain.inventory import Environment
from governance.tiers import ENVIRONMENTS, LIMITS, NAMES, TABLE, rule

tiers, effects, environments = st.sampled_from(Tier), st.sampled_from(Effect), st.sampled_from(Environment)


@given(tiers, tiers, environments, effects, st.booleans())
def test_a_higher_tier_is_never_stricter(a: Tier, b: Tier, where: Environment, what: Effect, earned: bool) -> None:
    """Higher tiers include the lower ones."""
    low, high = sorted([a, b], key=lambda tier: tier.level)
    below, above = rule(low, where, what, earned=earned), rule(high, where, what, earned=earned)
    assert above.verdict.strictness <= below.verdict.strictness


@given(tiers, environments, environments, effects, st.booleans())
def test_a_more_harmful_place_is_never_laxer(
    tier: Tier, a: Environment, b: Environment, what: Effect, earned: bool
) -> None:
    """Sandbox, staging, production: verdicts only get stricter."""
    safe, risky = sorted([a, b], key=ENVIRONMENTS.index)
    assert (
        rule(tier, safe, what, earned=earned).verdict.strictness
        <= rule(tier, risky, what, earned=earned).verdict.strictness
    )


@given(tiers, environments, effects, effects)
def test_a_riskier_effect_is_never_laxer(tier: Tier, where: Environment, a: Effect, b: Effect) -> None:
    """Read, transient, reversible, irreversible: verdicts only get stricter."""
    mild, grave = sorted([a, b], key=list(Effect).index)
    assert rule(tier, where, mild).verdict.strictness <= rule(tier, where, grave).verdict.strictness


@pytest.mark.parametrize(
    ("tier", "where", "what", "verdict", "quorum"),
    [
        (Tier.T0, Environment.PRODUCTION, Effect.READ, Verdict.ALLOW, 1),
        (Tier.T0, Environment.SANDBOX, Effect.TRANSIENT, Verdict.DENY, 1),
        (Tier.T1, Environment.SANDBOX, Effect.REVERSIBLE, Verdict.ALLOW, 1),
        (Tier.T1, Environment.SANDBOX, Effect.IRREVERSIBLE, Verdict.DENY, 1),
        (Tier.T1, Environment.STAGING, Effect.TRANSIENT, Verdict.DENY, 1),
        (Tier.T2, Environment.STAGING, Effect.TRANSIENT, Verdict.ALLOW, 1),
        (Tier.T2, Environment.PRODUCTION, Effect.REVERSIBLE, Verdict.ASK, 1),
        (Tier.T2, Environment.SANDBOX, Effect.IRREVERSIBLE, Verdict.ASK, 1),
        (Tier.T3, Environment.PRODUCTION, Effect.TRANSIENT, Verdict.ASK, 1),
        (Tier.T3, Environment.STAGING, Effect.IRREVERSIBLE, Verdict.ASK, 1),
        (Tier.T3, Environment.PRODUCTION, Effect.IRREVERSIBLE, Verdict.DENY, 1),
        (Tier.T4, Environment.PRODUCTION, Effect.IRREVERSIBLE, Verdict.ASK, 2),
    ],
)
def test_the_table_says(tier: Tier, where: Environment, what: Effect, verdict: Verdict, quorum: int) -> None:
    """Rows of the specification, with the number of people who must say yes."""
    ruling = rule(tier, where, what)
    assert ruling.verdict is verdict, ruling
    assert verdict is not Verdict.ASK or ruling.quorum == quorum


def test_production_is_unattended_only_with_an_earned_record() -> None:
    """A Custodian acts alone on production where it has proved itself with this action, and nowhere else."""
    assert rule(Tier.T3, Environment.PRODUCTION, Effect.TRANSIENT, earned=True).verdict is Verdict.ALLOW
    assert rule(Tier.T2, Environment.PRODUCTION, Effect.TRANSIENT, earned=True).verdict is Verdict.ASK


def test_the_tables_are_total() -> None:
    """Every effect class has every environment; every tier has a name and limits."""
    assert set(TABLE) == set(Effect)
    assert all(set(row) == set(Environment) for row in TABLE.values())
    assert set(NAMES) == set(LIMITS) == set(Tier)
