"""A small world in memory with actions that really change it: the Executor port for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from domain.action import ActionCall, ActionResult, ActionSpec, DryRun, DryRunResult, Effect, Outcome
from domain.errors import ToolError, ToolUnavailableError
from domain.inventory import Binding, Environment, Inventory, Mode, Service

ARGUMENTS: dict[str, dict[str, type]] = {
    "restart_service": {},
    "scale_pool": {"size": int},
    "set_config": {"key": str, "value": str},
    "drop_table": {"table": str},
    "read_status": {},
}


def _schema(arguments: dict[str, type]) -> dict[str, Any]:
    kinds = {int: "integer", str: "string"}
    properties = {name: {"type": kinds[kind]} for name, kind in arguments.items()}
    return {"type": "object", "properties": properties, "required": list(arguments), "additionalProperties": False}


def _spec(name: str, effect: Effect, **more: Any) -> ActionSpec:
    defaults: dict[str, Any] = {"summary": name.replace("_", " "), "binding": "process"}
    return ActionSpec(name=name, effect=effect, schema=_schema(ARGUMENTS[name]), **{**defaults, **more})


SPECS = [
    _spec("restart_service", Effect.TRANSIENT, no_undo_reason="nothing durable is lost", witness=["state"]),
    _spec("scale_pool", Effect.REVERSIBLE, undo="scale_pool", witness=["pool"], blast_radius="new connections wait"),
    _spec("set_config", Effect.REVERSIBLE, undo="set_config", witness=["config"]),
    _spec("drop_table", Effect.IRREVERSIBLE, no_undo_reason="rows are gone", target_kinds=["database"]),
    _spec("read_status", Effect.READ),
]


class FakeExecutor:
    """Services with a state, a pool size and a configuration. Faults of the executor itself are switched on by tests."""

    def __init__(self) -> None:
        self.world: dict[str, dict[str, Any]] = {
            name: {"state": "crashed", "pool": 5, "config": {}, "tables": ["orders", "receipts"], "starts": 0}
            for name in ("api", "postgres", "billing", "legacy", "mirror")
        }
        self.executed: list[tuple[str, str, str]] = []
        """(action, target, idempotency key), in order of dispatch."""
        self.running = 0
        self.most_running: dict[str, int] = {}
        """Target → most executions at one time."""
        self.hold: asyncio.Event | None = None
        """When set, executions wait for it after their effect took place."""
        self.before_effect: Callable[[], None] | None = None
        """Called at dispatch, before the effect; may raise."""
        self.after_effect: Callable[[], None] | None = None
        """Called after the effect, before the answer; may raise."""
        self.lies = False
        """Reports success without doing anything."""
        self.blind = False
        """Dry runs cannot tell."""
        self.mute = False
        """Dry runs do not answer."""
        self.deaf = False
        """Read-backs do not answer."""
        self.timeout_s = 10.0
        """Declared timeout of every action, in seconds."""
        self.forgets_undo = False
        """Undo calls have no effect, although they report one."""
        self._per_target: dict[str, int] = {}

    def spec(self, action: str) -> ActionSpec | None:
        return next((spec for spec in self.specs() if spec.name == action), None)

    def specs(self) -> list[ActionSpec]:
        return [spec.model_copy(update={"timeout_s": self.timeout_s}) for spec in SPECS]

    def check(self, call: ActionCall) -> ActionCall:
        expected = ARGUMENTS[call.action]
        if set(call.args) != set(expected):
            raise ToolError(
                "wrong arguments", expected=", ".join(expected) or "none", found=", ".join(call.args) or "none"
            )
        for name, kind in expected.items():
            if type(call.args[name]) is not kind:
                raise ToolError(f"argument {name} is wrong", expected=kind.__name__, found=repr(call.args[name])[:60])
        return call

    async def dry_run(self, call: ActionCall) -> DryRunResult:
        if self.mute:
            raise ToolUnavailableError("the far end does not answer")
        witness = self._seen(call.target)
        if self.blind:
            return DryRunResult(answer=DryRun.CANNOT_TELL, summary="cannot tell", witness=witness)
        changes = self._would_change(call)
        answer = DryRun.WOULD_CHANGE if changes else DryRun.NO_CHANGE
        return DryRunResult(answer=answer, summary=f"{call.action} {call.args or ''} on {call.target}", witness=witness)

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        self.executed.append((call.action, call.target, idempotency_key))
        self._enter(call.target)
        hold = self.hold
        try:
            if self.before_effect is not None:
                self.before_effect()
            await asyncio.sleep(0)
            before = self._seen(call.target)
            if not self.lies:
                self._change(call)
            if self.after_effect is not None:
                self.after_effect()
            if hold is not None:
                await hold.wait()
        finally:
            self._per_target[call.target] -= 1
        after = self._seen(call.target)
        undo = self._undo(call, before)
        return ActionResult(outcome=Outcome.SUCCEEDED, summary="done", before=before, after=after, undo=undo)

    async def read_back(self, call: ActionCall, result: ActionResult | None) -> ActionResult:
        if self.deaf:
            raise ToolUnavailableError("the far end does not answer")
        there = not self._would_change(call) if call.action != "restart_service" else self._restarted(call.target)
        outcome = Outcome.SUCCEEDED if there else Outcome.FAILED
        after = self._seen(call.target)
        return ActionResult(outcome=outcome, summary="it is there" if there else "it is not there", after=after)

    def _enter(self, target: str) -> None:
        self._per_target[target] = self._per_target.get(target, 0) + 1
        self.most_running[target] = max(self.most_running.get(target, 0), self._per_target[target])

    def _seen(self, target: str) -> dict[str, Any]:
        service = self.world[target]
        return {"state": service["state"], "pool": service["pool"], "config": dict(service["config"])}

    def _restarted(self, target: str) -> bool:
        return bool(self.world[target]["state"] == "running")

    def _would_change(self, call: ActionCall) -> bool:
        service = self.world[call.target]
        match call.action:
            case "restart_service":
                return True
            case "scale_pool":
                return bool(service["pool"] != call.args["size"])
            case "set_config":
                return bool(service["config"].get(call.args["key"], "") != call.args["value"])
            case "drop_table":
                return call.args["table"] in service["tables"]
            case _:
                return False

    def _change(self, call: ActionCall) -> None:
        service = self.world[call.target]
        match call.action:
            case "restart_service":
                service["state"] = "running"
                service["starts"] += 1
            case "scale_pool":
                service["pool"] = call.args["size"] + (1 if self.forgets_undo and call.args["size"] == 5 else 0)
            case "set_config":
                config = {**service["config"], call.args["key"]: call.args["value"]}
                service["config"] = {key: value for key, value in config.items() if value}
            case "drop_table":
                service["tables"].remove(call.args["table"])

    def _undo(self, call: ActionCall, before: dict[str, Any]) -> ActionCall | None:
        if call.action == "scale_pool":
            return call.model_copy(update={"args": {"size": before["pool"]}})
        if call.action == "set_config":
            value = before["config"].get(call.args["key"], "")
            return call.model_copy(update={"args": {"key": call.args["key"], "value": value}})
        return None


def sandbox_inventory() -> Inventory:
    """A sandbox in act mode: an api and its database."""
    return Inventory(services=[_service("api", "api"), _service("postgres", "database")])


def mixed_inventory() -> Inventory:
    """The sandbox, and one service for each other mode and environment."""
    others = [
        _service("billing", "api", environment=Environment.PRODUCTION),
        _service("legacy", "api", mode=Mode.OBSERVE),
        _service("mirror", "api", mode=Mode.SHADOW),
    ]
    return Inventory(services=[*sandbox_inventory().services, *others])


def _service(name: str, kind: str, **more: Any) -> Service:
    defaults: dict[str, Any] = {"environment": Environment.SANDBOX, "mode": Mode.ACT}
    bindings = {"process": Binding(via="process", path=f"{name}.pid")}
    return Service(name=name, kind=kind, bindings=bindings, **{**defaults, **more})
