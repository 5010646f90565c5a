"""From a call to its definition, its target and typed arguments, or to an error that says what would have fitted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from domain.action import ActionCall
from domain.clock import Clock
from domain.errors import ToolError
from domain.inventory import Inventory, Service
from domain.redaction import redact
from domain.secret import SecretStore
from domain.value import digest
from tools.config_versions import ConfigVersions
from tools.spec import Action
from tools.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A checked call: definition, target and typed arguments."""

    action: Action[Any]
    target: Target
    args: BaseModel

    def key(self) -> str:
        return digest({"action": self.action.name, "target": self.target.name, "args": self.plain()})

    def plain(self) -> dict[str, Any]:
        return self.args.model_dump(mode="json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binder:
    """What calls are checked against, and what their targets are reached with."""

    actions: Mapping[str, Action[Any]]
    inventory: Inventory
    env: Mapping[str, str]
    root: Path
    versions: ConfigVersions
    clock: Clock
    secrets: SecretStore | None

    def bound(self, call: ActionCall) -> Bound:
        """Raises ToolError for an unknown action or target, a target that does not fit, and wrong arguments."""
        action = self.actions.get(call.action)
        if action is None:
            raise _unknown_name("action", call.action, self.actions, "tool.unknown_action")
        service = self.inventory.service(call.target)
        if service is None:
            raise _unknown_name("target", call.target, self.inventory.names(), "tool.unknown_target")
        self._fits(action, service)
        target = self._target(service)
        args = _typed(action, call.args)
        action.accept(target, args)
        return Bound(action=action, target=target, args=args)

    def _target(self, service: Service) -> Target:
        return Target(
            service=service,
            inventory=self.inventory,
            env=self.env,
            root=self.root,
            versions=self.versions,
            clock=self.clock,
            secrets=self.secrets,
        )

    def _fits(self, action: Action[Any], service: Service) -> None:
        if action.target_kinds and service.kind not in action.target_kinds:
            raise ToolError(
                f"{action.name} does not apply to {service.name}",
                expected=f"a target of kind {' or '.join(action.target_kinds)}",
                found=service.kind,
                code="tool.wrong_target",
            )
        if any(aspect in service.bindings for aspect in action.aspects):
            return
        able = [s.name for s in self.inventory.services if any(a in s.bindings for a in action.aspects)]
        raise ToolError(
            f"{action.name} needs a {' or '.join(action.aspects)} binding, and {service.name} has none",
            expected=f"one of {', '.join(able)}" if able else "a service with that binding",
            found=service.name,
            hint=f"did you mean {able[0]}?" if len(able) == 1 else "",
            code="tool.wrong_target",
        )


def _typed(action: Action[Any], args: Mapping[str, Any]) -> BaseModel:
    try:
        typed: BaseModel = action.args.model_validate(dict(args))
    except ValidationError as error:
        rows = [f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ToolError(
            f"the arguments of {action.name} are wrong: {'; '.join(rows)}",
            expected=", ".join(action.args.model_fields) or "no arguments",
            found=", ".join(sorted(map(str, args))) or "none",
            code="tool.bad_arguments",
        ) from error
    return typed


def _unknown_name(what: str, name: str, known: Mapping[str, Any] | Sequence[str], code: str) -> ToolError:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return ToolError(
        f"unknown {what} {redact(name)[:80]!r}",
        expected=", ".join(sorted(known)) or f"a registered {what}",
        found=redact(name)[:80],
        hint=f"did you mean {close[0]}?" if close else "",
        code=code,
    )
