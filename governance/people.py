"""People with tokens of their own: names and roles, with digests of their tokens at rest (`secrets/people.json`).

Only the action server writes the file; the app reads it to know whom it lets in. Sessions of people who signed in
elsewhere (OIDC, a trusted proxy) stand in it as well, with an end.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from domain.clock import Clock
from domain.errors import AuthError, ConfigError, ConflictError, NotFoundError
from domain.inventory import Person
from domain.redaction import redact
from domain.value import UtcTime, Value
from governance.identity import Identity, Role, new_token, token_hash

SESSION_LIFE = timedelta(hours=12)
"""One shift, as the browser's session."""
PERSONAL = tuple(role.value for role in Role if role.person)
FILE = "people.json"


class PersonRow(Value):
    """One credential of one person."""

    name: str
    roles: list[str]
    kind: Literal["token", "session"] = "token"
    sha256: str
    """Of the token; opens nothing."""
    created_at: UtcTime
    expires_at: UtcTime | None = None
    via: str = ""
    """How a session came to be: the OIDC issuer, or the proxy."""


_ROWS = TypeAdapter(list[PersonRow])


class People:
    """The file, read anew when it changed. Roles come from the inventory's `people`; those it does not name need one given."""

    def __init__(self, path: Path, clock: Clock, known: Sequence[Person] = ()) -> None:
        self._path = path
        self._clock = clock
        self._known: Mapping[str, Person] = {person.name: person for person in known}
        self._seen: tuple[int, int] = (0, 0)
        self._rows: list[PersonRow] = []

    def rows(self) -> list[PersonRow]:
        """Everybody's live credentials. Raises ConfigError for a file that cannot be read."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return []
        if (stat.st_mtime_ns, stat.st_ino) != self._seen:
            self._rows = _read(self._path)
            self._seen = (stat.st_mtime_ns, stat.st_ino)
        now = self._clock.now()
        return [row for row in self._rows if row.expires_at is None or row.expires_at > now]

    def identify(self, token: str) -> Identity | None:
        """Whose token it is; every row is compared."""
        presented, found = token_hash(token), None
        for row in self.rows():
            if hmac.compare_digest(row.sha256, presented):
                found = Identity(name=row.name, roles=frozenset(Role(role) for role in row.roles))
        return found

    def roles_of(self, name: str, given: Sequence[str] = ()) -> list[str]:
        """The inventory's roles of a person, else the given ones. Raises ConfigError when neither says any."""
        known = self._known.get(name)
        strange = [role for role in given if role not in PERSONAL]
        if (
            strange
            or (known is None and not given)
            or (known is not None and given and list(given) != list(known.roles))
        ):
            raise ConfigError(
                f"the roles of {name[:80]} are not clear",
                expected=f"roles of the inventory's `people`, or for somebody it does not name some of: {', '.join(PERSONAL)}",
                found=", ".join(given) or "no role",
                hint="roles of people in the inventory are changed there",
            )
        return list(known.roles) if known else list(given)

    def add(self, name: str, roles: Sequence[str] = ()) -> tuple[PersonRow, str]:
        """A new person and the token, shown once. Raises ConflictError, ConfigError."""
        if any(row.name == name and row.kind == "token" for row in self.rows()):
            raise ConflictError(
                f"{name} has a token already", expected="a new name", found=name, hint="rotate it instead"
            )
        if not name.isprintable() or name in RESERVED or redact(name) != name:
            raise ConfigError(
                "that is no name for a person",
                expected="printable, not taken, and nothing that the ledger must not keep (such as an e-mail address)",
                found=name[:80],
            )
        return self._keep(name, self.roles_of(name, roles), [])

    def rotate(self, name: str) -> tuple[PersonRow, str]:
        """A fresh token; the old one and all sessions end at once."""
        old = self._of(name)
        return self._keep(name, self.roles_of(name, [] if name in self._known else old[0].roles), old)

    def remove(self, name: str) -> None:
        """Nothing of this person opens anything any more."""
        self._write([row for row in self.rows() if row not in self._of(name)])

    def session(self, name: str, via: str) -> tuple[PersonRow, str]:
        """A signed-in person's token until the end of the shift. Raises AuthError for somebody the inventory does not name."""
        if name not in self._known:
            raise AuthError(
                f"{name[:80]} is nobody here",
                expected="a person of the inventory's `people`",
                found=f"a sign-in through {via[:120]}",
                hint="ask an administrator to add you to the inventory",
                code="auth.unknown_person",
            )
        return self._keep(name, self.roles_of(name), [], via=via)

    def _of(self, name: str) -> list[PersonRow]:
        found = [row for row in self.rows() if row.name == name]
        if not found:
            raise NotFoundError(
                f"there is no person {name[:80]!r}", expected="a name that `firebreak people list` shows"
            )
        return found

    def _keep(self, name: str, roles: list[str], instead: list[PersonRow], via: str = "") -> tuple[PersonRow, str]:
        token, now = new_token(), self._clock.now()
        row = PersonRow(
            name=name,
            roles=roles,
            kind="session" if via else "token",
            sha256=token_hash(token),
            created_at=now,
            expires_at=now + SESSION_LIFE if via else None,
            via=via,
        )
        self._write([*[r for r in self.rows() if r not in instead], row])
        return row, token

    def _write(self, rows: list[PersonRow]) -> None:
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump([row.model_dump(mode="json") for row in rows], file, indent=1)
        fresh.replace(self._path)


RESERVED = frozenset({"operator", "agent", "chaos", "guard"})
"""Names that others have."""


def _read(path: Path) -> list[PersonRow]:
    try:
        return _ROWS.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            "the people of this home cannot be read",
            expected=f"what `firebreak people` wrote to {path}",
            found=" ".join(str(error).split())[:200],
            hint="restore the file, or remove it and add the people again",
        ) from error
