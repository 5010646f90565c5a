"""Browser sessions that survive a restart of the app, kept so that neither the file nor the cookie alone gives the token.

`sessions.json` maps SHA-256(session id) to a sealed token: XOR with a SHAKE-256 stream of the session id, checked by an
HMAC under the same id. Whoever reads the file lacks the id, whoever has the cookie lacks the file; deleting an entry ends
the session. Login tickets are the same with a short life and are consumed by their first use.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from domain.clock import Clock
from domain.errors import StorageError

SESSION_LIFE = timedelta(hours=12)
"""One shift; long enough for an incident, short enough for a lost laptop."""
TICKET_LIFE = timedelta(minutes=10)
"""From the printed link to the click."""
_CAPACITY = 256
"""Sessions kept; the oldest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser."""

    id: str = field(repr=False)
    token: str = field(repr=False)
    csrf: str = field(repr=False)
    expires_at: datetime


class Sessions:
    """The store. Every change is written whole and atomically with mode 0600."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def open(self, token: str) -> Session:
        """A new session for the owner of `token`. Raises StorageError."""
        return self._add("session", token, SESSION_LIFE)

    def ticket(self, token: str) -> Session:
        """A login ticket: its id opens one session, once."""
        return self._add("ticket", token, TICKET_LIFE)

    def find(self, session_id: str) -> Session | None:
        """The live session of that id, or None."""
        return self._unseal("session", session_id, self._load())

    def redeem(self, ticket_id: str) -> Session | None:
        """Consume a ticket and open a session for its owner; None when it is unknown, used or too old."""
        rows = self._load()
        ticket = self._unseal("ticket", ticket_id, rows)
        if ticket is None:
            return None
        del rows[_key(ticket_id)]
        self._save(rows)
        return self.open(ticket.token)

    def close(self, session_id: str) -> None:
        """End a session; ending an unknown one is no error."""
        rows = self._load()
        if rows.pop(_key(session_id), None) is not None:
            self._save(rows)

    def _add(self, kind: str, token: str, life: timedelta) -> Session:
        now = self._clock.now()
        session_id = secrets.token_urlsafe(32)
        expires = now + life
        rows = {k: r for k, r in self._load().items() if datetime.fromisoformat(r["expires_at"]) > now}
        sealed = _xor(token.encode(), session_id)
        rows[_key(session_id)] = {
            "kind": kind,
            "expires_at": expires.isoformat(),
            "sealed": sealed.hex(),
            "mac": _mac(session_id, kind, sealed, expires),
        }
        newest = sorted(rows.items(), key=lambda item: item[1]["expires_at"])[-_CAPACITY:]
        self._save(dict(newest))
        return Session(id=session_id, token=token, csrf=csrf_of(session_id), expires_at=expires)

    def _unseal(self, kind: str, session_id: str, rows: dict[str, Any]) -> Session | None:
        row = rows.get(_key(session_id))
        if row is None or row["kind"] != kind:
            return None
        expires = datetime.fromisoformat(row["expires_at"])
        sealed = bytes.fromhex(row["sealed"])
        genuine = hmac.compare_digest(row["mac"], _mac(session_id, kind, sealed, expires))
        if not genuine or expires <= self._clock.now():
            return None
        token = _xor(sealed, session_id).decode()
        return Session(id=session_id, token=token, csrf=csrf_of(session_id), expires_at=expires)

    def _load(self) -> dict[str, Any]:
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            return {}  # an unreadable store signs everybody out; signing in writes it anew
        return rows if isinstance(rows, dict) else {}

    def _save(self, rows: dict[str, Any]) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(rows, file)
            fresh.replace(self._path)
        except OSError as error:
            raise StorageError(
                "The sign-in cannot be remembered.",
                expected=f"a writable {self._path.name} in the home's secrets folder",
                found=str(error),
                hint="Check the disk and the rights of the home.",
            ) from error


def csrf_of(session_id: str) -> str:
    """The form token of a session: a function of its id that does not give the id away."""
    return hashlib.sha256(b"csrf\0" + session_id.encode()).hexdigest()


def _key(session_id: str) -> str:
    return hashlib.sha256(b"key\0" + session_id.encode()).hexdigest()


def _xor(data: bytes, session_id: str) -> bytes:
    stream = hashlib.shake_256(b"seal\0" + session_id.encode()).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))


def _mac(session_id: str, kind: str, sealed: bytes, expires: datetime) -> str:
    message = b"\0".join((kind.encode(), expires.isoformat().encode(), sealed))
    return hmac.new(session_id.encode(), message, hashlib.sha256).hexdigest()
