"""A process of ours that runs a skill of three steps on a host over SSH, to be killed in the middle of the second.

Words: TARGET file and home. Run again with the same home it goes on where it was.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from domain.clock import SystemClock
from domain.inventory import Binding, Environment, Inventory, Mode, Service
from governance.guard.build import build_guard
from governance.guard.session import Session
from governance.ledger.opening import Place, open_ledger
from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.sqlite import open_sqlite_saver
from graph.skills.runner import SkillRunner
from skills.bench import Bench
from skills.folder import DIGEST, digest_of
from skills.report import Order, Report
from skills.shelf import Shelf
from skills.store import SkillStore
from skills.vocabulary import registered
from tests.fakes.guard import TOKENS, identities
from tests.unit.skills.shelf import GOOD, PROSE, as_yaml
from tools.probes.runner import ProbeRunner
from tools.registry import ActionRegistry
from tools.runners.choose import reading_runner

RUN = "skr-over-ssh"
UNITS = ("first", "slow", "last")
"""What the skill starts, in this order; `slow` takes until it is told to go on."""
SYSTEMCTL = """#!/bin/sh
case "$1" in
  start) echo "$2" >> "$HOME/started"
         if [ "$2" = slow ]; then touch "$HOME/began"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; fi
         touch "$HOME/up-$2" ;;
  stop) rm -f "$HOME/up-$2" ;;
  is-active) if [ -e "$HOME/up-$2" ]; then echo active; else echo inactive; exit 3; fi ;;
esac
"""
"""A service manager for tests: it writes down whatever it is told to start."""


def write_skill(shelf: Path) -> None:
    """`start-units`, pinned."""
    actions = [
        {"name": u, "command": ["systemctl", "start", u], "target": "${host}", "effect": "reversible"} for u in UNITS
    ]
    skill: dict[str, Any] = {
        **GOOD,
        "name": "start-units",
        "parameters": {"host": {"type": "service", "description": "where they run", "default": "far"}},
        "metadata": {**GOOD["metadata"], "target_kind": "host", "required_tools": ["systemctl"], "fault_classes": []},
        "preconditions": [],
        "actions": [{**action, "timeout_s": 120} for action in actions],
        "success_criteria": [
            {
                "name": "last-is-up",
                "command": ["systemctl", "is-active", "last"],
                "service": "${host}",
                "expect": {"matches": "^active"},
                "within_s": 1,
            }
        ],
        "rollback": [{"undoes": u, "command": ["systemctl", "stop", u]} for u in UNITS],
        "irreversible": "",
    }
    folder = shelf / "start-units"
    (folder / "assets").mkdir(parents=True)
    text = as_yaml(skill)
    (folder / "assets" / "skill.yaml").write_text(text)
    prose = PROSE.format(name="start-units", pin=DIGEST, digest=digest_of(text, ""))
    (folder / "SKILL.md").write_text(prose)


async def carry_on(target: Path, home: Path) -> Report:
    """Begin the run, or go on with it, to its end."""
    binding = Binding(via="ssh", path=str(target))
    far = Service(name="far", kind="host", environment=Environment.SANDBOX, mode=Mode.ACT, bindings={"host": binding})
    inventory, env = Inventory(services=[far]), {"FIREBREAK_HOME": str(home)}
    ledger = open_ledger(Place(home=home))
    executor = ActionRegistry(inventory, env, root=target.parent)
    guard = build_guard(executor=executor, inventory=inventory, ledger=ledger, identities=identities())

    async def note(kind: str, change: str, content: dict[str, Any]) -> None:
        return None

    bench = Bench(
        inventory=inventory,
        words=registered(inventory),
        probes=ProbeRunner(inventory, env, root=target.parent),
        guard=Session(guard, TOKENS["agent"][0]),
        shelf=Shelf(home / "shelf"),
        store=SkillStore(home / "skills"),
        clock=SystemClock(),
        note=note,
        reader=lambda name: reading_runner(far, env, target.parent),
    )
    async with open_sqlite_saver(home / "skills.db") as saver:
        runner = SkillRunner(bench, ProcessLeases(), "app")
        await runner.start(saver)
        order = Order(skill="start-units", target="far", execute=True, allow_mutation=True)
        await runner.submit(order, run_id=RUN)
        report = await runner.ended(RUN)
        await runner.close()
    return report


if __name__ == "__main__":
    asyncio.run(carry_on(Path(sys.argv[1]), Path(sys.argv[2])))
