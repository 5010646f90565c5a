"""TARGET files: what they may say, and that every mistake is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ConfigError
from domain.remote import RemoteTarget
from tools.remote import load_target, resolved

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
SSH = """\
version: "1"
name: far
ssh:
  host: a
  user: u
  key: {file: id}
  known_hosts: hosts
"""
FAR = """\
version: "1"
name: far
kubernetes:
  kubeconfig: k
  namespace: shop
  through: {host: a, user: u, key: {file: id}, known_hosts: h, port: 22}
"""


def loaded(tmp_path: Path, text: str) -> RemoteTarget:
    file = tmp_path / "target.yaml"
    file.write_text(text)
    return load_target(file).target


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("target-*.yaml")), ids=lambda f: f.stem)
def test_the_shipped_examples_are_valid(file: Path) -> None:
    """Each example can be started from."""
    assert load_target(file).target.name


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (SSH.replace("  known_hosts: hosts\n", ""), "line 3", "known_hosts"),
        (SSH.replace("host: a", "host: -oProxyCommand=x"), "line 4", "host"),
        (SSH.replace("{file: id}", "{}"), "line 6", "either `file` or `env`"),
        (SSH.replace("{file: id}", "{file: id, env: K}"), "line 6", "either `file` or `env`"),
        (SSH + "  password: x\n", "line 8", "password"),
        (SSH + "  commands: [{run: []}]\n", "line 8", "run"),
        (SSH + "name: twice\n", ":8 ", "twice"),
        (SSH.replace("host: a", "host: &a a").replace("user: u", "user: *a"), ":5 ", "alias"),
        (SSH.replace("host: a", "host: [a"), ":5 ", "YAML"),
        ('version: "1"\nname: far\n', "line 1", "ssh"),
        (SSH.replace('"1"', '"2"'), "line 1", "version"),
        ("- a\n", "", "mapping"),
        ("kubernetes: {kubeconfig: k, namespace: Bad_Name}\nname: a\n", "line 1", "namespace"),
        (FAR.replace("known_hosts: h, ", ""), "line 6", "known_hosts"),
        (FAR.replace("port: 22", "port: 0"), "line 6", "port"),
        (FAR.replace("port: 22", "commands: []"), "line 6", "commands"),
        ("x" * 70_000, "", "too large"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: str, word: str) -> None:
    """The error says where, what and what to do."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    said = "; ".join(caught.value.lines())
    assert line in said
    assert word in said
    assert "target check" in said


def test_a_missing_file_says_where_to_start(tmp_path: Path) -> None:
    """The shipped examples are named."""
    with pytest.raises(ConfigError, match=r"there is no") as caught:
        load_target(tmp_path / "none.yaml")
    assert "docs/examples" in caught.value.hint


def test_paths_start_at_the_file_or_the_home(tmp_path: Path) -> None:
    """Relative, `~/` and absolute."""
    assert resolved("id", tmp_path) == tmp_path / "id"
    assert resolved("/etc/x", tmp_path) == Path("/etc/x")
    assert resolved("~/x", tmp_path) == Path.home() / "x"


def test_only_declared_commands_may_change_something(tmp_path: Path) -> None:
    """The beginning of the list decides word by word; an undo belongs to its own command, in both directions."""
    target = loaded(tmp_path, SSH + "  commands: [{run: [svc, stop], undo: [svc, start]}, {run: [reboot]}]\n")
    assert target.allows(("svc", "stop", "web"))
    assert target.allows(("svc", "start"))
    assert not target.allows(("svc", "stopall"))
    assert not target.allows(("svc",))
    assert target.undoes(("svc", "stop", "web"), ("svc", "start", "web"))
    assert target.undoes(("svc", "start", "web"), ("svc", "stop", "web"))
    assert not target.undoes(("svc", "stop"), ("reboot",))
    assert not target.undoes(("reboot",), ("reboot",))
    assert not loaded(tmp_path, SSH).allows(("svc", "stop"))
