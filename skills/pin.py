"""Writing the digest of a procedure into its prose: who pins has read it."""

from __future__ import annotations

import re
from pathlib import Path

from skills.folder import DIGEST, Package
from skills.problem import SkillError


def pin(package: Package) -> bool:
    """Write the present digest into SKILL.md; False when it stands there already. Raises SkillError without a procedure."""
    if not package.digest:
        raise SkillError(
            f"{package.folder.name} has no procedure",
            expected="assets/skill.yaml",
            found="prose only",
            hint="a runbook without a procedure needs no pin",
        )
    text = pinned_text(package.prose.text, package.digest)
    if text == package.prose.text:
        return False
    Path(package.prose.file).write_text(text, encoding="utf-8")
    return True


def pinned_text(prose: str, digest: str) -> str:
    """The prose with the digest in its metadata, the rest of it untouched."""
    head, mark, body = prose.removeprefix("---\n").partition("\n---\n")
    line = f"  {DIGEST}: {digest}"
    if re.search(rf"(?m)^  {DIGEST}:", head):
        head = re.sub(rf"(?m)^  {DIGEST}:.*$", line, head)
    elif re.search(r"(?m)^metadata:\s*$", head):
        head = re.sub(r"(?m)^metadata:\s*$", f"metadata:\n{line}", head)
    else:
        head = f"{head}\nmetadata:\n{line}"
    return f"---\n{head}{mark}{body}"
