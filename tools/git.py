"""A Git checkout as argument lists: what a range of commits changed. It only reads, and runs nothing that the repository names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ToolError
from tools.command import run_program, well

REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_/-]|\.(?!\.)){0,199}[~^]?[0-9]{0,3}")
"""What may name a commit (gitrevisions(7), the plain part of it); never an option, never a range."""
_QUIET = ("--no-color", "--no-ext-diff", "--no-textconv", "--unified=3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A folder inside a working tree or a bare repository. `paths`: the only parts that are looked at; none means all."""

    folder: Path
    paths: Sequence[str] = ()
    timeout_s: float = 10.0

    async def diff(self, before: str, after: str) -> str:
        """The redacted unified diff of two commits. Raises ToolError: no such commit, no repository, no git, too slow."""
        for name in (before, after):
            if not REVISION.fullmatch(name):
                raise ToolError("this names no commit", expected="an id, a tag or a branch", found=repr(name[:80]))
        return await self.range(f"{before}..{after}")

    async def range(self, revisions: str) -> str:
        """The redacted unified diff of what git calls a range; the caller sees to it that it is no option. Raises ToolError."""
        words = ["git", "diff", *_QUIET, revisions, "--", *self.paths]
        return well(await run_program(words, folder=self.folder, timeout_s=self.timeout_s), "git diff").out
