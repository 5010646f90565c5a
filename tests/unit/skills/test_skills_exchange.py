"""Import takes over what is clear and refuses what is not; export writes what means something elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.inventory import Binding, Inventory, Service
from skills.exchange import Wanted, command_list, drafted, exported, workflow
from skills.folder import load
from skills.generate import put
from skills.problem import SkillError
from skills.vocabulary import registered
from tests.unit.skills.shelf import shelve

HOST = Service(name="box", kind="host", bindings={"host": Binding(via="file", path="t.yaml")})
WORDS = registered(Inventory(services=[HOST]))
WANTED = Wanted(name="restart-shop", intent="restart the shop and wait for it", host="box")
LIST = "# restart\nuptime\nsystemctl restart shop\n\nsystemctl is-active shop\n"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "source"
    file.write_text(text)
    return file


def test_a_list_of_commands_becomes_a_valid_skill(tmp_path: Path) -> None:
    """Changing ones are actions with their inferred effect, answering ones criteria; what expects nothing is left out."""
    draft = drafted(command_list(written(tmp_path, LIST)), WANTED)
    assert [(a.command, a.effect) for a in draft.skill.actions] == [(("systemctl", "restart", "shop"), "transient")]
    assert draft.skill.success_criteria[0].command == ("systemctl", "is-active", "shop")
    assert "`uptime` only reads" in draft.notes[0]
    assert put(draft, tmp_path / "out", WORDS, expected="the shop runs") == []


@pytest.mark.parametrize(
    "text",
    [
        "tasks:\n  again: {action: core.remote, input: {cmd: systemctl restart shop}}\n",
        "chain:\n- {name: again, ref: core.local, parameters: {cmd: systemctl restart shop}}\n",
        "steps:\n- {name: Again!, command: [systemctl, restart, shop]}\n",
        "steps:\n- run: systemctl restart shop\n",
    ],
)
def test_workflows_of_commands(text: str, tmp_path: Path) -> None:
    """As a mapping or a list, a line or a list of words."""
    wanted = Wanted(name="again", intent="restart the shop", host="box", done_when=("systemctl is-active shop",))
    draft = drafted(workflow(written(tmp_path, text)), wanted)
    assert draft.skill.actions[0].command == ("systemctl", "restart", "shop")
    assert put(draft, tmp_path / "out", WORDS, expected="the shop runs") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("systemctl restart shop && reboot\n", "'&'"),
        ("bash -c 'rm -rf /'\n", "runs whatever text"),
        ("systemctl restart 'shop\n", "quotation"),
        ("uptime\n", "--done-when"),
    ],
)
def test_what_is_not_clear_is_refused(text: str, found: str, tmp_path: Path) -> None:
    """Shell text, interpreters, broken quotes, and nothing that says when it is done."""
    with pytest.raises(SkillError) as caught:
        drafted(command_list(written(tmp_path, text)), WANTED)
    assert found in caught.value.found


@pytest.mark.parametrize("text", ["name: x\n", "steps: [x]\n", "steps:\n- {name: x, action: core.http}\n"])
def test_workflows_that_say_nothing(text: str, tmp_path: Path) -> None:
    """No steps, no mapping, no command."""
    with pytest.raises(SkillError, match="not clear"):
        workflow(written(tmp_path, text))


def test_export_and_back(tmp_path: Path) -> None:
    """The folder as it is; commands and steps come back as they went; registered actions stay at home."""
    draft = drafted(command_list(written(tmp_path, LIST)), WANTED)
    put(draft, tmp_path / "mine", WORDS, expected="the shop runs")
    package = load(tmp_path / "mine" / "restart-shop")
    assert package.skill is not None
    (commands,) = exported(package, package.skill, "commands", tmp_path / "out")
    (steps,) = exported(package, package.skill, "workflow", tmp_path / "out")
    argv = ("systemctl", "restart", "shop")
    assert [x.argv for x in command_list(commands)] == [x.argv for x in workflow(steps)] == [argv]
    files = exported(package, package.skill, "agentskills", tmp_path / "copy")
    assert load(tmp_path / "copy" / "restart-shop").digest == package.digest
    assert len(files) == 3
    with pytest.raises(SkillError, match="there already"):
        exported(package, package.skill, "agentskills", tmp_path / "copy")
    own = load(shelve(tmp_path))
    assert own.skill is not None
    with pytest.raises(SkillError, match="cannot be written as commands"):
        exported(own, own.skill, "commands", tmp_path / "out")
