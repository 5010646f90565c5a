"""A skill on disk: `NAME/SKILL.md` (prose, agentskills front matter) and `NAME/assets/{skill,hidden}.yaml`."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from domain.value import Value
from domain.yaml_text import line_of
from skills.document import parse, read_text
from skills.problem import Problem, SkillError
from skills.schema import HiddenChecks, Skill
from skills.words import Slug

PROSE, PROCEDURE, HIDDEN = "SKILL.md", "assets/skill.yaml", "assets/hidden.yaml"
MOST_FILES = 64
LARGEST_ASSET = 1024 * 1024
"""Of whatever else lies in the folder, in bytes."""
DIGEST = "procedure-digest"
"""Key of the front matter's metadata that pins the procedure."""
V = TypeVar("V", bound=Value)


class FrontMatter(Value):
    """The head of SKILL.md as agentskills.io defines it; metadata maps text to text."""

    name: Slug
    description: Annotated[str, Field(min_length=1, max_length=1024)]
    license: str = ""
    compatibility: Annotated[str, Field(max_length=500)] = ""
    metadata: dict[str, str] = {}
    allowed_tools: str = Field(default="", alias="allowed-tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file as it was read."""

    file: str
    text: str

    def line(self, path: Sequence[str]) -> int:
        """Line of the value at a path."""
        return line_of(self.text, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A skill with its prose. `skill` is None for a runbook that people follow by hand."""

    folder: Path
    front: FrontMatter
    body: str
    prose: Source
    skill: Skill | None = None
    procedure: Source | None = None
    hidden: HiddenChecks = field(default_factory=HiddenChecks)
    hidden_source: Source | None = None

    @property
    def pinned(self) -> str:
        """The digest that the prose names, or empty."""
        return self.front.metadata.get(DIGEST, "")

    @property
    def digest(self) -> str:
        """Of the procedure and its hidden checks, as their bytes stand; empty without a procedure."""
        return (
            digest_of(self.procedure.text, self.hidden_source.text if self.hidden_source else "")
            if (self.procedure)
            else ""
        )


def digest_of(procedure: str, hidden: str) -> str:
    """`sha256:…` over both files, each length-prefixed so that text cannot move from one to the other."""
    hashed = hashlib.sha256()
    for text in (procedure, hidden):
        data = text.encode()
        hashed.update(len(data).to_bytes(8, "big") + data)
    return f"sha256:{hashed.hexdigest()}"


def load(folder: Path) -> Package:
    """The skill in a folder. Raises SkillError for the first thing that cannot be read; see `skills.validate` for all."""
    package, problems = read(folder)
    if package is None or problems:
        first = problems[0]
        raise SkillError(
            f"{first.file}:{first.line}: {first.text}", hint=first.fix, code="skill.invalid", found=first.rule
        )
    return package


def read(folder: Path) -> tuple[Package | None, list[Problem]]:
    """What is there, and what is wrong with its form. None when not even the prose can be read."""
    problems = list(_strangers(folder))
    if any(p.rule == "not_a_folder" for p in problems):
        return None, problems
    prose = _source(folder / PROSE, problems)
    split = _front(prose, problems) if prose else None
    if prose is None or split is None:
        return None, problems
    front, body = split
    procedure = _source(folder / PROCEDURE, problems) if _there(folder / PROCEDURE) else None
    hidden = _source(folder / HIDDEN, problems) if _there(folder / HIDDEN) else None
    package = Package(
        folder=folder,
        front=front,
        body=body,
        prose=prose,
        procedure=procedure,
        skill=_typed(Skill, procedure, problems) if procedure else None,
        hidden=(_typed(HiddenChecks, hidden, problems) if hidden else None) or HiddenChecks(),
        hidden_source=hidden,
    )
    return package, problems


def _there(file: Path) -> bool:
    return os.path.lexists(file)


def _strangers(folder: Path) -> list[Problem]:
    """Links and special files anywhere below; a folder of a size that no skill has."""
    try:
        mode = os.lstat(folder).st_mode
    except OSError as error:
        return [_no_folder(folder, error.strerror or "nothing")]
    if not stat.S_ISDIR(mode):
        return [_no_folder(folder, "a symbolic link" if stat.S_ISLNK(mode) else "a file")]
    found: list[Problem] = []
    seen = 0
    for here, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path, seen = Path(here) / name, seen + 1
            found += _strange(path)
        if seen > MOST_FILES:
            text = f"expected at most {MOST_FILES} files"
            return [*found, Problem(rule="too_many_files", file=str(folder), text=text, fix="keep only what it needs")]
    return found


def _no_folder(folder: Path, what: str) -> Problem:
    text = f"expected the folder of a skill, found {what}"
    return Problem(rule="not_a_folder", file=str(folder), text=text, fix="name a folder that holds SKILL.md")


def _strange(path: Path) -> list[Problem]:
    """What is neither a file of a reasonable size nor a folder."""
    state = os.lstat(path)
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
        kind = "a symbolic link" if stat.S_ISLNK(state.st_mode) else "a special file"
        text = f"expected regular files only, found {kind}"
        return [Problem(rule="no_regular_file", file=str(path), text=text, fix="put the file itself here")]
    if stat.S_ISREG(state.st_mode) and state.st_size > LARGEST_ASSET:
        text = f"is too large: expected at most {LARGEST_ASSET} bytes, found {state.st_size}"
        return [
            Problem(rule="too_large", file=str(path), text=text, fix="a skill carries no data; link to where it lies")
        ]
    return []


def _source(file: Path, problems: list[Problem]) -> Source | None:
    try:
        return Source(file=str(file), text=read_text(file))
    except SkillError as error:
        if not any(p.file == str(file) for p in problems):
            problems.append(_unreadable(str(file), error))
        return None


def _front(prose: Source, problems: list[Problem]) -> tuple[FrontMatter, str] | None:
    head, mark, body = prose.text.removeprefix("---\n").partition("\n---\n")
    if not prose.text.startswith("---\n") or not mark:
        text = "expected front matter between two `---` lines, found none"
        problems.append(Problem(rule="no_front_matter", file=prose.file, text=text, fix="begin with name, description"))
        return None
    source = Source(file=prose.file, text=head)
    found = _typed(FrontMatter, source, problems, below=1)
    return (found, body) if found else None


def _typed(model: type[V], source: Source, problems: list[Problem], below: int = 0) -> V | None:
    """The document as a value; every mistake becomes a problem with its line."""
    try:
        value = _value(model, source.text)
        assert isinstance(value, model)
        return value
    except SkillError as error:
        problems.append(_unreadable(source.file, error, below))
    except ValidationError as error:
        for found in error.errors(include_input=False, include_url=False):
            path = [str(part) for part in found["loc"]]
            where = ".".join(path) or "the document"
            text = f"{where}: {_plainly(found['msg'])}"
            line = source.line(path) + below
            problems.append(
                Problem(
                    rule="schema", file=source.file, line=line, text=text, fix="firebreak skill schema shows the form"
                )
            )
    return None


@lru_cache(maxsize=256)
def _value(model: type[Value], text: str) -> Value:
    """The text as a frozen value, built once: a run reads its skill again at every step, and nearly always the same one."""
    return model.model_validate(parse(text, ""))


def _plainly(message: str) -> str:
    """The validator's words without the language that it is written in."""
    return message.removeprefix("Value error, ").replace(
        "Input should be a valid tuple", "expected a list, one word per item"
    )


def _unreadable(file: str, error: SkillError, below: int = 0) -> Problem:
    place = re.match(r".*?:(\d+): (.*)", error.message, re.S)
    what = place[2] if place else error.message.removeprefix(f"{file} ")
    text = f"{what}: expected {error.expected}, found {error.found}"
    return Problem(
        rule="unreadable",
        file=file,
        line=int(place[1]) + below if place else 1,
        text=text,
        fix=error.hint or "see above",
    )
