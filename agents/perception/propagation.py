"""Whose symptoms are whose consequences.

A claim is weakened when another, direct claim on the same service or on one of its dependencies would produce it: a full pool
behind a held lock, a silent frontend behind a paused api, a refused link behind a stopped proxy.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents.perception.claim import Claim, Sign
from agents.perception.facts import Facts

ENOUGH = 0.5
"""A claim below this explains nothing."""

_STARTS_FAIL = frozenset(
    {
        "missing_env",
        "wrong_env",
        "credential_revoked",
        "user_dropped",
        "failed_migration",
        "schema_mismatch",
        "disk_full",
        "down",
        "cache_down",
        "connection_limit",
        "hang",
        "crash",
        "read_only",
        "crash_loop",
    }
)
_HOLDS_UP = frozenset(
    {
        "long_transactions",
        "latency",
        "hang",
        "down",
        "crash",
        "partition",
        "connection_limit",
        "credential_revoked",
        "user_dropped",
        "deadlock",
        "missing_index",
        "crash_loop",
        "read_only",
        "disk_full",
        "missing_env",
    }
)
_GONE = frozenset({"crash", "crash_loop", "hang", "down", "cache_down", "consumer_stopped"})

FOLLOWS: dict[str, frozenset[str]] = {
    # effect on a service: causes on itself or on what it depends on
    "pool_exhaustion": _HOLDS_UP | {"wrong_env"},
    "crash_loop": _STARTS_FAIL - {"crash_loop", "crash"},
    "crash": _STARTS_FAIL - {"crash"},
    "connection_limit": frozenset({"long_transactions"}),
    "hang": _HOLDS_UP | {"pool_exhaustion", "missing_env", "wrong_env"},
    "down": frozenset({"disk_full", "hang", "crash_loop", "crash"}),
    "cache_down": frozenset({"hang", "crash", "crash_loop", "partition", "latency"}),
    "queue_lag": _GONE | _HOLDS_UP | {"upstream_5xx", "upstream_429", "schema_mismatch", "failed_migration"},
    "consumer_stopped": frozenset({"hang"}) | _STARTS_FAIL,
    "latency": _GONE,
    "partition": _GONE | {"latency"},
    "upstream_5xx": _GONE | {"latency", "partition", "pool_exhaustion", "long_transactions", "upstream_429"},
    "upstream_slow": _GONE | {"latency", "partition", "pool_exhaustion", "long_transactions"},
    "missing_env": frozenset(),
    "wrong_env": frozenset({"missing_env"}),
    "schema_mismatch": frozenset({"failed_migration"}),
    "deadlock": frozenset({"long_transactions"}),
}
_INFERRED = frozenset({"bad_release", "slow_release", None})
"""Claims from symptoms alone: any direct cause below explains them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A claim with what is left of it, and the claim that explains it away (if any)."""

    claim: Claim
    by: Claim | None = None


def propagate(facts: Facts, claims: list[Claim]) -> list[Explained]:
    """Each claim, weakened by the strongest one that would produce it."""
    done = []
    for effect in claims:
        causes = [c for c in claims if c is not effect and explains(facts, c, effect)]
        cause = max(causes, key=lambda c: c.strength, default=None)
        if cause is None:
            done.append(Explained(claim=effect))
            continue
        doubt = Sign(
            kind="topology",
            source="topology",
            service=effect.service,
            time=facts.now,
            excerpt=f"{cause.service}: {cause.statement}"[:240],
            supports=f"explains what is seen at {effect.service}",
        )
        done.append(Explained(claim=effect.scaled(1 - 0.75 * cause.strength, doubt), by=cause))
    return done


def explains(facts: Facts, cause: Claim, effect: Claim) -> bool:
    """Would `cause` produce `effect`? Only a direct claim of some strength explains, and never one it would itself follow from."""
    if cause.strength < ENOUGH or not cause.direct:
        return False
    if cause.service == effect.service and cause.fault_class == effect.fault_class:
        return False
    if not _near(facts, cause, effect):
        return False
    inferred = effect.fault_class in _INFERRED or not effect.direct
    if cause.fault_class in FOLLOWS.get(effect.fault_class or "", frozenset()):
        return not _mutual(cause, effect) or cause.strength >= effect.strength
    return inferred and cause.strength >= effect.strength


def _near(facts: Facts, cause: Claim, effect: Claim) -> bool:
    if cause.service == effect.service or cause.service in facts.dependencies(effect.service):
        return True
    owners = {f.target for f in cause.findings if f.target}
    if effect.service in owners or owners & facts.dependencies(effect.service):
        return True
    # A refused or slow link is explained by what stands behind it, and by its own process.
    return effect.service in facts.dependants(cause.service)


def _mutual(cause: Claim, effect: Claim) -> bool:
    return effect.fault_class in FOLLOWS.get(cause.fault_class or "", frozenset())
