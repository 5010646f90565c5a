"""ansible-playbook as argument lists: what a playbook would change, and running it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.command import run_program, well

_CHANGED = re.compile(r"changed=(\d+)")
_FAILED = re.compile(r"(?:failed|unreachable)=([1-9]\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recap:
    """The end of a run, over all hosts."""

    changed: int
    """Tasks that changed something, or would."""
    failed: int
    """Tasks that failed and hosts that could not be reached."""
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ansible:
    """One folder with playbooks, for one caller."""

    folder: Path
    timeout_s: float
    env: Mapping[str, str] | None = None
    """What the program sees of the environment; None: all of ours."""

    async def check(self, playbook: str, inventory: str) -> Recap:
        """What the playbook would change; changes nothing. Raises ToolError."""
        return await self._run("--check", "--diff", "-i", inventory, playbook)

    async def run(self, playbook: str, inventory: str) -> Recap:
        """Run it. Raises ToolError."""
        return await self._run("--diff", "-i", inventory, playbook)

    def content(self) -> str:
        """Digest of everything that stands in the folder, names included."""
        digest = hashlib.sha256()
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(self.folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    async def _run(self, *words: str) -> Recap:
        program = ["ansible-playbook", *words]
        ran = await run_program(program, folder=self.folder, timeout_s=self.timeout_s, env=self.env)
        return recap(well(ran, " ".join(program[:2])).out)


def recap(text: str) -> Recap:
    """Counts from a run's recap lines."""
    changed = sum(int(n) for n in _CHANGED.findall(text))
    failed = sum(int(n) for n in _FAILED.findall(text))
    return Recap(changed=changed, failed=failed, report=text[-4000:])
