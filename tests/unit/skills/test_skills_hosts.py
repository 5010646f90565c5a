"""Commands of skills on a host: run as the registered action, read over the runner's port, never as a line for a shell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.clock import ManualClock
from domain.errors import ConfigError
from domain.inventory import Binding, Inventory, Service
from domain.runner import Command, Profile, Ran, RunOutcome
from skills.bench import Bench
from skills.check import Check
from skills.look import see
from skills.planning import plan_of
from skills.profile import profile_of
from skills.report import Order, Report
from skills.schema import Skill
from skills.vocabulary import registered
from tests.fakes.world import World
from tests.unit.skills.trial import RESUME, Trial

HOST = Service(name="box", kind="host", bindings={"host": Binding(via="file", path="target.yaml")})
INVENTORY = Inventory(services=[HOST])


class Box:
    """A host that answers as it was told to."""

    def __init__(self, ran: Ran | None = None) -> None:
        self.ran = ran or Ran(outcome=RunOutcome.DONE, exit_code=0, stdout='{"items": [{"phase": "Running"}]}')
        self.heard: list[Command] = []
        self.closed = 0

    async def profile(self) -> Profile:
        return Profile(
            target="box",
            runner="ssh",
            reachable=True,
            permissions=["run systemctl"],
            tools={"systemctl": "252"},
            taken_at=ManualClock().now(),
        )

    async def run(self, command: Command, step_id: str) -> Ran:
        self.heard.append(command)
        return self.ran

    async def settle(self, step_id: str) -> Ran | None:
        return None

    async def aclose(self) -> None:
        self.closed += 1


def bench(tmp_path: Path, box: Box | None) -> Bench:
    plain = Trial(tmp_path, World()).bench
    return replace(plain, inventory=INVENTORY, words=registered(INVENTORY), reader=lambda _: box)


def check(**expect: Any) -> Check:
    argv = ["kubectl", "get", "pods", "-o", "json"]
    return Check.model_validate({"name": "pods", "command": argv, "service": "box", "expect": expect})


async def test_a_commands_output_is_read_by_path(tmp_path: Path) -> None:
    """The argument list goes over as it is, declared as reading; the connection is closed."""
    box = Box()
    found = await see(check(path="items[*].phase", equals="Running"), bench(tmp_path, box))
    assert found.holds is True
    assert (box.heard[0].argv, box.heard[0].effect) == (("kubectl", "get", "pods", "-o", "json"), "read")
    assert box.closed == 1
    assert (await see(check(path="items[*].phase", equals="Failed"), bench(tmp_path / "b", box))).holds is False


async def test_what_did_not_run_cannot_be_told(tmp_path: Path) -> None:
    """Refused, unknown, not JSON where a path was asked for, or no runner at all: no yes."""
    for number, ran in enumerate(
        (
            Ran(outcome=RunOutcome.REFUSED, reason="untrusted host"),
            Ran(outcome=RunOutcome.UNKNOWN, reason="the connection broke"),
            Ran(outcome=RunOutcome.DONE, exit_code=0, stdout="no json"),
        )
    ):
        found = await see(check(path="items", contains="x"), bench(tmp_path / str(number), Box(ran)))
        assert found.holds is None
    assert "no runner reaches box" in (await see(check(exit_code=0), bench(tmp_path / "n", None))).text


async def test_what_could_not_be_told_is_looked_at_again(tmp_path: Path) -> None:
    """A busy machine is no answer; what stays untold after three looks is."""

    class Busy(Box):
        """Breaks off once."""

        async def run(self, command: Command, step_id: str) -> Ran:
            ran = await super().run(command, step_id)
            return Ran(outcome=RunOutcome.UNKNOWN, reason="too busy") if len(self.heard) == 1 else ran

    once, never = Busy(), Box(Ran(outcome=RunOutcome.UNKNOWN, reason="too busy"))
    assert (await see(check(path="items[*].phase", equals="Running"), bench(tmp_path, once))).holds is True
    assert (await see(check(exit_code=0), bench(tmp_path / "n", never))).holds is None
    assert (len(once.heard), len(never.heard)) == (2, 3)


async def test_an_exit_code_is_compared(tmp_path: Path) -> None:
    """`grep -q` says no with 1."""
    box = Box(Ran(outcome=RunOutcome.DONE, exit_code=1))
    assert (await see(check(exit_code=0), bench(tmp_path, box))).holds is False
    assert (await see(check(exit_code=1), bench(tmp_path / "b", box))).holds is True


async def test_samples_of_a_query_are_judged(tmp_path: Path) -> None:
    """Every sample must be in range and there must be one; without a Prometheus nobody can tell."""
    promql = Check.model_validate({"name": "errors", "promql": "rate(errors[1m])", "expect": {"max": 1}})
    for samples, holds in (([0.5, 0.9], True), ([0.5, 3.0], False), ([], None)):

        async def query(_: str, found: list[float] = samples) -> list[float]:
            return found

        given = replace(bench(tmp_path / str(len(samples)) / str(holds), None), query=query)
        assert (await see(promql, given)).holds is holds
    assert "no Prometheus is configured" in (await see(promql, bench(tmp_path / "n", None))).text


async def test_the_profile_of_a_host(tmp_path: Path) -> None:
    """What the runner sees and which registered actions fit; a TARGET that cannot be read makes it unreachable."""
    found = await profile_of("box", bench(tmp_path, Box()))
    assert found.reachable
    assert found.tools == {"systemctl": "252"}
    assert "run_command box" in found.permissions

    def broken(_: str) -> Box:
        raise ConfigError("there is no target.yaml")

    given = replace(bench(tmp_path / "b", None), reader=broken)
    gone = await profile_of("box", given)
    assert (gone.reachable, gone.problems[0]) == (False, "there is no target.yaml")


def test_a_command_becomes_the_registered_action(tmp_path: Path) -> None:
    """With its undo where it has one; the step's id is the run's own, so it never runs twice."""
    stop = {"name": "stop", "command": ["systemctl", "stop", "shop"], "target": "box", "effect": "reversible"}
    restart = {"name": "again", "command": ["systemctl", "restart", "db"], "target": "box", "effect": "transient"}
    rollback = [{"undoes": "stop", "command": ["systemctl", "start", "shop"]}]
    skill = Skill.model_validate({**RESUME, "parameters": {}, "actions": [stop, restart], "rollback": rollback})
    report = Report(
        id="skr-1",
        order=Order(skill="paused-process", execute=True),
        version="1.0.0",
        digest="sha256:x",
        trust="draft",
        started_at=ManualClock().now(),
    )
    plan = plan_of(skill, report, bench(tmp_path, None))
    assert plan is not None
    first, second = plan.steps
    assert (first.call.action, second.call.action) == ("run_undoable_command", "run_command")
    assert first.call.args == {
        "step": "skr-1.s1",
        "argv": ["systemctl", "stop", "shop"],
        "undo_argv": ["systemctl", "start", "shop"],
        "timeout_s": 30.0,
    }
    assert second.effect == "irreversible", "the guard is asked for what the registered action may do"
