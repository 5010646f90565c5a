"""Skills from task cards without a model: the condition picks the action, the action's aspect the probe, the registry the undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.action import ActionSpec, Effect
from domain.conditions import Condition
from domain.inventory import Environment, Inventory, Service
from skills.card import Family, TaskCard
from skills.edit import PROBE_OF
from skills.problem import SkillError
from skills.schema import HiddenChecks, Skill
from skills.vocabulary import Vocabulary, nearest

CONDITIONS: Mapping[str, Condition] = {
    "hang": Condition.PROCESS_PAUSED,
    "crash": Condition.PROCESS_NOT_RUNNING,
    "crash_loop": Condition.LOCAL_STATE_TORN,
    "missing_env": Condition.CONFIG_KEY_MISSING,
    "wrong_env": Condition.CONFIG_CHANGED,
    "bad_release": Condition.RELEASE_REGRESSED,
    "long_transactions": Condition.SESSION_BLOCKS_OTHERS,
    "pool_exhaustion": Condition.POOL_SATURATED,
    "latency": Condition.LINK_SLOW,
    "partition": Condition.LINK_DOWN,
    "credential_revoked": Condition.ROLE_CANNOT_LOGIN,
    "failed_migration": Condition.SCHEMA_AHEAD_OR_DIRTY,
    "disk_full": Condition.DISK_FULL,
    "upstream_429": Condition.DEPENDENCY_REJECTING,
    "upstream_5xx": Condition.DEPENDENCY_DOWN,
}
"""Fault class of the catalogue → the condition that its readings show."""

ARGUMENTS: Mapping[str, dict[str, Any]] = {"terminate_sessions": {"idle_in_transaction_s": 5}}
"""What an action needs to be told even when the state says the rest."""
SERVED = {"name": "users-are-served", "probe": "http_health", "where": {"user_facing": True}, "expect": {"ok": True}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A generated skill, not yet on disk."""

    skill: Skill
    hidden: HiddenChecks
    by: str = "template"
    notes: tuple[str, ...] = ()


def from_template(card: TaskCard, words: Vocabulary, inventory: Inventory) -> Draft:
    """A draft that passes the validator. Raises SkillError where the card names nothing that exists."""
    condition = condition_of(card)
    service = _service(card, inventory)
    spec = _action(condition, service, words)
    probe = next(PROBE_OF[a] for a in spec.binding.split("|") if a in service.bindings and a in PROBE_OF)
    look = {"probe": probe, "service": service.name}
    if card.family is Family.T1:
        return Draft(skill=_looking(card, service, look), hidden=HiddenChecks())
    return Draft(skill=_mending(card, service, spec, look), hidden=_hidden(inventory))


def condition_of(card: TaskCard) -> Condition:
    """What the card's fault domain means for readings. Raises SkillError."""
    if card.fault_domain in CONDITIONS:
        return CONDITIONS[card.fault_domain]
    try:
        return Condition(card.fault_domain)
    except ValueError as error:
        known = [*CONDITIONS, *(c.value for c in Condition)]
        raise SkillError(
            f"the card's fault_domain {card.fault_domain!r} is unknown",
            expected="a condition or a fault class",
            found=card.fault_domain,
            hint=nearest(card.fault_domain, known),
            code="skill.card",
        ) from error


def _service(card: TaskCard, inventory: Inventory) -> Service:
    service = inventory.service(card.workload)
    if service is None:
        raise SkillError(
            f"the card's workload {card.workload!r} is not in the inventory",
            expected=", ".join(inventory.names()),
            found=card.workload,
            hint=nearest(card.workload, inventory.names()),
            code="skill.card",
        )
    return service


def _action(condition: Condition, service: Service, words: Vocabulary) -> ActionSpec:
    """The gentlest registered action that removes the condition and that the service has a binding for."""
    fitting = [
        spec
        for spec in words.actions.values()
        if condition.value in spec.removes
        and any(a in service.bindings and a in PROBE_OF for a in spec.binding.split("|"))
    ]
    if not fitting:
        raise SkillError(
            f"no registered action removes {condition.value} from {service.name}",
            expected="an action with a binding of the service",
            found=f"bindings {', '.join(sorted(service.bindings)) or 'none'}",
            hint="name another workload, or write the skill by hand",
            code="skill.card",
        )
    return min(fitting, key=lambda s: (list(Effect).index(s.effect), len(s.removes), s.name))


def _looking(card: TaskCard, service: Service, look: dict[str, Any]) -> Skill:
    criterion = {"name": "it-is-there", **look, "expect": {"ok": False}}
    return Skill.model_validate({**_head(card, service, "read_only"), "success_criteria": [criterion]})


def _mending(card: TaskCard, service: Service, spec: ActionSpec, look: dict[str, Any]) -> Skill:
    action = {"name": "mend", "action": spec.name, "target": service.name, "effect": spec.effect.value}
    undo = [{"undoes": "mend", "action": spec.undo}] if spec.undo else []
    return Skill.model_validate(
        {
            **_head(card, service, "mutating"),
            "preconditions": [{"name": "it-is-there", **look, "expect": {"ok": False}}],
            "actions": [{**action, "args": ARGUMENTS.get(spec.name, {})}],
            "success_criteria": [{"name": "it-is-gone", **look, "expect": {"ok": True}, "within_s": 20, "hold_s": 2}],
            "rollback": undo,
            "irreversible": "" if undo else spec.no_undo_reason[:300],
        }
    )


def _head(card: TaskCard, service: Service, mutability: str) -> dict[str, Any]:
    reads = mutability == "read_only"
    environment = service.environment
    return {
        "name": card.name,
        "version": "0.1.0",
        "intent": card.intent,
        "scope": {"environments": [e.value for e in Environment if e is environment], "namespace": card.namespace},
        "metadata": {
            "stage": card.family.stage.value,
            "category": "analysis" if reads else "action",
            "risk_level": "none" if reads else "medium",
            "mutability": mutability,
            "target_kind": service.kind,
            "fault_classes": [card.fault_domain] if card.fault_domain in CONDITIONS else [],
            "tags": [card.family.value],
            "owner": card.owner,
        },
    }


def _hidden(inventory: Inventory) -> HiddenChecks:
    """Users are served, wherever they come in: what the card's author may forget."""
    doors = [s.name for s in inventory.services if any(p.kind == "http" and p.user_facing for p in s.probes)]
    checks = [{**SERVED, "name": f"users-are-served-{d}", "service": d, "within_s": 20, "hold_s": 2} for d in doors]
    return HiddenChecks.model_validate({"hidden_checks": checks})
