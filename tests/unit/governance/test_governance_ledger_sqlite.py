"""What is particular to the ledger in a file: take-over, full disk, anchors, reopening."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from domain.clock import ManualClock
from domain.errors import LedgerError
from governance.guard.build import open_home_ledger
from governance.ledger.anchor import FileAnchor
from governance.ledger.chain import AnchorPoint
from governance.ledger.port import Draft
from governance.ledger.reserve import DiskReserve
from governance.ledger.sqlite import SqliteLedger, read_entries, verify_file


def make(home: Path, reserve: DiskReserve | None = None) -> SqliteLedger:
    return SqliteLedger(home / "ledger.db", FileAnchor(home / "ledger.anchor"), clock=ManualClock(), reserve=reserve)


def note(n: int = 0, text: str = "") -> Draft:
    return Draft(kind="observation", actor="agent", content={"n": n, "text": text})


def test_it_is_there_after_reopening(tmp_path: Path) -> None:
    """Entries, records and counters survive; the chain continues where it stood."""
    first = open_home_ledger(tmp_path)
    with first.transaction() as tx:
        entry = tx.append(note(1))
    first.close()
    first.close()
    second = open_home_ledger(tmp_path)
    assert second.head() == entry
    with second.transaction() as tx:
        assert tx.append(note(2)).prev == entry.hash
    assert second.verify().verified
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600
    second.close()


def test_it_survives_a_process_that_never_closed(tmp_path: Path) -> None:
    """A ledger left open (kill -9) is continued by the next process, and the old holder is refused from then on."""
    old = make(tmp_path)
    with old.transaction() as tx:
        tx.append(note(1))
    new = make(tmp_path)
    with pytest.raises(LedgerError) as refused, old.transaction() as tx:
        tx.append(note(2))
    assert refused.value.code == "ledger.taken_over"
    with new.transaction() as tx:
        tx.append(note(3))
    assert new.verify().verified
    old.close()
    new.close()


def test_an_unusable_file_is_a_readable_error(tmp_path: Path) -> None:
    """A file that is no database, and a ledger that was closed."""
    (tmp_path / "ledger.db").write_text("this is not a database, it is a shopping list, and a long one")
    with pytest.raises(LedgerError, match="cannot be read or written"):
        make(tmp_path)
    closed = make(tmp_path / "other")
    closed.close()
    with pytest.raises(LedgerError):
        closed.head()


def test_a_missing_anchor_does_not_stop_work_but_is_found(tmp_path: Path) -> None:
    """Without its anchor the ledger can be written, and verify says what is missing until somebody looks."""
    ledger = make(tmp_path)
    with ledger.transaction() as tx:
        tx.append(note(1))
    ledger.close()
    (tmp_path / "ledger.anchor").unlink()
    again = make(tmp_path)
    assert "no anchor" in again.verify().problem
    again.close()


class FullDisk(DiskReserve):
    """A disk that is full until the reserve is released: SQLite's own page limit plays the disk."""

    def __init__(self, path: Path, pages: int) -> None:
        super().__init__(path, size=4096)
        self.pages = pages
        self.db: sqlite3.Connection | None = None

    def fill(self, db: sqlite3.Connection) -> None:
        self.db = db
        [used] = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {used}")

    def release(self) -> bool:
        released = super().release()
        if released and self.db is not None:
            self.db.execute(f"PRAGMA max_page_count = {self.pages}")
        return released


def test_a_full_disk_is_met_with_the_reserve(tmp_path: Path) -> None:
    """The entry that the freeing step needs can still be written; later the reserve is taken again."""
    reserve = FullDisk(tmp_path / "ledger.reserve", pages=10_000)
    ledger = make(tmp_path, reserve)
    reserve.fill(ledger.database.connection)
    with ledger.transaction() as tx:
        for n in range(200):
            tx.append(note(n, "x" * 200))
    assert reserve.path.stat().st_size == 0
    assert ledger.verify().entries == 201
    for n in range(60):
        with ledger.transaction() as tx:
            tx.append(note(n))
    assert reserve.path.stat().st_size == 4096
    ledger.close()


def test_a_disk_that_stays_full_is_an_error_and_nothing_is_half_written(tmp_path: Path) -> None:
    """With the reserve gone the transaction fails as a whole."""
    reserve = FullDisk(tmp_path / "ledger.reserve", pages=1)
    ledger = make(tmp_path, reserve)
    reserve.fill(ledger.database.connection)
    reserve.release()

    def fill() -> None:
        with ledger.transaction() as tx:
            for n in range(200):
                tx.append(note(n, "x" * 200))

    with pytest.raises(LedgerError, match="cannot be read or written"):
        fill()
    assert ledger.head().seq == 0
    assert ledger.verify().verified
    ledger.close()


def test_the_reserve_is_retaken_only_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk stays full, taking it is tried now and then and changes nothing."""
    reserve = FullDisk(tmp_path / "ledger.reserve", pages=10_000)
    ledger = make(tmp_path, reserve)
    reserve.fill(ledger.database.connection)
    with ledger.transaction() as tx:
        for n in range(100):
            tx.append(note(n, "x" * 200))

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for _ in range(101):
        with ledger.transaction() as tx:
            tx.next_number("n")
    assert reserve.path.stat().st_size == 0
    assert not reserve.release()
    ledger.close()


class FailingOnce:
    """A connection whose first COMMIT meets a full disk."""

    def __init__(self, db: sqlite3.Connection, code: int) -> None:
        self._db = db
        self._code = code
        self.failures = 1

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.failures:
            self.failures -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self._code
            raise error
        return self._db.execute(sql, *values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "written"), [(sqlite3.SQLITE_FULL, True), (sqlite3.SQLITE_CORRUPT, False)])
def test_a_commit_that_meets_a_full_disk_is_tried_again(tmp_path: Path, code: int, written: bool) -> None:
    """Only a full disk is met with the reserve; anything else is an error."""
    ledger = make(tmp_path)
    ledger.database.connection = FailingOnce(ledger.database.connection, code)  # type: ignore[assignment]
    if written:
        with ledger.transaction() as tx:
            tx.append(note(1))
    else:
        with pytest.raises(LedgerError), ledger.transaction() as tx:
            tx.append(note(1))
    assert ledger.head().seq == (1 if written else 0)
    ledger.close()


def test_a_reserve_without_room_is_left_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room now is not an error; giving back what was never taken is not one either."""
    reserve = DiskReserve(tmp_path / "r", size=10)
    assert not reserve.release()

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert not reserve.take()
    assert reserve.take()
    assert reserve.take()
    assert reserve.release()


def test_a_torn_anchor_line_is_no_anchor(tmp_path: Path) -> None:
    """A crash while writing leaves half a line: it is marked, skipped, and the next anchor stands on its own line."""
    path = tmp_path / "a"
    first = FileAnchor(path)
    first.write(AnchorPoint(seq=0, hash="a"))
    with path.open("a") as file:
        file.write('{"seq": 1, "ha')
    assert [p.seq for p in FileAnchor(path).points()] == [0]
    FileAnchor(path).write(AnchorPoint(seq=2, hash="c"))
    with path.open("a") as file:
        file.write("\n")
    assert [p.seq for p in FileAnchor(path).points()] == [0, 2]


def test_a_full_disk_only_delays_the_anchor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An anchor that cannot be written is covered by the next one."""
    anchor = FileAnchor(tmp_path / "a")

    def full(*_: object) -> int:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        anchor.write(AnchorPoint(seq=0, hash="a"))
    anchor.write(AnchorPoint(seq=1, hash="b"))
    assert [p.seq for p in anchor.points()] == [1]


def test_anchors_are_synced_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fsync for many anchors; the ledger itself is synced at every commit."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    anchor = FileAnchor(tmp_path / "a")
    for n in range(130):
        anchor.write(AnchorPoint(seq=n, hash="h"))
    assert len(synced) == 2
    assert len(list(anchor.points())) == 130


def test_verifying_needs_no_writer(tmp_path: Path) -> None:
    """Another process may verify while the ledger is written."""
    ledger = make(tmp_path)
    with ledger.transaction() as tx:
        tx.append(note(1))
    assert verify_file(tmp_path / "ledger.db", FileAnchor(tmp_path / "ledger.anchor")).entries == 2
    ledger.close()


def test_a_page_is_read_without_a_writer(tmp_path: Path) -> None:
    """`ledger show` works while no action server runs."""
    ledger = make(tmp_path)
    with ledger.transaction() as tx:
        tx.append(note(1))
    ledger.close()
    assert [entry.seq for entry in read_entries(tmp_path / "ledger.db", after=0)] == [1]
