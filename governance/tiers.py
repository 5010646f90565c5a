"""Tier × environment × effect class → verdict: the one table. Nothing else repeats it (spec: governance)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.action import Effect, Tier, Verdict
from domain.inventory import Environment

ENVIRONMENTS = (Environment.SANDBOX, Environment.STAGING, Environment.PRODUCTION)
"""From harmless to harmful."""

NAMES: dict[Tier, str] = {
    Tier.T0: "Observer",
    Tier.T1: "Operator",
    Tier.T2: "Automator",
    Tier.T3: "Custodian",
    Tier.T4: "Steward",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """From which tier on an effect class is asked for, and from which it is allowed unattended (None: never)."""

    ask: Tier | None = None
    allow: Tier | None = None
    quorum: int = 1
    """Distinct people who must say yes where it asks."""
    earned: bool = False
    """True: unattended only with an earned record for this action × environment; without one it asks."""


_UNDOABLE: dict[Environment, Entitlement] = {
    Environment.SANDBOX: Entitlement(allow=Tier.T1),
    Environment.STAGING: Entitlement(allow=Tier.T2),
    Environment.PRODUCTION: Entitlement(ask=Tier.T2, allow=Tier.T3, earned=True),
}

TABLE: dict[Effect, dict[Environment, Entitlement]] = {
    Effect.READ: {environment: Entitlement(allow=Tier.T0) for environment in ENVIRONMENTS},
    Effect.TRANSIENT: _UNDOABLE,
    Effect.REVERSIBLE: _UNDOABLE,
    Effect.IRREVERSIBLE: {
        Environment.SANDBOX: Entitlement(ask=Tier.T2),
        Environment.STAGING: Entitlement(ask=Tier.T3),
        Environment.PRODUCTION: Entitlement(ask=Tier.T4, quorum=2),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the table says, in words."""

    verdict: Verdict
    text: str
    quorum: int = 1


def rule(tier: Tier, environment: Environment, effect: Effect, *, earned: bool = False) -> Ruling:
    """The table's verdict. `earned`: whether there is a record for exactly this action × environment."""
    entitlement = TABLE[effect][environment]
    who = f"{tier.value} ({NAMES[tier]})"
    what = f"{effect.value} change on {environment.value}" if effect.mutating else f"reading {environment.value}"
    if reaches(tier, entitlement.allow):
        if entitlement.earned and not earned:
            text = f"{who}: a {what} needs a person until this action has an earned record there"
            return Ruling(verdict=Verdict.ASK, text=text, quorum=entitlement.quorum)
        return Ruling(verdict=Verdict.ALLOW, text=f"{who} may do it unattended: {what}")
    if reaches(tier, entitlement.ask):
        people = "one person" if entitlement.quorum == 1 else f"{entitlement.quorum} distinct people"
        return Ruling(
            verdict=Verdict.ASK, text=f"{who}: a {what} needs the approval of {people}", quorum=entitlement.quorum
        )
    return Ruling(verdict=Verdict.DENY, text=f"{who} may not: {what} {_needs(entitlement)}")


MIN_CONFIDENCE: dict[Environment, float] = {
    Environment.SANDBOX: 0.2,
    Environment.STAGING: 0.4,
    Environment.PRODUCTION: 0.6,
}
"""How sure of its hypothesis an agent must be to act on it by itself."""


def reaches(tier: Tier, least: Tier | None) -> bool:
    """Whether the tier is at least that one; nobody reaches `None`."""
    return least is not None and tier.level >= least.level


def _needs(entitlement: Entitlement) -> str:
    least = entitlement.ask or entitlement.allow
    assert least is not None, "every row names a tier"
    return f"needs at least {least.value} ({NAMES[least]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of one tier. Windows are in seconds."""

    errors_total: int
    """Failed steps in one change before the budget is exhausted."""
    errors_same: int
    """Failures of the same action on the same target in one change."""
    procedure_violations: int = 1
    """The first one exhausts it."""
    per_change: int
    """Mutations in one change."""
    per_target: int
    """Mutations of one target within `target_window_s`, over all changes."""
    target_window_s: int
    per_minute: int
    """Mutations of one agent within a minute, over all targets."""


LIMITS: dict[Tier, Limits] = {
    Tier.T0: Limits(errors_total=12, errors_same=3, per_change=0, per_target=0, target_window_s=600, per_minute=0),
    Tier.T1: Limits(errors_total=8, errors_same=3, per_change=10, per_target=20, target_window_s=600, per_minute=10),
    Tier.T2: Limits(errors_total=12, errors_same=3, per_change=10, per_target=20, target_window_s=600, per_minute=10),
    Tier.T3: Limits(errors_total=12, errors_same=3, per_change=15, per_target=20, target_window_s=600, per_minute=10),
    Tier.T4: Limits(errors_total=12, errors_same=3, per_change=15, per_target=20, target_window_s=600, per_minute=10),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialLife:
    """How long a credential of one tier lives, in seconds."""

    ttl_s: int
    max_s: int
    """The longest that a judged plan of this tier, and with it any credential, is good for."""
    uses: int = 0
    """0: as often as its one step needs it."""


CREDENTIALS: dict[Tier, CredentialLife] = {
    Tier.T0: CredentialLife(ttl_s=1800, max_s=7200),
    Tier.T1: CredentialLife(ttl_s=1800, max_s=7200),
    Tier.T2: CredentialLife(ttl_s=900, max_s=3600),
    Tier.T3: CredentialLife(ttl_s=900, max_s=1800),
    Tier.T4: CredentialLife(ttl_s=300, max_s=300, uses=1),
}
