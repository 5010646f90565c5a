"""Import takes over what is clear and refuses what is not; export writes what means something elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.inventory import Binding, Inventory, Service
from skills.exchange import Wanted, drafted, exported, taken_over
from skills.folder import load
from skills.generate import put
from skills.lines import command_list
from skills.problem import SkillError
from skills.validate import validate
from skills.vocabulary import registered
from skills.workflow import workflow
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
        "tasks:\n  again: {action: 'core.local cmd=\"systemctl restart shop\"'}\n",
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


def foreign(tmp_path: Path, front: str) -> Path:
    """A skill as other agents have them: prose, tools of theirs, a page that it links to."""
    folder = tmp_path / "split-pages"
    (folder / "references").mkdir(parents=True)
    (folder / "references" / "forms.md").write_text("Forms.\n")
    prose = "# Split pages\n\nSee [forms](references/forms.md) before you split anything at all.\n"
    (folder / "SKILL.md").write_text(f"---\nname: split-pages\ndescription: Use for pages.\n{front}---\n{prose}")
    return folder


def test_prose_of_other_agents_becomes_a_runbook(tmp_path: Path) -> None:
    """With what it links to; tools that are not ours are left out and named, and that nothing is run is said."""
    folder = foreign(tmp_path, "allowed-tools: Bash(git:*) Read\nmetadata: {author: somebody}\n")
    problems, notes = taken_over(*validate(folder, WORDS), tmp_path / "out")
    assert not problems
    assert [("Bash(git:*)" in n, "Read" in n, "never run" in n) for n in notes] == [
        (True, False, False), (False, True, False), (False, False, True)
    ]  # fmt: skip
    copy, left = validate(tmp_path / "out" / "split-pages", WORDS)
    assert copy is not None
    assert not left
    assert copy.front.metadata == {"author": "somebody"}
    assert copy.body == load_body(folder)
    with pytest.raises(SkillError, match="there already"):
        taken_over(*validate(folder, WORDS), tmp_path / "out")


def load_body(folder: Path) -> str:
    return (folder / "SKILL.md").read_text().partition("\n---\n")[2]


def test_nothing_invalid_is_taken_over(tmp_path: Path) -> None:
    """A dead pointer, or no front matter at all: said, and nothing is written."""
    folder = foreign(tmp_path, "")
    (folder / "references" / "forms.md").unlink()
    problems, _ = taken_over(*validate(folder, WORDS), tmp_path / "out")
    assert [p.rule for p in problems] == ["dead_pointer"]
    (folder / "SKILL.md").write_text("# Split pages\n")
    problems, _ = taken_over(*validate(folder, WORDS), tmp_path / "out")
    assert [p.rule for p in problems] == ["no_front_matter"]
    assert not (tmp_path / "out").exists()


ORQUESTA = """
version: 1.0
tasks:
  check: {action: core.local, input: {cmd: systemctl is-active shop}}
  start: {action: 'core.remote cmd="systemctl start shop" hosts=shop-1', next: [{when: <% succeeded() %>, do: check}]}
  stop: {action: core.local, input: {cmd: systemctl stop shop}, next: [{do: [start]}]}
"""
CHAIN = """
chain:
- {name: stop, ref: core.local, parameters: {cmd: systemctl stop shop}, on-success: start}
- {name: start, ref: core.local, parameters: {cmd: systemctl start shop}}
"""


def test_a_workflow_runs_in_the_order_of_its_arrows(tmp_path: Path) -> None:
    """Not in that of its text; the host that it names is left to --host, and said."""
    lines = workflow(written(tmp_path, ORQUESTA))
    assert [line.argv[1] for line in lines] == ["stop", "start", "is-active"]
    assert any("hosts was left out; it runs on box" in note for note in drafted(lines, WANTED).notes)
    assert [line.argv[1] for line in workflow(written(tmp_path, CHAIN))] == ["stop", "start"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ORQUESTA.replace("succeeded", "failed"), "a branch"),
        (ORQUESTA.replace("[{do: [start]}]", "[{do: [start, check]}]"), "start → check"),
        (ORQUESTA.replace(", next: [{do: [start]}]", ""), "stop → the end"),
        (CHAIN.replace("on-success: start", "on-failure: start"), "stop → the end"),
        (CHAIN + "default: start\n", "stop → start"),
        (CHAIN.replace("cmd: systemctl start shop", "cmd: systemctl start shop, sudo: true"), "sudo: True"),
        (CHAIN.replace("name: start, ", "name: start, retry: {count: 3}, "), "retry: {'count': 3}"),
        (CHAIN.replace("name: start, ", "name: stop, "), "two"),
        ("tasks: {say: {action: 'slack.post_message channel=ops'}}\n", "slack.post_message"),
        ("tasks: {say: {action: core.local, input: uptime}}\n", "str"),
        ("kind: Runbook\nspec: {codeBundle: {pathToRobot: k8s/runbook.robot}}\n", "k8s/runbook.robot"),
        ("steps: [{run: systemctl restart <% ctx().service %>}]\n", "'<'"),
    ],
)
def test_what_a_workflow_means_is_not_guessed(text: str, found: str, tmp_path: Path) -> None:
    """Branches, steps that begin side by side, other identities, repetition, other actions, bundles, expressions."""
    with pytest.raises(SkillError, match="not clear") as caught:
        workflow(written(tmp_path, text))
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
