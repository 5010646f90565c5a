"""Anchors in a Git repository of their own: a commit per anchor, to be pushed where the ledger's writer cannot rewrite."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from domain.clock import Clock, SystemClock
from domain.errors import LedgerError
from governance.ledger.chain import AnchorPoint

EVERY_S = 60.0
"""Seconds between two commits while the ledger grows; one more is made at the end."""
_TIMEOUT_S = 20.0
_WORD = "ledger"
_IDENTITY = ("-c", "user.name=Firebreak ledger", "-c", "user.email=ledger@firebreak.invalid")


class GitAnchor:
    """`git log` shows the anchors: `ledger 12 <hash>`. A hook or a mirror of the repository carries them elsewhere."""

    def __init__(self, repository: Path, *, clock: Clock | None = None, every_s: float = EVERY_S) -> None:
        self._repository = repository
        self._clock = clock or SystemClock()
        self._every_s = every_s
        self._next = 0.0
        self._pending: AnchorPoint | None = None
        if not (repository / ".git").exists():
            repository.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._git("init", "--quiet", "--initial-branch=main")

    def write(self, point: AnchorPoint) -> None:
        self._pending = point
        if self._clock.monotonic() >= self._next:
            self.close()

    def close(self) -> None:
        """Commit what is not committed yet. A failure leaves it for the next time; verify shows what is missing."""
        if self._pending is None:
            return
        self._next = self._clock.monotonic() + self._every_s
        try:
            message = f"{_WORD} {self._pending.seq} {self._pending.hash}"
            self._git(*_IDENTITY, "commit", "--quiet", "--allow-empty", "--message", message)
        except LedgerError:
            return
        self._pending = None

    def points(self) -> Iterator[AnchorPoint]:
        if self._empty():
            return
        log = ("log", "--reverse", "--format=%s")
        with subprocess.Popen(self._command(*log), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as found:
            assert found.stdout is not None
            for line in found.stdout:
                yield _point(line.decode(errors="replace").strip())
        if found.returncode:
            raise _broken("git log failed")

    def heads(self) -> list[AnchorPoint]:
        return [] if self._empty() else [_point(self._git("log", "-1", "--format=%s").strip())]

    def _empty(self) -> bool:
        return self._git("rev-list", "--all", "--max-count=1").strip() == ""

    def _command(self, *words: str) -> list[str]:
        return ["git", "-C", str(self._repository), *words]

    def _git(self, *words: str) -> str:
        try:
            done = subprocess.run(self._command(*words), capture_output=True, timeout=_TIMEOUT_S, check=True, text=True)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            raise _broken(str(said).strip()[:200]) from error
        return done.stdout


def _point(subject: str) -> AnchorPoint:
    match subject.split():
        case [word, seq, hash] if word == _WORD and seq.isdecimal():
            return AnchorPoint(seq=int(seq), hash=hash)
        case _:
            raise _broken(f"a commit named {subject[:80]!r}")


def _broken(found: str) -> LedgerError:
    return LedgerError(
        "the ledger's anchors in Git cannot be read or written",
        expected="a Git repository that holds nothing but anchors",
        found=found,
        hint="check that git is installed and FIREBREAK_LEDGER_GIT names a repository of its own",
        code="ledger.anchor",
    )
