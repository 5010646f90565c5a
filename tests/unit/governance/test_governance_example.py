"""An example change meets the real wrappers and touches nothing."""

from __future__ import annotations

from typing import Any

from domain.action import Verdict
from domain.inventory import Binding, Environment, Inventory, Mode, Service
from governance.guard.example import ExampleChange, ExampleVerdict, judge_example
from governance.policy import load_policy
from tests.fakes.executor import FakeExecutor, sandbox_inventory


async def judged(policy: str = "default", **example: Any) -> ExampleVerdict:
    given = ExampleChange.model_validate({"action": "restart_service", "target": "api", **example})
    executor = FakeExecutor()
    found = await judge_example(
        given, executor=executor, inventory=given.known_in(sandbox_inventory()), policy=load_policy(policy)
    )
    assert executor.executed == []
    return found


async def test_an_example_hears_every_wrapper() -> None:
    """Allowed at T1 on the sandbox, with the reasons of each."""
    found = await judged()
    assert found.verdict is Verdict.ALLOW
    assert {reason.wrapper for reason in found.reasons} == {"inventory", "mode", "tier", "policy"}
    assert found.policy == load_policy().pin


async def test_history_counts() -> None:
    """Two restarts before, under the production rules; a migration in flight for the database."""
    before = [{"action": "restart_service", "target": "api", "seconds_ago": n} for n in (60, 120)]
    found = await judged("production", tier="T2", history=before)
    assert any("restarted twice" in reason.text for reason in found.reasons)
    migrating = [{"action": "migrate", "target": "elsewhere", "seconds_ago": 1, "state": "running"}]
    found = await judged(target="postgres", history=migrating)
    assert any("migration is under way" in reason.text for reason in found.reasons)


async def test_an_example_may_bring_its_own_target() -> None:
    """A service that is in no inventory yet; unknown actions are an answer, not an error."""
    service = Service(
        name="shop",
        kind="api",
        environment=Environment.PRODUCTION,
        mode=Mode.ACT,
        bindings={"process": Binding(via="process", path="x.pid")},
    )
    found = await judged(target="shop", service=service.model_dump(), tier="T2", compensation=True)
    assert found.verdict is Verdict.ASK
    assert (await judged(action="reboot_universe")).verdict is Verdict.DENY
    assert Inventory(services=[service]).names() == ["shop"]
