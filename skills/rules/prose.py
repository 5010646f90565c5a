"""Prose and procedure belong together: no skill without prose, no pointer that leads nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from skills.folder import DIGEST, PROCEDURE, Package
from skills.rules.flaw import Flaw, Subject
from skills.vocabulary import Vocabulary, nearest

_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def prose_flaws(package: Package, words: Vocabulary) -> Iterator[Flaw]:
    """For every folder, also for a runbook that has no procedure."""
    front = package.front
    if front.name != package.folder.resolve().name:
        text = f"expected the folder's name {package.folder.resolve().name!r}, found {front.name!r}"
        yield _flaw("other_name", text, "rename one of them")
    if len(package.body.strip()) < 40:
        yield _flaw(
            "no_prose", "expected prose for people, found hardly any", "write when to use it and how to undo it"
        )
    for target in _LINK.findall(package.body):
        if "://" not in target and not _inside(package, target):
            yield _flaw("dead_pointer", f"{target!r} leads nowhere in this folder", "correct or remove the link")
    for tool in front.allowed_tools.split():
        if tool not in words.tools():
            yield _flaw("unknown_tool", f"allowed-tools names {tool!r}", nearest(tool, words.tools()))
    missing = not os.path.lexists(package.folder / PROCEDURE)
    if missing and (front.metadata.get("procedure") or package.pinned):
        named = front.metadata.get("procedure", PROCEDURE)
        yield _flaw(
            "dead_pointer", f"the prose names the procedure {named!r}, which is not there", f"write {PROCEDURE}"
        )


def same_skill(subject: Subject) -> Iterator[Flaw]:
    """Name, stage and pinned digest agree."""
    package, skill = subject.package, subject.skill
    if skill.name != package.front.name:
        text = f"expected {package.front.name!r} as in SKILL.md, found {skill.name!r}"
        yield Flaw(rule="other_name", at=("name",), text=text, fix="give both the same name")
    stage = package.front.metadata.get("stage")
    if stage is not None and stage != skill.metadata.stage.value:
        text = f"SKILL.md says stage {stage}, the procedure says {skill.metadata.stage.value}"
        yield Flaw(rule="other_stage", at=("metadata", "stage"), text=text, fix="make both say the same")
    if not package.pinned:
        text = f"SKILL.md does not pin the procedure (metadata.{DIGEST})"
        yield _flaw("not_pinned", text, "run firebreak skill pin after reading the procedure")
    elif package.pinned != package.digest:
        text = f"the procedure is not the one that was pinned: expected {package.pinned}, found {package.digest}"
        yield _flaw("changed_digest", text, "read what changed, then run firebreak skill pin")


def allowed_tools(subject: Subject) -> Iterator[Flaw]:
    """The procedure uses nothing that its prose does not allow."""
    allowed = set(subject.package.front.allowed_tools.split())
    skill = subject.skill
    checks = (*skill.preconditions, *skill.success_criteria)
    used = {c.probe for c in checks if c.probe} | {a.action for a in skill.actions if a.action}
    for tool in sorted(used - allowed):
        yield _flaw("tool_not_allowed", f"the procedure uses {tool}, allowed-tools does not name it", f"add {tool}")


def _inside(package: Package, target: str) -> bool:
    file = (package.folder / target).resolve()
    return file.is_relative_to(package.folder.resolve()) and file.exists()


def _flaw(rule: str, text: str, fix: str) -> Flaw:
    return Flaw(rule=rule, at=(), text=text, fix=fix, file="prose")


RULES = (same_skill, allowed_tools)
