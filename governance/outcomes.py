"""What agents did and how it came out: one row per effect of a run whose outcome was verified. Promotion reads these."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from domain.action import ActionSpec, Effect, Executor
from domain.inventory import Environment, Inventory
from domain.value import UtcTime, Value
from governance.attribution import Condition
from governance.career import remember
from governance.claims import Claim, ClaimState
from governance.closing import Closing
from governance.conditions import all_since
from governance.ledger.port import Draft, Reader, Record, Transaction
from governance.policy import Policy
from governance.shadow import Agreement, Shadowed

KIND = "outcome"
PLAN = "plan"
"""The action name of a row about a plan alone."""
SHADOW = "shadow"
"""What the ids of rows about proposals begin with."""


class Origin(StrEnum):
    """Where a record was earned."""

    DEMO = "demo"
    STAGING = "staging"
    SHADOW = "shadow"
    PRODUCTION = "production"


ORIGINS: dict[Environment, Origin] = {
    Environment.SANDBOX: Origin.DEMO,
    Environment.STAGING: Origin.STAGING,
    Environment.PRODUCTION: Origin.PRODUCTION,
}
"""What really was at stake: the target's own environment, however strictly the policy judges it."""


class Row(Value):
    """One effect, or one plan, and whether it held."""

    id: str
    agent: str
    action: str
    environment: Environment
    """As the policy judges the target."""
    effect: Effect
    origin: Origin
    held: bool
    change: str
    at: UtcTime


def keep_outcomes(
    tx: Transaction,
    closing: Closing,
    claims: Sequence[Claim],
    inventory: Inventory,
    executor: Executor,
    policy: Policy,
) -> list[Row]:
    """Rows for the effects of a run that was verified, for better or worse. What nobody verified counts for nothing."""
    if closing.verified is None:
        return []
    rows = [
        _row(claim, spec, closing, inventory, policy, tx)
        for claim in claims
        if (spec := executor.spec(claim.call.action)) is not None and _counts(claim, spec, tx)
    ]
    for row in rows:
        save_row(tx, row)
    return rows


def save_row(tx: Transaction, row: Row, *, counts: bool = True) -> None:
    """Create or replace a row in this transaction; one that does not count is no agent's."""
    doc = row.model_dump(mode="json")
    status = row.agent if counts else ""
    tx.put(Record(kind=KIND, id=row.id, change=row.change, status=status, at=row.at, doc=doc))


def rows_of(reader: Reader, agent: str) -> list[Row]:
    """All rows of an agent, newest first."""
    found = [Row.model_validate(record.doc) for record in reader.find(KIND, status=agent)]
    return sorted(found, key=lambda row: (row.at, row.id), reverse=True)


def review_plan(tx: Transaction, *, agent: str, plan: str, environment: Environment, right: bool, by: str) -> Row:
    """A person's word on a plan that nobody carried out: the record of an observer."""
    content = {"agent": agent, "plan": plan, "right": right}
    entry = tx.append(Draft(kind="review", actor=by, change=plan, content=content))
    remember(tx, agent, entry, f"plan {plan} was {'right' if right else 'wrong'}")
    row = Row(
        id=f"{PLAN}/{plan}",
        agent=agent,
        action=PLAN,
        environment=environment,
        effect=Effect.READ,
        origin=Origin.SHADOW,
        held=right,
        change=plan,
        at=tx.now,
    )
    save_row(tx, row)
    return row


def keep_agreement(
    tx: Transaction, shadowed: Shadowed, inventory: Inventory, executor: Executor, policy: Policy
) -> None:
    """A person's word on a proposal of shadow mode. It held when people did the same; a later word replaces the former.

    What is labelled unknown, and an action that is not registered any more, count for nothing.
    """
    spec, label = executor.spec(shadowed.call.action), shadowed.label
    if spec is None or label is None:
        return
    row = Row(
        id=f"{SHADOW}/{shadowed.id}",
        agent=shadowed.agent,
        action=shadowed.call.action,
        environment=policy.environment(environment_of(shadowed.call.target, inventory)),
        effect=spec.effect,
        origin=Origin.SHADOW,
        held=label is Agreement.SAME,
        change=shadowed.change,
        at=tx.now,
    )
    save_row(tx, row, counts=label is not Agreement.UNKNOWN)


def environment_of(target: str, inventory: Inventory) -> Environment:
    """What is at stake at a target; of one that the inventory does not know, production."""
    service = inventory.service(target)
    return service.environment if service else Environment.PRODUCTION


def _counts(claim: Claim, spec: ActionSpec, reader: Reader) -> bool:
    """Settled, mutating, and not a failure that was injected."""
    return spec.effect.mutating and claim.state.settled and claim.key not in excused(reader, [claim])


def _row(
    claim: Claim, spec: ActionSpec, closing: Closing, inventory: Inventory, policy: Policy, tx: Transaction
) -> Row:
    own = environment_of(claim.call.target, inventory)
    held = bool(closing.verified) and claim.state is ClaimState.CONFIRMED and not claim.compensated
    return Row(
        id=claim.key,
        agent=claim.agent,
        action=claim.call.action,
        environment=policy.environment(own),
        effect=spec.effect,
        origin=ORIGINS[own],
        held=held,
        change=claim.change,
        at=tx.now,
    )


def excused(reader: Reader, claims: Sequence[Claim]) -> frozenset[str]:
    """Keys of the failed claims that an injected condition explains."""
    spikes = [s for s in all_since(reader) if s.condition in {Condition.ERROR_SPIKE, Condition.NETWORK_DELAY}]
    failed = [c for c in claims if c.state is ClaimState.FAILED]
    return frozenset(c.key for c in failed if any(s.covers(c.agent, c.claimed_at) for s in spikes))
