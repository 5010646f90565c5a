"""Who is asking: tokens → named identities with roles. Only hashes are kept; comparison takes constant time."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from domain.errors import AuthError, ConfigError


class Role(StrEnum):
    """What an identity is. The first four are people (spec: governance), the rest are processes."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    APPROVER = "approver"
    ADMIN = "admin"
    AGENT = "agent"
    CHAOS = "chaos"

    @property
    def person(self) -> bool:
        """Only a person's word is an approval."""
        return self not in {Role.AGENT, Role.CHAOS}


class Right(StrEnum):
    """What a call may need."""

    READ = "read"
    """Specifications, approvals, ledger entries."""
    VERIFY = "verify"
    """Ask how the door stands and whether the ledger holds; shows nothing of an incident."""
    PROPOSE = "propose"
    """Judge plans, apply and compensate steps."""
    INJECT = "inject"
    """Judge and apply sealed injections in the zone where chaos is allowed, and nothing else."""
    ANSWER = "answer"
    """Answer approvals, freeze, resume, unwind."""
    TAKE = "take"
    """Take a change over from the agents, and give it back."""
    MANAGE = "manage"
    """Give people tokens, and take them away."""
    OBSERVE = "observe"
    """Write observations and decisions to the ledger."""
    COMMIT = "commit"
    """Write drill commitments and openings, injections and restorations to the ledger."""


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.READ, Right.VERIFY}),
    Role.RESPONDER: frozenset({Right.READ, Right.VERIFY, Right.TAKE}),
    Role.APPROVER: frozenset({Right.READ, Right.VERIFY, Right.ANSWER, Right.TAKE}),
    Role.ADMIN: frozenset({Right.READ, Right.VERIFY, Right.ANSWER, Right.TAKE, Right.MANAGE}),
    Role.AGENT: frozenset({Right.READ, Right.VERIFY, Right.PROPOSE, Right.OBSERVE}),
    Role.CHAOS: frozenset({Right.VERIFY, Right.COMMIT, Right.INJECT}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A named holder of a token."""

    name: str
    roles: frozenset[Role]

    @property
    def rights(self) -> frozenset[Right]:
        """Everything its roles give."""
        return frozenset(right for role in self.roles for right in RIGHTS[role])

    def require(self, right: Right) -> None:
        """Raises AuthError when no role gives the right."""
        if right not in self.rights:
            allowed = ", ".join(role.value for role in Role if right in RIGHTS[role])
            raise AuthError(
                f"{self.name} may not do this",
                expected=f"a role that may {right.value}: {allowed}",
                found=", ".join(sorted(role.value for role in self.roles)) or "no role",
                hint="use a person's token" if right is Right.ANSWER else "use the token that was made for this",
                code="auth.forbidden",
            )


def token_hash(token: str) -> str:
    """SHA-256 of a token. Tokens are long and random, so no salt or stretching is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


class Personal(Protocol):
    """People with tokens of their own."""

    def identify(self, token: str) -> Identity | None:
        """Whose token it is, or None."""
        ...


class Identities:
    """Hash → identity."""

    def __init__(self, known: Mapping[str, Identity] | None = None, people: Personal | None = None) -> None:
        self._known = dict(known or {})
        self._people = people

    def enrol(self, name: str, roles: Iterable[Role | str], token: str) -> Identity:
        """Make a token known. Raises ConfigError for a short token, an unknown role or mixed roles."""
        if len(token) < 24:
            raise ConfigError(
                f"the token of {name} is too short",
                expected="at least 24 random characters",
                found=f"{len(token)} characters",
                hint="delete the token file; a new one is made at the next start",
            )
        identity = Identity(name=name, roles=_roles(name, roles))
        self._known[token_hash(token)] = identity
        return identity

    def identify(self, token: str) -> Identity:
        """The identity behind a token. Raises AuthError; every known hash is compared, none faster than another."""
        presented = token_hash(token)
        found: Identity | None = None
        for known, identity in self._known.items():
            if hmac.compare_digest(known, presented):
                found = identity
        if found is None and self._people is not None:
            found = self._people.identify(token)
        if found is None:
            raise AuthError(
                "no valid credential",
                expected="an Authorization header with a bearer token that is known here",
                found="no token" if not token else "an unknown token",
                hint="tokens lie in the home's secrets directory",
            )
        return found

    def save(self, path: Path) -> None:
        """Write hashes, names and roles; never a token."""
        rows = [
            {"name": identity.name, "roles": sorted(identity.roles), "sha256": known}
            for known, identity in self._known.items()
        ]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"identities": rows}, file, indent=1)


def load_identities(path: Path) -> Identities:
    """Read what `save` wrote. Raises ConfigError."""
    try:
        rows = json.loads(path.read_text())["identities"]
        return Identities(
            {row["sha256"]: Identity(name=row["name"], roles=_roles(row["name"], row["roles"])) for row in rows}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "the identities cannot be read", expected=f"what was saved at {path}", found=str(error)[:200]
        ) from error


HOME_TOKENS: dict[str, frozenset[Role]] = {
    "operator": frozenset({Role.ADMIN}),
    "agent": frozenset({Role.AGENT}),
    "chaos": frozenset({Role.CHAOS}),
}
"""Token files of a home (`secrets/<name>.token`) and what their holders are."""


def home_identities(secrets_dir: Path, people: Personal | None = None) -> Identities:
    """The identities of a home's token files, and its people; files that are not there give nobody a right."""
    identities = Identities(people=people)
    for name, roles in HOME_TOKENS.items():
        file = secrets_dir / f"{name}.token"
        if file.exists():
            identities.enrol(name, roles, file.read_text().strip())
    return identities


def _roles(name: str, roles: Iterable[Role | str]) -> frozenset[Role]:
    try:
        found = frozenset(Role(role) for role in roles)
    except ValueError as error:
        raise ConfigError(f"unknown role of {name}", expected=", ".join(Role), found=str(error)) from error
    if len({role.person for role in found}) > 1:
        raise ConfigError(
            f"{name} cannot be a person and a process at once",
            expected="roles of people only, or one role of a process",
            found=", ".join(sorted(found)),
        )
    return found
