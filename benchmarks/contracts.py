"""Drafting a contract from a diff of 2,000 files, beside `git diff` of the same range: what reading it costs at least.

Every tenth file is a migration, a manifest, an OpenAPI document or a Kubernetes object; the rest is code.
"""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from contracts.change.subject import subject_of
from contracts.context import DeploymentContext
from contracts.draft import draft_contract
from tools.repository import GitRepository

FILES, LINES, EVERY, LIMIT_S = 2000, 120, 8, 5.0
"""Files, lines of each, every how manyth of them changes, seconds of CPU at most."""
_WORDS = ("cache", "total", "user", "lock", "price", "retry", "render", "order", "timeout", "stock")


def main() -> int:
    """Make the repository, draft three times, print the table; 1 when the median takes more CPU than the limit."""
    with tempfile.TemporaryDirectory(prefix="firebreak-bench-") as folder:
        place = Path(folder)
        _make(place)
        plain = _timed(
            lambda: subprocess.run(["git", "diff", "base..head"], cwd=place, capture_output=True, check=True)
        )
        drafts = sorted(_timed(lambda: asyncio.run(_draft(place))) for _ in range(3))
    sys.stdout.write(f"{FILES} files, {FILES * LINES * 2 // EVERY:,} changed lines at most\n")
    sys.stdout.write(
        f"{'git diff':<20}{plain:8.2f} s\n{'contract draft':<20}{drafts[1]:8.2f} s  ({drafts[1] / plain:.1f} times git diff)\n"
    )
    return int(drafts[1] > LIMIT_S)


async def _draft(place: Path) -> None:
    about = DeploymentContext(deployment_id="bench", service_name="bench")
    subject = await subject_of(GitRepository(folder=place), "base..head", about)
    draft_contract(subject.context, id="bench", at=datetime.now(UTC), findings=subject.findings, doubts=subject.doubts)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of CPU, children included: other work on the machine does not count."""
    start = _cpu()
    work()
    return _cpu() - start


def _cpu() -> float:
    return sum(
        r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _make(place: Path) -> None:
    choice = random.Random(1)
    _git(place, "init", "--quiet")
    before = [[_line(choice) for _ in range(LINES)] for _ in range(FILES)]
    for number, lines in enumerate(before):
        _write(place, number, lines)
    _commit(place, "base")
    for number, lines in enumerate(before):
        _write(place, number, [_line(choice) if i % EVERY == 0 else line for i, line in enumerate(lines)])
    _commit(place, "head")


def _line(choice: random.Random) -> str:
    return f"{choice.choice(_WORDS)}_{choice.randrange(10**6)} = {choice.choice(_WORDS)}({choice.randrange(100)})"


def _write(place: Path, number: int, lines: list[str]) -> None:
    odd = {
        0: f"db/migrations/{number}.sql",
        10: f"m{number}/requirements.txt",
        20: f"api/{number}.yaml",
        30: f"k8s/{number}.yaml",
    }
    path = place / odd.get(number % 40, f"src/m{number % 40}/f{number}.py")
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {
        ".sql": "\n".join(f"ALTER TABLE t{number} ADD COLUMN {line.split(' ')[0]} int;" for line in lines[:20]),
        ".txt": "\n".join(f"{line.split(' ')[0]}=={len(line)}.0" for line in lines),
        ".yaml": _document(number, lines),
    }
    path.write_text(texts.get(path.suffix, "\n".join(lines)) + "\n")


def _document(number: int, lines: list[str]) -> str:
    if number % 40 == 20:
        rows = "\n".join(f"  /{line.split(' ')[0]}:\n    get: {{responses: {{'200': {{}}}}}}" for line in lines[:40])
        return f"openapi: 3.0.0\npaths:\n{rows}"
    data = "\n".join(f"  {line.split(' ')[0]}: x" for line in lines)
    return f"kind: ConfigMap\nmetadata: {{name: c{number}}}\ndata:\n{data}"


def _commit(place: Path, name: str) -> None:
    _git(place, "add", "--all")
    _git(place, "-c", "user.name=b", "-c", "user.email=b@example.invalid", "commit", "--quiet", "-m", name)
    _git(place, "tag", name)


def _git(place: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=place, check=True, capture_output=True)
