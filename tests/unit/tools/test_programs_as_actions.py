"""Terraform plans and Ansible playbooks as actions: what was looked at is what is carried out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from domain.action import ActionCall, ActionResult, DryRun, Outcome
from domain.errors import ToolError
from domain.inventory import Inventory
from tests.fakes.programs import ANSIBLE, TERRAFORM, installed, platform, platform_service
from tools.registry import ActionRegistry
from tools.terraform import PLAN, Terraform

REAL = shutil.which("terraform")


class Site:
    """A folder with a configuration and one with a playbook, of one service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = platform(folder)
        self.cloud, self.plays = folder / "cloud", folder / "plays"

    def want(self, **resources: str) -> None:
        (self.cloud / "wanted.json").write_text(json.dumps(resources))

    def registry(self, **env: str) -> ActionRegistry:
        variables = {"PATH": "/usr/bin:/bin", "CLOUD_TOKEN": "t", "OTHER_SECRET": "s", **env}
        return ActionRegistry(Inventory(services=[platform_service(self.folder)]), variables, root=self.folder)

    async def planned(self) -> ActionCall:
        """The planning stage's own plan, as a call."""
        found = await Terraform(folder=self.cloud, timeout_s=20).plan()
        return ActionCall(action="apply_terraform_plan", target="platform", args={"sha256": found["sha256"]})

    async def apply(self, call: ActionCall, key: str = "k1") -> ActionResult:
        return await self.registry().execute(call, idempotency_key=key)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.cloud / "terraform.tfstate").read_text())
        return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path)
    monkeypatch.setenv("PATH", f"{site.programs}:/usr/bin:/bin")
    return site


PLAYBOOK = ActionCall(action="run_playbook", target="platform", args={"playbook": "site.yml"})


async def test_the_plan_that_was_looked_at_is_carried_out(site: Site) -> None:
    """Told by count and name, applied, confirmed by state and configuration agreeing; a second time it changes nothing."""
    call = await site.planned()
    said = await site.registry().dry_run(call)
    assert said.answer is DryRun.WOULD_CHANGE
    assert "1 to create, 0 to update, 0 to destroy (create web)" in said.summary
    assert said.witness == {"create": 1, "update": 0, "delete": 0, "serial": 0}
    result = await site.apply(call)
    assert (result.outcome, site.state["resources"]) == (Outcome.SUCCEEDED, {"web": "small"})
    assert (await site.registry().dry_run(call)).answer is DryRun.NO_CHANGE
    assert (await site.registry().read_back(call, None)).outcome is Outcome.SUCCEEDED


async def test_another_plan_than_the_one_that_is_meant_is_refused(site: Site) -> None:
    """Planned again after it was approved, or gone: the digest in the call no longer fits."""
    call = await site.planned()
    site.want(web="large", db="small")
    await site.planned()
    with pytest.raises(ToolError, match="not the one that is meant"):
        site.registry().check(call)
    (site.cloud / PLAN).unlink()
    with pytest.raises(ToolError, match="not the one that is meant") as gone:
        site.registry().check(call)
    assert gone.value.found == f"no {PLAN}"


async def test_a_plan_that_ends_half_way_is_not_a_success(site: Site) -> None:
    """Something happened and not all of it: failed, with the program's words."""
    site.want(db="small", web="small")
    call = await site.planned()
    (site.cloud / "broken").touch()
    result = await site.apply(call)
    assert result.outcome is Outcome.FAILED
    assert "the cloud refused the second one" in result.summary
    assert (await site.registry().read_back(call, result)).outcome is Outcome.UNKNOWN


async def test_a_stale_plan_changes_nothing(site: Site) -> None:
    """Somebody applied another one meanwhile: terraform refuses, and the state is what it was."""
    call = await site.planned()
    (site.cloud / "terraform.tfstate").write_text(json.dumps({"serial": 7, "resources": {"old": "x"}}))
    result = await site.apply(call)
    assert (result.outcome, site.state["serial"]) == (Outcome.FAILED, 7)
    assert "stale" in result.summary


async def test_a_program_sees_its_own_variables_only(site: Site) -> None:
    """What a configuration runs cannot read the credentials of other targets; a missing variable is named."""
    call = await site.planned()
    text = TERRAFORM + "\nimport os\nopen('seen', 'w').write(json.dumps(sorted(os.environ)))\n"
    installed(site.folder / "bin", "terraform", text)
    assert (await site.registry().dry_run(call)).answer is not DryRun.CANNOT_TELL
    seen = json.loads((site.cloud / "seen").read_text())
    assert "CLOUD_TOKEN" in seen
    assert "OTHER_SECRET" not in seen
    with pytest.raises(ToolError, match="has no variable") as missing:
        site.registry(CLOUD_TOKEN="").check(call)
    assert "CLOUD_TOKEN" in missing.value.expected


async def test_a_machine_without_the_program_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is done, with what to install."""
    call = await site.planned()
    monkeypatch.setenv("PATH", str(site.folder))
    for asked, program in ((call, "terraform"), (PLAYBOOK, "ansible-playbook")):
        said = await site.registry().dry_run(asked)
        assert said.answer is DryRun.CANNOT_TELL
        assert f"install {program} on the machine that runs Firebreak" in said.summary


async def test_a_torn_state_is_an_error(site: Site) -> None:
    """Nothing is guessed."""
    call = await site.planned()
    installed(site.folder / "bin", "terraform", TERRAFORM.replace("print(file.read_text())", "print('{}')"))
    (site.cloud / "terraform.tfstate").write_text(json.dumps({"serial": 1, "resources": {}}))
    assert "state cannot be read" in (await site.registry().dry_run(call)).summary


async def test_a_playbook_is_run_as_it_was_checked(site: Site) -> None:
    """Told, run, and confirmed by a check that finds nothing left; its folder is part of what is approved."""
    said = await site.registry().dry_run(PLAYBOOK)
    assert (said.answer, said.witness["would_change"]) == (DryRun.WOULD_CHANGE, 2)
    (site.plays / "roles.yml").write_text("- hosts: all\n")
    assert (await site.registry().dry_run(PLAYBOOK)).witness["content"] != said.witness["content"]
    result = await site.apply(PLAYBOOK)
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    assert json.loads((site.folder / "hosts.json").read_text()) == {"nginx": "1.27", "motd": "hello"}
    assert (await site.registry().dry_run(PLAYBOOK)).answer is DryRun.NO_CHANGE


async def test_only_playbooks_of_the_inventory_run(site: Site) -> None:
    """A playbook that lies there is not one that may run; nor is a path out of the folder."""
    for name in ("other.yml", "../other.yml"):
        with pytest.raises(ToolError, match="does not let this playbook run"):
            site.registry().check(PLAYBOOK.model_copy(update={"args": {"playbook": name}}))


async def test_hosts_that_cannot_be_reached_are_no_success(site: Site) -> None:
    """The check says so before anything is done; lost in between, the run has failed."""
    (site.plays / "unreachable").touch()
    assert (await site.registry().dry_run(PLAYBOOK)).answer is DryRun.CANNOT_TELL
    (site.plays / "unreachable").unlink()
    lost = 'if "--check" not in words:\n    sys.exit("the network is gone")\n'
    installed(site.folder / "bin", "ansible-playbook", ANSIBLE.replace('if "--check" not in words:\n', lost, 1))
    result = await site.apply(PLAYBOOK)
    assert (result.outcome, "the network is gone" in result.summary) == (Outcome.FAILED, True)
    assert not (site.folder / "hosts.json").exists()


@pytest.mark.skipif(REAL is None, reason="terraform is not installed")
async def test_the_real_terraform_plans_and_applies(tmp_path: Path) -> None:
    """With its built-in provider, which needs no network: planned, looked at, applied, agreed."""
    site = Site(tmp_path)
    (site.cloud / "main.tf").write_text('resource "terraform_data" "web" {\n  input = "small"\n}\n')
    call = await site.planned()
    registry = site.registry(PATH=str(Path(REAL or "").parent))
    said = await registry.dry_run(call)
    assert "1 to create, 0 to update, 0 to destroy (create terraform_data.web)" in said.summary
    result = await registry.execute(call, idempotency_key="k1")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    assert (await registry.dry_run(call)).answer is DryRun.NO_CHANGE
    (site.cloud / "main.tf").write_text('resource "terraform_data" "web" {\n  input = "large"\n}\n')
    fresh = await site.planned()
    assert "0 to create, 1 to update" in (await registry.dry_run(fresh)).summary
