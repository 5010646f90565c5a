from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import ManualClock
from domain.errors import StorageError
from web.keyring import Keyring, Role, bearer
from web.sessions import SESSION_LIFE, TICKET_LIFE, Sessions, _xor


def _sessions(tmp_path: Path, clock: ManualClock | None = None) -> Sessions:
    return Sessions(tmp_path / "secrets" / "sessions.json", clock or ManualClock())


def test_a_session_survives_a_restart(tmp_path: Path) -> None:
    """Another process over the same file finds the session and the token in it."""
    session = _sessions(tmp_path).open("tok-1")
    found = _sessions(tmp_path).find(session.id)
    assert found is not None
    assert (found.token, found.csrf) == ("tok-1", session.csrf)


def test_the_file_alone_gives_nothing_away(tmp_path: Path) -> None:
    """Neither the token nor the session id can be read from the store, and only its owner reads it at all."""
    session = _sessions(tmp_path).open("very-secret-token")
    path = tmp_path / "secrets" / "sessions.json"
    text = path.read_text()
    assert "very-secret-token" not in text
    assert session.id not in text
    assert b"very-secret-token".hex() not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sessions_and_tickets_end(tmp_path: Path) -> None:
    """After its life a session is not found and a ticket opens nothing."""
    clock = ManualClock()
    sessions = _sessions(tmp_path, clock)
    session, ticket = sessions.open("t"), sessions.ticket("t")
    clock.advance(TICKET_LIFE.total_seconds())
    assert sessions.redeem(ticket.id) is None
    assert sessions.find(session.id) is not None
    clock.advance(SESSION_LIFE.total_seconds())
    assert sessions.find(session.id) is None


def test_a_ticket_is_no_session_and_the_other_way_round(tmp_path: Path) -> None:
    """The two kinds cannot stand in for each other."""
    sessions = _sessions(tmp_path)
    assert sessions.find(sessions.ticket("t").id) is None
    assert sessions.redeem(sessions.open("t").id) is None


@pytest.mark.parametrize("field", ["kind", "expires_at", "sealed"])
def test_a_forged_row_is_refused(tmp_path: Path, field: str) -> None:
    """Whoever can write the file cannot lengthen, change or repurpose a session."""
    sessions = _sessions(tmp_path)
    session = sessions.open("t")
    path = tmp_path / "secrets" / "sessions.json"
    rows = json.loads(path.read_text())
    (row,) = rows.values()
    row[field] = {"kind": "ticket", "expires_at": "2036-01-01T00:00:00+00:00", "sealed": "00"}[field]
    path.write_text(json.dumps(rows))
    assert sessions.find(session.id) is None
    assert sessions.redeem(session.id) is None


def test_an_unreadable_store_signs_everybody_out(tmp_path: Path) -> None:
    """Garbage in the file is no session, and signing in again repairs it."""
    sessions = _sessions(tmp_path)
    path = tmp_path / "secrets" / "sessions.json"
    path.parent.mkdir()
    path.write_text("{not json")
    assert sessions.find("x") is None
    assert sessions.find(sessions.open("t").id) is not None
    path.write_text("[]")
    assert sessions.find("x") is None


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Signing in fails with an error that names the place, instead of pretending."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError):
        Sessions(blocked / "sessions.json", ManualClock()).open("t")


def test_old_sessions_make_room(tmp_path: Path) -> None:
    """The store does not grow without end; the oldest go first."""
    clock = ManualClock()
    sessions = _sessions(tmp_path, clock)
    first = sessions.open("t")
    for _ in range(256):
        clock.advance(1)
        sessions.open("t")
    assert sessions.find(first.id) is None
    assert len(json.loads((tmp_path / "secrets" / "sessions.json").read_text())) == 256


def test_closing_an_unknown_session_is_no_error(tmp_path: Path) -> None:
    """Signing out twice is fine."""
    sessions = _sessions(tmp_path)
    kept = sessions.open("t")
    sessions.close("nobody")
    assert sessions.find(kept.id) is not None


@given(st.binary(max_size=300), st.text(min_size=1, max_size=50))
def test_sealing_twice_is_opening(data: bytes, name: str) -> None:
    """The seal is its own inverse for every token and id."""
    assert _xor(_xor(data, name), name) == data


def test_an_empty_home_lets_nobody_in(tmp_path: Path) -> None:
    """Without secret files no token is valid, not even an empty one."""
    ring = Keyring(tmp_path)
    assert ring.principal("") is None
    assert ring.principal("x") is None
    assert not ring.may_send_alerts("")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "operator.token").write_text("\n\n")
    assert ring.principal("") is None


def test_several_intake_tokens_are_valid_at_once(tmp_path: Path) -> None:
    """Rotation: old and new token and the one of the settings all pass."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "intake.token").write_text("old\nnew\n")
    ring = Keyring(tmp_path, ["from-settings", ""])
    assert [ring.may_send_alerts(t) for t in ("old", "new", "from-settings", "other", "")] == [True] * 3 + [False] * 2


def test_a_principal_never_shows_its_token(tmp_path: Path) -> None:
    """The token does not appear when a principal is printed."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "operator.token").write_text("tok-operator")
    found = Keyring(tmp_path).principal("tok-operator")
    assert found is not None
    assert found.role is Role.PERSON
    assert "tok-operator" not in repr(found)


@pytest.mark.parametrize(
    ("header", "token"), [("Bearer a", "a"), ("bearer  b ", "b"), ("Basic a", ""), ("", ""), ("a", "")]
)
def test_bearer_headers(header: str, token: str) -> None:
    """Only the bearer scheme gives a token."""
    assert bearer(header) == token
