"""All that is wrong with the skills below some paths, with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from skills.folder import PROSE, Package, read
from skills.problem import Level, Problem, SkillError
from skills.rules import RULES
from skills.rules.flaw import Flaw, Subject
from skills.rules.prose import prose_flaws
from skills.vocabulary import Vocabulary

_HEAD = {"other_name": "name", "unknown_tool": "allowed-tools", "tool_not_allowed": "allowed-tools"}
"""Rule about the prose → the key of the front matter that it is about."""


def folders(paths: Iterable[Path]) -> list[Path]:
    """Every skill folder below the paths: one that holds SKILL.md, or the folder of a file that was named.

    Raises SkillError for a path where there is none.
    """
    found: list[Path] = []
    for path in paths:
        base = _home(path)
        here = [base] if (base / PROSE).exists() else sorted(p.parent for p in base.glob(f"*/{PROSE}"))
        if not here:
            raise SkillError(
                f"there is no skill in {path}",
                expected=f"a folder with {PROSE}, or a folder of such folders",
                found="none",
                hint="firebreak skill list shows the shipped ones",
                code="skill.missing",
            )
        found += [folder for folder in here if folder not in found]
    return found


def _home(path: Path) -> Path:
    """A named file stands for its skill."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "assets" else path.parent


def validate(folder: Path, words: Vocabulary, given: Iterable[str] = ()) -> tuple[Package | None, list[Problem]]:
    """The skill and everything that is wrong with it. A problem of level error means: it must not be used.

    `given` are parameters that a caller fills in: with an inventory where their defaults name nothing it can be used all the same.
    """
    package, problems = read(folder)
    if package is None:
        return None, problems
    return package, [*problems, *(_problem(flaw, package) for flaw in flaws(package, words, given))]


def flaws(package: Package, words: Vocabulary, given: Iterable[str] = ()) -> Iterator[Flaw]:
    """What the rules say."""
    yield from prose_flaws(package, words)
    if package.skill is not None:
        subject = Subject(package=package, skill=package.skill, words=words, given=frozenset(given))
        for rule in RULES:
            yield from rule(subject)


def usable(problems: Iterable[Problem]) -> bool:
    """Whether nothing forbids its use."""
    return not any(p.level is Level.ERROR for p in problems)


def _problem(flaw: Flaw, package: Package) -> Problem:
    source = {"procedure": package.procedure, "hidden": package.hidden_source, "prose": None}[flaw.file]
    if source is None:
        file, line = package.prose.file, _prose_line(flaw, package)
    else:
        file, line = source.file, source.line(flaw.at)
    return Problem(rule=flaw.rule, file=file, line=line, text=flaw.text, fix=flaw.fix, level=flaw.level)


def _prose_line(flaw: Flaw, package: Package) -> int:
    """The line of the front matter's key, or of the link that leads nowhere."""
    lines = package.prose.text.splitlines()
    key = _HEAD.get(flaw.rule, "metadata")
    quoted = re.search(r"'([^']+)'", flaw.text)
    wanted = f"({quoted[1]}" if flaw.rule == "dead_pointer" and quoted else f"{key}:"
    return next((n for n, text in enumerate(lines, 1) if wanted in text), 1)
