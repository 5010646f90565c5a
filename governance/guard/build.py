"""Puts a guard together from what a process has; the one place where parts meet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.action import Executor
from domain.clock import Clock, SystemClock
from domain.inventory import Inventory
from governance.baselines import Baselines, NoBaselines
from governance.credentials.embedded import EmbeddedCredentials
from governance.credentials.port import Credentials
from governance.guard.attempt import Parts, Wrapper
from governance.guard.guard import GuardedExecutor
from governance.guard.order import WRAPPERS
from governance.identity import Identities
from governance.ledger.opening import Place, open_ledger
from governance.ledger.port import Ledger
from governance.policy import Policy, load_policy
from governance.seats import seat_fresh_sandbox


def build_guard(
    *,
    executor: Executor,
    inventory: Inventory,
    ledger: Ledger,
    identities: Identities,
    policy: Policy | None = None,
    clock: Clock | None = None,
    credentials: Credentials | None = None,
    approval_ttl_s: float = 900.0,
    baselines: Baselines | None = None,
    wrappers: Sequence[type[Wrapper]] = WRAPPERS,
) -> GuardedExecutor:
    """A guard over an executor. Without a policy the inventory's is loaded. Seats the agents of a fresh sandbox.

    Without an issuer of credentials the embedded one is used.
    """
    chosen = policy or load_policy(inventory.policy)
    seat_fresh_sandbox(ledger, inventory, chosen)
    parts = Parts(
        executor=executor,
        inventory=inventory,
        ledger=ledger,
        identities=identities,
        policy=chosen,
        clock=clock or SystemClock(),
        credentials=credentials or EmbeddedCredentials(ledger),
        approval_ttl_s=approval_ttl_s,
        baselines=baselines or NoBaselines(),
    )
    return GuardedExecutor(parts, wrappers)


def open_home_ledger(home: Path, clock: Clock | None = None) -> Ledger:
    """The ledger of a home: `ledger.db`, with its anchor and its reserve beside it. Raises LedgerError."""
    return open_ledger(Place(home=home), clock)
