"""Whether a credential may be minted at all, and until when. Pure; everything stands in the one tier table."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.action import Tier, Verdict
from domain.inventory import Environment, Mode
from governance.credentials.port import CredentialError, Scope
from governance.tiers import CREDENTIALS, ENVIRONMENTS, TABLE, reaches, rule

_CLOSED = frozenset({Mode.OBSERVE, Mode.SHADOW})
"""Modes in which no mutating credential exists."""


def require_mintable(scope: Scope) -> None:
    """Raises CredentialError for what mode or tier table forbids, whoever asks: the issuer does not trust the guard."""
    why = _refusal(scope)
    if why:
        raise CredentialError(
            f"no credential for {scope.action} on {scope.target}",
            expected="a mode that acts and a tier that may",
            found=why,
            code="credential.forbidden",
        )


def _refusal(scope: Scope) -> str:
    if scope.effect.mutating and scope.mode in _CLOSED:
        return f"{scope.target} is in {scope.mode.value} mode"
    if scope.compensation:
        return ""
    ruling = rule(scope.tier, scope.environment, scope.effect, earned=True)
    return ruling.text if ruling.verdict is Verdict.DENY else ""


def expiry(tier: Tier, now: datetime, deadline: datetime | None) -> datetime:
    """When a credential issued now ends: the tier's time to live, and never beyond the plan's deadline."""
    end = now + timedelta(seconds=CREDENTIALS[tier].ttl_s)
    if deadline is not None and deadline <= now:
        raise CredentialError(
            "the plan's deadline has passed",
            expected=f"a plan that is in force until {deadline.isoformat(timespec='seconds')}",
            found=now.isoformat(timespec="seconds"),
            hint="judge the plan again; what it rests on may have changed",
            code="credential.deadline",
        )
    return end if deadline is None else min(end, deadline)


def plan_deadline(tier: Tier, judged_at: datetime) -> datetime:
    """Until when a plan that was judged then may be carried out: as long as a credential of its tier may live at most."""
    return judged_at + timedelta(seconds=CREDENTIALS[tier].max_s)


def sees_secrets(tier: Tier) -> bool:
    """Whether a credential of the tier may read a secret's value: an observer has no business with one, T1 only writes."""
    return tier.level > Tier.T1.level


def changes(tier: Tier) -> list[Environment]:
    """The environments in which the tier may change anything, asked or unasked."""
    rows = [columns for effect, columns in TABLE.items() if effect.mutating]
    return [e for e in ENVIRONMENTS if any(reaches(tier, row[e].ask) or reaches(tier, row[e].allow) for row in rows)]
