"""Stages that ask programs: git for real, terraform and ansible as doubles on the PATH."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domain.errors import ToolError
from graph.pipelines.catalogue import STAGE_TEMPLATES
from graph.pipelines.programs import by_file
from graph.pipelines.stages import StageAnswer
from tools.command import MOST_BYTES, run_program
from tools.terraform import planned

PLAN = {
    "resource_changes": [
        {"address": "a", "change": {"actions": ["create"]}},
        {"address": "b", "change": {"actions": ["delete", "create"]}},
        {"address": "c", "change": {"actions": ["no-op"]}},
    ]
}


async def work(name: str, **args: Any) -> StageAnswer:
    template = STAGE_TEMPLATES[name]
    call: Any = SimpleNamespace(args=template.args.model_validate(args))
    bindings: Any = None
    return await template.make(bindings)(call)


def program(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of this name, first on the PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


async def test_a_diff_is_read_file_by_file(tmp_path: Path) -> None:
    """The tightened limit is the risky one; prose is not."""
    git(tmp_path, "init", "-q")
    (tmp_path / "settings.py").write_text("timeout_seconds = 30\npool = 5\n")
    (tmp_path / "README.md").write_text("hello\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "settings.py").write_text("timeout_seconds = 3\npool = 5\n")
    (tmp_path / "README.md").write_text("hello you\n")
    git(tmp_path, "commit", "-qam", "two")
    found = (await work("review_diff", folder=str(tmp_path))).artifacts
    assert [f["file"] for f in found["files"]] == ["settings.py", "README.md"]
    assert found["risky"]
    with pytest.raises(ToolError):
        await work("review_diff", folder=str(tmp_path), range="no..such")
    with pytest.raises(ValueError, match="range"):
        await work("review_diff", folder=str(tmp_path), range="--output=/tmp/x y")


def test_no_diff_has_no_files() -> None:
    """Empty in, empty out."""
    assert by_file("") == []


async def test_a_terraform_plan_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Created, updated, destroyed; the rest is not told."""
    shown = json.dumps(PLAN)
    program(tmp_path, "terraform", f"[ $1 = show ] && echo '{shown}'; exit 0", monkeypatch)
    found = (await work("terraform_plan", folder=str(tmp_path))).artifacts
    assert (found["create"], found["update"], found["delete"]) == (2, 0, 1)
    assert [r["address"] for r in found["resources"]] == ["a", "b"]


@pytest.mark.parametrize("text", ["no", '{"resource_changes": [{}]}', "[]"])
def test_a_torn_plan_is_an_error(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ToolError):
        planned(text)


async def test_an_ansible_check_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would change, and hosts that cannot be reached."""
    recap = "web : ok=2 changed=3 unreachable=0 failed=0\\ndb : ok=0 changed=0 unreachable=1 failed=0"
    program(tmp_path, "ansible-playbook", f"printf '{recap}'", monkeypatch)
    answer = await work("ansible_check", folder=str(tmp_path), playbook="site.yml")
    assert answer.artifacts["would_change"] == 3
    assert answer.error == "1 hosts failed or could not be reached"


async def test_programs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program, a missing folder, too much time and too many words."""
    program(tmp_path, "chatty", f"head -c {MOST_BYTES * 2} /dev/zero | tr '\\0' a; sleep 0", monkeypatch)
    assert "[left out]" in (await run_program(["chatty"], folder=tmp_path, timeout_s=20)).out
    program(tmp_path, "slow", "exec sleep 30", monkeypatch)
    with pytest.raises(ToolError, match="did not end"):
        await run_program(["slow"], folder=tmp_path, timeout_s=0.1)
    with pytest.raises(ToolError, match="not on the PATH"):
        await run_program(["no-such-program"], folder=tmp_path, timeout_s=1)
    with pytest.raises(ToolError, match="no folder"):
        await run_program(["chatty"], folder=tmp_path / "gone", timeout_s=1)
