"""What the documentation says about rehearsals is about the procedures that are shipped."""

from __future__ import annotations

import re
from pathlib import Path

from skills.folder import load

ROOT = Path(__file__).resolve().parents[3]


def test_rehearsed_digests_are_the_shipped_ones() -> None:
    """A changed procedure was not rehearsed: its row goes, or is rehearsed again."""
    rows = re.findall(r"^\| ([a-z-]+) \| `([0-9a-f]{12})` \|", (ROOT / "docs" / "skills.md").read_text(), re.M)
    assert rows
    for name, digest in rows:
        assert load(ROOT / "runbooks" / name).digest.removeprefix("sha256:").startswith(digest), name


def test_the_numbers_are_the_shelfs() -> None:
    """Runbooks, procedures, those that mend."""
    packages = [load(folder.parent) for folder in (ROOT / "runbooks").glob("*/SKILL.md")]
    skills = [p.skill for p in packages if p.skill is not None]
    mend = sum(bool(s.actions) for s in skills)
    text = (ROOT / "docs" / "skills.md").read_text()
    assert (
        f"{len(packages)} runbooks, {len(skills)} with a procedure: {mend} mend, {len(skills) - mend} only look" in text
    )
