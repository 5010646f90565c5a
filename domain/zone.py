"""The zone in which faults may be injected: what the guard judges while nobody may know which service it is.

A blind drill seals what it breaks. The guard is therefore asked about the zone, which is as strict as its strictest
member: the highest environment and the lowest mode of all services that allow chaos. What holds for the zone holds for
whatever is broken in it.
"""

from __future__ import annotations

from typing import Any

from domain.action import ActionCall, ActionSpec, Effect
from domain.inventory import Binding, Criticality, Environment, Inventory, Mode, Service

ZONE = "chaos-zone"
"""Name of the target; no service of an inventory may be called so."""

KIND = "zone"
BINDING = "chaos"

INJECT = "inject_fault"
RESTORE = "restore_fault"

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "commitment": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Seal of what is broken."},
        "lease_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 1200, "description": "Ends by itself then."},
    },
    "required": ["commitment", "lease_s"],
    "additionalProperties": False,
}


def with_zone(inventory: Inventory) -> Inventory:
    """The inventory with its zone as a target; unchanged when no service allows chaos."""
    members = [service for service in inventory.services if service.chaos]
    if not members:
        return inventory
    zone = Service(
        name=ZONE,
        kind=KIND,
        environment=max((s.environment for s in members), key=list(Environment).index),
        mode=min((s.mode for s in members), key=list(Mode).index),
        criticality=max((s.criticality for s in members), key=list(Criticality).index),
        chaos=True,
        bindings={BINDING: Binding(via="control")},
    )
    return inventory.model_copy(update={"services": [*inventory.services, zone]})


def zone_specs() -> list[ActionSpec]:
    """The two actions of the zone: a sealed fault, and its way back."""
    shared: dict[str, Any] = {
        "effect": Effect.REVERSIBLE,
        "target_kinds": [KIND],
        "binding": BINDING,
        "schema": _SCHEMA,
    }
    return [
        ActionSpec(
            name=INJECT,
            summary="inject a sealed fault under a lease",
            undo=RESTORE,
            blast_radius="one service of the zone, until the lease ends",
            timeout_s=90.0,
            **shared,
        ),
        ActionSpec(
            name=RESTORE,
            summary="take a sealed fault back now",
            no_undo_reason="a fault is injected anew, never un-restored",
            timeout_s=90.0,
            **shared,
        ),
    ]


def inject_call(commitment: str, lease_s: float) -> ActionCall:
    """Inject what this seal stands for."""
    return ActionCall(action=INJECT, target=ZONE, args={"commitment": commitment, "lease_s": lease_s})


def restore_call(commitment: str, lease_s: float) -> ActionCall:
    """Take it back."""
    return ActionCall(action=RESTORE, target=ZONE, args={"commitment": commitment, "lease_s": lease_s})
