"""Who is asking: the tokens of FIREBREAK_HOME/secrets, compared in constant time and read anew on every use."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from domain.clock import Clock, SystemClock
from governance.people import FILE, People


class Role(StrEnum):
    """What a credential may do here."""

    PERSON = "person"
    """Sees everything; may answer, stop and start. What it may do beyond is the action server's judgement."""
    DRILL = "drill"
    """The drill runner: reads incidents as a customer's dashboard would; answers nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller."""

    name: str
    role: Role
    token: str = field(repr=False)
    """The caller's own token; forwarded to the action server, never stored in clear."""
    roles: frozenset[str] = frozenset()
    """Of a person: viewer, responder, approver, admin."""
    csrf: str = field(default="", repr=False)
    """The session's form token; empty for bearer callers, who need none."""

    @property
    def by_cookie(self) -> bool:
        """Whether a browser sent the credential by itself, so that forms must prove where they come from."""
        return bool(self.csrf)


_FILES: tuple[tuple[str, str, Role], ...] = (
    ("operator.token", "operator", Role.PERSON),
    ("chaos.token", "drill-runner", Role.DRILL),
)


class Keyring:
    """Reads `secrets/*.token` of one home. A missing file means that nobody passes that way."""

    def __init__(self, home: Path, intake_tokens: Iterable[str] = (), clock: Clock | None = None) -> None:
        self._secrets = home / "secrets"
        self._people = People(self._secrets / FILE, clock or SystemClock())
        self._intake = tuple(t for t in intake_tokens if t)

    def principal(self, token: str) -> Principal | None:
        """Whose token this is, or None."""
        found: Principal | None = None
        for file, name, role in _FILES:
            if _matches(token, self._lines(file)):
                roles = frozenset({"admin"}) if role is Role.PERSON else frozenset[str]()
                found = found or Principal(name=name, role=role, token=token, roles=roles)
        person = self._people.identify(token) if token else None
        if found is None and person is not None:
            roles = frozenset(role.value for role in person.roles)
            found = Principal(name=person.name, role=Role.PERSON, token=token, roles=roles)
        return found

    def may_send_alerts(self, token: str) -> bool:
        """Whether this is one of the valid intake tokens; several may be valid at once."""
        return _matches(token, [*self._intake, *self._lines("intake.token")])

    def _lines(self, file: str) -> list[str]:
        try:
            text = (self._secrets / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return []
        return [line.strip() for line in text.splitlines() if line.strip()]


def _matches(token: str, valid: Iterable[str]) -> bool:
    """Compare with all of them, whatever the first ones say."""
    hit = False
    for candidate in valid:
        hit |= hmac.compare_digest(token.encode(), candidate.encode())
    return hit and bool(token)


def bearer(header: str) -> str:
    """The token of an Authorization header, or an empty string."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
