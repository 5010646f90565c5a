"""The order of the wrappers, outermost first: the one place where it is written down."""

from __future__ import annotations

from collections.abc import Sequence

from governance.guard.approval import ApprovalOfPeople
from governance.guard.attempt import Door, Parts, Wrapper
from governance.guard.authenticate import Authenticate
from governance.guard.baseline import Baseline
from governance.guard.budget import Budget
from governance.guard.claim import ClaimOnce
from governance.guard.credential import CredentialOfAction
from governance.guard.dry_run import DryRunFirst
from governance.guard.execute import Execute
from governance.guard.freeze import Freeze
from governance.guard.intent import IntentBeforeEffect
from governance.guard.inventory import SchemaAndInventory
from governance.guard.lock import Lock
from governance.guard.mode import ModeOfTarget
from governance.guard.outcome import OutcomeAfterEffect
from governance.guard.plan import PlanBinding
from governance.guard.policy import PolicyRules
from governance.guard.read_back import ReadBack
from governance.guard.recall import Recall
from governance.guard.refuse import Refuse
from governance.guard.revoked import Revoked
from governance.guard.taint import Taint
from governance.guard.tier import TierTable

WRAPPERS: tuple[type[Wrapper], ...] = (
    Authenticate,
    Recall,
    Freeze,
    Revoked,
    SchemaAndInventory,
    ModeOfTarget,
    TierTable,
    Taint,
    PolicyRules,
    PlanBinding,
    DryRunFirst,
    Refuse,
    ApprovalOfPeople,
    Budget,
    Lock,
    ClaimOnce,
    CredentialOfAction,
    IntentBeforeEffect,
    OutcomeAfterEffect,
    ReadBack,
    Baseline,
)
"""`outcome` and `read_back` work on the way out; `baseline` looks at the golden snapshots around the execution itself."""


def nested(parts: Parts, wrappers: Sequence[type[Wrapper]] = WRAPPERS) -> Door:
    """The execution inside all wrappers."""
    door: Door = Execute(parts)
    for wrapper in reversed(wrappers):
        door = wrapper(door, parts)
    return door
