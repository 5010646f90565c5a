"""A guard over the fake world, with everybody who may knock: for unit, conformance and integration tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.action import ActionCall, Effect
from domain.clock import Clock, ManualClock
from domain.guard import Actor
from domain.inventory import Inventory
from domain.plan import Plan, Step
from governance.credentials.port import Credentials
from governance.guard.attempt import Attempt, Wrapper
from governance.guard.build import build_guard
from governance.guard.guard import GuardedExecutor
from governance.guard.order import WRAPPERS
from governance.guard.session import Session
from governance.identity import Identities, Role
from governance.ledger.memory import MemoryLedger
from governance.ledger.port import Ledger
from governance.policy import Policy, load_policy
from tests.fakes.executor import SPECS, FakeExecutor, sandbox_inventory

TOKENS: dict[str, tuple[str, Role]] = {
    "operator": ("operator-token-of-a-test-0001", Role.ADMIN),
    "maria": ("approver-token-of-a-test-0002", Role.APPROVER),
    "viewer": ("viewer-token-of-a-test-000003", Role.VIEWER),
    "agent": ("agent-token-of-a-test-00000004", Role.AGENT),
    "chaos": ("chaos-token-of-a-test-00000005", Role.CHAOS),
}


def identities() -> Identities:
    """Everybody in TOKENS."""
    known = Identities()
    for name, (token, role) in TOKENS.items():
        known.enrol(name, [role], token)
    return known


def actor(agent: str = "responder", change: str = "inc-1") -> Actor:
    """The usual agent on the usual incident."""
    return Actor(agent=agent, change=change, thread="t-1", run="r-1")


def call(action: str, target: str = "api", **args: Any) -> ActionCall:
    """An action call."""
    return ActionCall(action=action, target=target, args=args)


RESTART = call("restart_service")
SCALE = call("scale_pool", size=10)


def step(id: str, of: ActionCall, **more: Any) -> Step:
    """A step with the effect class that the registry knows, and its undo where there is one."""
    effects = {spec.name: spec.effect for spec in SPECS}
    effect = effects.get(of.action, Effect.TRANSIENT)
    undo = of if of.action in {"scale_pool", "set_config"} else None
    return Step(**{"id": id, "call": of, "effect": effect, "rationale": "because [e1]", "undo": undo, **more})


def plan(*steps: Step | ActionCall, clock: Clock | None = None, **more: Any) -> Plan:
    """A plan for the usual incident; bare calls become steps s1, s2, …"""
    numbered = [s if isinstance(s, Step) else step(f"s{n}", s) for n, s in enumerate(steps, start=1)]
    defaults: dict[str, Any] = {"id": "plan-1", "incident": "inc-1", "hypothesis": "the api is down"}
    return Plan(**{**defaults, "steps": numbered, "created_at": (clock or ManualClock()).now(), **more})


@dataclass
class Scene:
    """A guard, its world, and a session for everybody."""

    inventory: Inventory = field(default_factory=sandbox_inventory)
    policy: Policy = field(default_factory=load_policy)
    executor: FakeExecutor = field(default_factory=FakeExecutor)
    clock: ManualClock = field(default_factory=ManualClock)
    ledger: Ledger | None = None
    wrappers: Sequence[type[Wrapper]] = WRAPPERS
    credentials: Credentials | None = None
    """None: the embedded issuer."""

    def __post_init__(self) -> None:
        self.store: Ledger = self.ledger or MemoryLedger(self.clock)
        self.guard: GuardedExecutor = build_guard(
            executor=self.executor,
            inventory=self.inventory,
            ledger=self.store,
            identities=identities(),
            policy=self.policy,
            clock=self.clock,
            credentials=self.credentials,
            wrappers=self.wrappers,
        )
        self.agent = self.session("agent")
        self.operator = self.session("operator")
        self.maria = self.session("maria")

    def session(self, name: str) -> Session:
        """The guard as that holder sees it."""
        return Session(self.guard, TOKENS[name][0])

    def again(self, **more: Any) -> Scene:
        """The same world and ledger after a restart of the action server."""
        kept = {"inventory": self.inventory, "policy": self.policy, "executor": self.executor, "clock": self.clock}
        return Scene(**{**kept, "ledger": self.store, "wrappers": self.wrappers, **more})

    def kinds(self) -> list[str]:
        """Kinds of all ledger entries, oldest first."""
        return [entry.kind for entry in self.store.entries(limit=10_000)]


class StopsHere(Wrapper):
    """Runs a test's own code between two wrappers."""

    action: Callable[[], None]

    async def carry_out(self, attempt: Attempt) -> None:
        type(self).action()
        await self.inner.carry_out(attempt)


def with_code(
    before: type[Wrapper], action: Callable[[], None], among: Sequence[type[Wrapper]] = WRAPPERS
) -> list[type[Wrapper]]:
    """The list with a piece of code before one wrapper."""

    class Here(StopsHere):
        pass

    Here.action = staticmethod(action)
    wrappers = list(among)
    wrappers.insert(wrappers.index(before), Here)
    return wrappers
