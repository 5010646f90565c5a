"""Anchors in Git and several anchors at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from domain.clock import ManualClock
from domain.errors import LedgerError
from governance.ledger.anchor import Anchors, FileAnchor, MemoryAnchor
from governance.ledger.chain import AnchorPoint
from governance.ledger.git import GitAnchor
from governance.ledger.memory import MemoryLedger
from governance.ledger.opening import Place, open_ledger, read_ledger, verify_ledger
from governance.ledger.port import Draft


def point(seq: int) -> AnchorPoint:
    return AnchorPoint(seq=seq, hash=f"{seq:064x}")


def git(repository: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *words], check=True, capture_output=True, text=True)
    return done.stdout


def test_a_commit_per_anchor_now_and_then(tmp_path: Path) -> None:
    """The first anchor is committed at once, then the newest one a minute later, and one more at the end."""
    clock = ManualClock()
    anchor = GitAnchor(tmp_path / "anchors", clock=clock)
    assert anchor.heads() == []
    assert list(anchor.points()) == []
    for seq in range(4):
        anchor.write(point(seq))
        clock.advance(30)
    assert list(anchor.points()) == [point(0), point(2)]
    anchor.close()
    anchor.close()
    again = GitAnchor(tmp_path / "anchors", clock=clock)
    assert list(again.points()) == [point(0), point(2), point(3)]
    assert again.heads() == [point(3)]
    assert git(tmp_path / "anchors", "log", "-1", "--format=%an %s").startswith("Firebreak ledger ledger 3 0")


def test_a_repository_with_something_else_in_it_is_no_anchor(tmp_path: Path) -> None:
    """A commit by somebody else, and a history that cannot be read, are errors that name it."""
    repository = tmp_path / "anchors"
    anchor = GitAnchor(repository)
    anchor.write(point(0))
    git(repository, "-c", "user.name=x", "-c", "user.email=x@y.z", "commit", "--allow-empty", "-qm", "hello there")
    with pytest.raises(LedgerError, match="cannot be read or written") as refused:
        list(anchor.points())
    assert "hello there" in refused.value.found


def test_a_damaged_history_is_an_error(tmp_path: Path) -> None:
    """An object that is missing in the middle is not the end of the history."""
    anchor = GitAnchor(tmp_path, every_s=0)
    for seq in range(3):
        anchor.write(point(seq))
    oldest = git(tmp_path, "rev-list", "--max-parents=0", "HEAD").strip()
    (tmp_path / ".git" / "objects" / oldest[:2] / oldest[2:]).unlink()
    with pytest.raises(LedgerError):
        list(anchor.points())


def test_a_commit_that_fails_is_made_up_for(tmp_path: Path) -> None:
    """Somebody holds Git's lock: work goes on, and the next anchor covers this one."""
    anchor = GitAnchor(tmp_path, every_s=0)
    lock = tmp_path / ".git" / "HEAD.lock"
    lock.touch()
    anchor.write(point(0))
    assert anchor.heads() == []
    lock.unlink()
    anchor.write(point(1))
    assert list(anchor.points()) == [point(1)]


def test_a_missing_git_is_a_readable_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for anchors in Git where there is none is said when the ledger is opened."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LedgerError) as refused:
        GitAnchor(tmp_path / "anchors")
    assert "git is installed" in refused.value.hint


def test_each_of_several_anchors_must_agree(tmp_path: Path) -> None:
    """The points of all are merged in order; one that is empty proves nothing for all."""
    file, memory = FileAnchor(tmp_path / "a"), MemoryAnchor()
    both = Anchors([file, memory])
    assert both.heads() == []
    file.write(point(0))
    assert list(both.points()) == []
    both.write(point(1))
    assert list(both.points()) == [point(0), point(1), point(1)]
    assert both.heads() == [point(1), point(1)]
    both.close()


def test_git_tells_what_the_file_beside_the_ledger_cannot(tmp_path: Path) -> None:
    """Ledger and anchor file rewritten together: the repository knows the entry that was there."""
    place = Place(home=tmp_path, git=Path("anchors"))
    ledger = open_ledger(place, ManualClock())
    with ledger.transaction() as tx:
        tx.append(Draft(kind="effect", actor="agent", content={"n": 1}))
    ledger.close()
    assert verify_ledger(place).verified
    for name in ("ledger.db", "ledger.anchor"):
        (tmp_path / name).unlink()
    forged = open_ledger(Place(home=tmp_path), ManualClock())
    with forged.transaction() as tx:
        tx.append(Draft(kind="effect", actor="agent", content={"n": 2}))
    forged.close()
    assert verify_ledger(Place(home=tmp_path)).verified
    found = verify_ledger(place)
    assert (found.verified, found.broken_at) == (False, 0)
    with pytest.raises(LedgerError):
        open_ledger(place, ManualClock())
    assert [entry.seq for entry in read_ledger(place)] == [0, 1]


def test_a_ledger_in_memory_has_nothing_to_close() -> None:
    """Closing it changes nothing."""
    ledger = MemoryLedger()
    ledger.close()
    ledger.anchor.close()
    assert ledger.anchor.heads() == [AnchorPoint(seq=0, hash=ledger.head().hash)]


def test_the_last_anchor_is_read_from_the_end(tmp_path: Path) -> None:
    """However long the file is, its end is enough; half a line at the end is not an anchor."""
    anchor = FileAnchor(tmp_path / "a")
    for seq in range(100):
        anchor.write(point(seq))
    with (tmp_path / "a").open("a") as file:
        file.write('{"seq": 100')
    assert FileAnchor(tmp_path / "a").heads() == [point(99)]
    anchor.close()
    anchor.close()
