"""Plan, ask, apply: terraform and ansible pipelines over the real guard and the real actions, with programs on the PATH."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from langgraph.types import Command

from domain.action import Tier
from domain.guard import ApprovalAnswer, ApprovalStatus, Decision
from domain.inventory import Inventory
from domain.pipeline import StageStatus
from governance.seats import grant
from graph.pipelines.catalogue import STAGE_TEMPLATES
from graph.pipelines.compiling import compile_pipeline
from graph.pipelines.reading import load_pipeline
from graph.pipelines.stages import Bindings
from graph.state import Knobs
from tests.fakes.guard import Scene
from tests.fakes.house import House
from tests.fakes.programs import platform, platform_service
from tests.fakes.world import World
from tools.registry import ActionRegistry

pytestmark = pytest.mark.integration


class Platform:
    """A service's terraform folder and playbooks behind a real guard, and a responder with a seat."""

    def __init__(self, folder: Path, tier: Tier) -> None:
        self.folder = folder
        inventory = Inventory(services=[platform_service(folder)])
        variables = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "CLOUD_TOKEN": "t"}
        self.scene = Scene(inventory=inventory, executor=cast(Any, ActionRegistry(inventory, variables, root=folder)))
        self.house = House(World())
        self.house.guard = cast(Any, self.scene.agent)
        self.config: Any = {"configurable": {"thread_id": "run-1"}}
        with self.scene.store.transaction() as tx:
            grant(tx, agent="responder", tier=tier, policy=self.scene.policy, by="operator", why="test")

    async def run(self, pipeline: str, inputs: dict[str, str]) -> None:
        """Until it asks or ends."""
        bindings = Bindings(services=self.house.services)
        self.graph = compile_pipeline(load_pipeline(pipeline), STAGE_TEMPLATES, bindings, self.house.saver)
        given = {"run": "run-1", "pipeline_name": pipeline, "inputs": inputs, "variables": {}}
        await self.graph.ainvoke(cast(Any, given), self.config, context=Knobs())

    async def answered(self, decision: Decision) -> None:
        """A person answers what is asked, at the guard."""
        [question] = (await self.graph.aget_state(self.config)).interrupts
        approval = await self.scene.maria.answer(question.value["approval"], ApprovalAnswer(decision=decision))
        answer = {"status": approval.status.value, "approval": approval.id}
        await self.graph.ainvoke(cast(Any, Command(resume={question.id: answer})), self.config, context=Knobs())

    async def results(self) -> dict[str, StageStatus]:
        values = (await self.graph.aget_state(self.config)).values
        return {r.name: r.status for r in values["stage_results"]}

    async def errors(self) -> str:
        values = (await self.graph.aget_state(self.config)).values
        return " ".join(r.error for r in values["stage_results"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{platform(tmp_path)}:/usr/bin:/bin")
    return tmp_path


def terraform(folder: Path) -> dict[str, str]:
    return {"folder": str(folder / "cloud"), "target": "platform"}


async def test_exactly_the_plan_that_a_person_approved_is_applied(folder: Path) -> None:
    """The question shows what would be created and changes nothing; the yes applies it."""
    site = Platform(folder, Tier.T2)
    await site.run("terraform-apply", terraform(folder))
    [asked] = await site.scene.maria.approvals()
    assert "1 to create, 0 to update, 0 to destroy (create web)" in asked.summary
    assert asked.undo.startswith("cannot be undone")
    assert not (folder / "cloud" / "terraform.tfstate").exists()
    await site.answered(Decision.APPROVE)
    assert (await site.results())["apply"] is StageStatus.COMPLETED
    assert json.loads((folder / "cloud" / "terraform.tfstate").read_text())["resources"] == {"web": "small"}
    written = [e.kind for e in site.scene.store.entries(limit=99)]
    assert written[-4:] == ["attempt", "intent", "effect", "read_back"]


async def test_a_plan_that_was_made_anew_meanwhile_is_not_applied(folder: Path) -> None:
    """Somebody planned something else while the question was open: the approval is for a plan that is gone."""
    site = Platform(folder, Tier.T2)
    await site.run("terraform-apply", terraform(folder))
    (folder / "cloud" / "firebreak.tfplan").write_text("another")
    await site.answered(Decision.APPROVE)
    assert (await site.results())["apply"] is StageStatus.FAILED
    assert "not the one that is meant" in await site.errors()
    assert not (folder / "cloud" / "terraform.tfstate").exists()


async def test_a_no_applies_nothing(folder: Path) -> None:
    """Rejected: failed, with the word that was given."""
    site = Platform(folder, Tier.T2)
    await site.run("terraform-apply", terraform(folder))
    await site.answered(Decision.REJECT)
    assert (await site.results())["apply"] is StageStatus.FAILED
    [asked] = await site.scene.maria.approvals()
    assert asked.status is ApprovalStatus.REJECTED
    assert not (folder / "cloud" / "terraform.tfstate").exists()


async def test_an_operator_may_not_do_what_cannot_be_undone(folder: Path) -> None:
    """T1 plans; applying is denied before anybody is asked."""
    site = Platform(folder, Tier.T1)
    await site.run("terraform-apply", terraform(folder))
    assert (await site.results())["apply"] is StageStatus.FAILED
    assert "T1 (Operator) may not" in await site.errors()
    assert await site.scene.maria.approvals() == []


async def test_a_playbook_is_checked_asked_for_and_run(folder: Path) -> None:
    """The same way for hosts."""
    site = Platform(folder, Tier.T2)
    inputs = {"folder": str(folder / "plays"), "target": "platform", "playbook": "site.yml", "inventory": "inventory"}
    await site.run("ansible-apply", inputs)
    [asked] = await site.scene.maria.approvals()
    assert "site.yml would change 2 things" in asked.summary
    await site.answered(Decision.APPROVE)
    assert (await site.results())["run"] is StageStatus.COMPLETED
    assert json.loads((folder / "hosts.json").read_text())["nginx"] == "1.27"
