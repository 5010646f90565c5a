"""Tampering with a stored ledger is found: edited, deleted, cut off, reordered, rewritten."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import ManualClock
from domain.errors import LedgerError
from domain.value import canonical
from governance.ledger.chain import AnchorPoint, Row, genesis, link, verify_chain
from governance.ledger.port import Draft
from tests.fakes.ledgers import Stored, in_file, in_postgres

LENGTH = 6
NOW = ManualClock().now()


def chain(length: int = LENGTH, text: str = "t") -> list[Row]:
    rows = [link(genesis(), seq=0, prev="0" * 64, at=NOW)]
    for n in range(1, length):
        draft = Draft(kind="effect", actor="agent", change="inc-1", content={"n": n, "text": text, "list": [n, None]})
        rows.append(link(draft, seq=n, prev=rows[-1].hash, at=NOW))
    return rows


ROWS = chain()
ANCHORS = [AnchorPoint(seq=row.seq, hash=row.hash) for row in ROWS]
CHANGEABLE = ["seq", "at", "kind", "actor", "change", "content", "prev", "hash"]


def rewritten(rows: list[Row], start: int, **changes: Any) -> list[Row]:
    """The chain with one row changed and every hash after it made to fit again."""
    result = rows[:start]
    for row in rows[start:]:
        draft = Draft(kind=row.kind, actor=row.actor, change=row.change, content={"rewritten": row.seq, **changes})
        prev = result[-1].hash if result else "0" * 64
        result.append(link(draft, seq=row.seq, prev=prev, at=NOW))
    return result


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers(0, 2**40) | st.none(), max_size=4))
def test_a_hash_is_over_the_canonical_form(text: str, content: dict[str, Any]) -> None:
    """SHA-256(prev ‖ canonical(actor, at, change, content, kind, seq)), as anyone can compute it from an entry."""
    row = link(Draft(kind="effect", actor=text, change=text, content=content), seq=3, prev="ab" * 32, at=NOW)
    whole: dict[str, Any] = {"seq": 3, "at": row.at, "kind": "effect", "actor": text, "change": text}
    expected = canonical({**whole, "content": json.loads(row.content)})
    assert row.hash == hashlib.sha256(row.prev.encode() + expected).hexdigest()


def test_the_chain_holds_as_it_is() -> None:
    """Untouched rows and anchors verify."""
    assert verify_chain(ROWS, ANCHORS).verified


@given(st.integers(0, LENGTH - 1), st.sampled_from(CHANGEABLE), st.data())
def test_any_changed_character_is_found(index: int, column: str, data: st.DataObject) -> None:
    """Change one character of one column of one row: the chain breaks there."""
    value = str(getattr(ROWS[index], column))
    at = data.draw(st.integers(0, max(len(value) - 1, 0)))
    new = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != value[at : at + 1]))
    text = value[:at] + new + value[at + 1 :]
    changed: Any = int(text) if column == "seq" and text.isdigit() else text
    if changed == getattr(ROWS[index], column):
        return
    fields = {name: getattr(ROWS[index], name) for name in Row.__slots__}
    rows = [*ROWS[:index], Row(**{**fields, column: changed}), *ROWS[index + 1 :]]
    found = verify_chain(rows, ANCHORS)
    assert not found.verified
    assert found.broken_at in {index, index + 1}


@given(st.integers(0, LENGTH - 1))
def test_a_deleted_row_is_found(index: int) -> None:
    """Remove a row: the chain breaks at its place, also when it was the last one."""
    found = verify_chain([*ROWS[:index], *ROWS[index + 1 :]], ANCHORS)
    assert (found.verified, found.broken_at) == (False, index)


@given(st.integers(0, LENGTH - 1))
def test_a_cut_off_end_is_found(length: int) -> None:
    """Keep only the beginning: the anchor knows that there was more."""
    found = verify_chain(ROWS[:length], ANCHORS)
    assert (found.verified, found.broken_at) == (False, length)


@given(st.permutations(range(LENGTH)))
def test_another_order_is_found(order: list[int]) -> None:
    """Any other order of the rows breaks at the first one that is out of place."""
    found = verify_chain([ROWS[i] for i in order], ANCHORS)
    wrong = [place for place, index in enumerate(order) if place != index]
    assert found.broken_at == (wrong[0] if wrong else None)
    assert found.verified is (not wrong)


@given(st.integers(0, LENGTH - 1))
def test_a_rewritten_chain_is_found(start: int) -> None:
    """Rewrite everything from a row on with fitting hashes: only the anchors outside can tell, and they do."""
    rows = rewritten(ROWS, start)
    assert verify_chain(rows, [AnchorPoint(seq=r.seq, hash=r.hash) for r in rows]).verified
    found = verify_chain(rows, ANCHORS)
    assert (found.verified, found.broken_at) == (False, start)


def test_without_anchors_nothing_is_proved() -> None:
    """No anchor, an empty ledger, anchors out of order: all of it is a finding."""
    assert "no anchor" in verify_chain(ROWS, []).problem
    assert "empty" in verify_chain([], ANCHORS).problem
    assert not verify_chain(ROWS, [ANCHORS[3], ANCHORS[1]]).verified


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE ledger SET content = '{\"n\":9}' WHERE seq = 2", 2),
        ("UPDATE ledger SET content = '{\"n\": 1}' WHERE seq = 2", 2),
        ("UPDATE ledger SET content = 'no json' WHERE seq = 3", 3),
        ("UPDATE ledger SET actor = 'somebody' WHERE seq = 4", 4),
        ("DELETE FROM ledger WHERE seq = 3", 3),
        ("DELETE FROM ledger WHERE seq = 5", 5),
        ("DELETE FROM ledger", 0),
    ],
)
def test_a_vandalised_ledger_is_found(stored: Stored, statement: str, broken_at: int) -> None:
    """Somebody with the database in their hands removes the triggers and changes rows."""
    assert stored.filled().verify().verified
    stored.vandalise(statement)
    found = stored.verify()
    assert (found.verified, found.broken_at) == (False, broken_at), found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET actor = 'somebody' WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 5",
        "INSERT INTO ledger (seq, at, kind, actor, change, content, prev, hash) VALUES (99, '', '', '', '', '{}', '', 'h')",
    ],
)
def test_the_database_itself_refuses(stored: Stored, statement: str) -> None:
    """Triggers refuse updates, deletions and gaps to whoever merely has access."""
    stored.filled()
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match="append-only"):
        stored.execute([statement])
    assert stored.verify().verified


def test_postgres_refuses_truncation_and_replicas(tmp_path: Path, ledger_dsn: str) -> None:
    """TRUNCATE is refused, and so is a session that says it is a replica to switch triggers off."""
    stored = in_postgres(tmp_path, ledger_dsn).filled()
    for statements in (["TRUNCATE ledger"], ["SET session_replication_role = replica", "DELETE FROM ledger"]):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            stored.execute(statements)
    assert stored.verify().verified


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_a_spoiled_file_is_never_called_intact(tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes) -> None:
    """Overwrite bytes of the file's header: either it still says the same, or it is a finding; never an exception."""
    home = tmp_path_factory.mktemp("spoiled")
    stored = in_file(home).filled(0)
    head = stored.verify().head
    with (home / "ledger.db").open("r+b") as file:
        file.seek(at)
        file.write(junk)
    found = stored.verify()
    assert not found.verified or found.head == head


def test_a_missing_ledger_is_a_finding(tmp_path: Path) -> None:
    """Nothing to verify is not verified."""
    found = in_file(tmp_path).verify()
    assert not found.verified
    assert "no ledger" in found.problem


def test_a_spoiled_anchor_is_a_finding(stored: Stored) -> None:
    """An anchor file that cannot be read proves nothing."""
    (stored.filled().place.home / "ledger.anchor").write_text("what?\n")
    found = stored.verify()
    assert not found.verified
    assert "anchor cannot be read" in found.problem


def test_nothing_is_written_onto_a_tampered_ledger(stored: Stored) -> None:
    """A ledger whose end is not what its anchor knows does not open for writing, and its writer is not put out."""
    stored.filled().vandalise("DELETE FROM ledger WHERE seq = 5")
    with pytest.raises(LedgerError) as refused:
        stored.open()
    assert refused.value.code == "ledger.tampered"


def test_a_lost_ledger_is_not_replaced_silently(stored: Stored) -> None:
    """When only the anchor is left, a new ledger is not begun by itself."""
    stored.filled().vandalise("DELETE FROM ledger")
    with pytest.raises(LedgerError) as refused:
        stored.open()
    assert refused.value.code == "ledger.missing"


def test_a_newer_writer_takes_over(stored: Stored) -> None:
    """Whoever opened the ledger before is refused from then on, and loses nothing that was written."""
    old = stored.open()
    with old.transaction() as tx:
        entry = tx.append(Draft(kind="effect", actor="agent"))
    new = stored.open()
    with pytest.raises(LedgerError) as refused, old.transaction() as tx:
        tx.append(Draft(kind="effect", actor="agent"))
    assert refused.value.code == "ledger.taken_over"
    assert new.head() == entry
    with new.transaction() as tx:
        assert tx.append(Draft(kind="effect", actor="agent")).prev == entry.hash
    assert new.verify().verified
    old.close()
    new.close()


def test_verifying_beside_a_writer_sees_one_moment(stored: Stored) -> None:
    """What is appended while somebody verifies is not taken for a cut-off end."""
    ledger = stored.open()
    anchor = stored.place.anchor()
    points = anchor.points()
    first = next(points)
    with ledger.transaction() as tx:
        tx.append(Draft(kind="effect", actor="agent"))
    assert (first.seq, list(points)) == (0, [])
    assert stored.verify().entries == 2
    ledger.close()
