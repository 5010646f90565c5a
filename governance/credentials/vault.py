"""HashiCorp Vault (or OpenBao) over hvac: signing in, one AppRole and token per step, KV v2 secrets.

The action server signs in with a wrapped, single-use secret id of its own role and leaves the next one for its next
start, so that no lasting secret lies anywhere. A wrapped id that cannot be opened was opened by somebody else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import hvac
import requests
from hvac import exceptions

from domain.action import Tier
from domain.secret import Kept
from domain.value import new_id
from governance.credentials.policies import BROKER, MOUNT, broker_policy, policy_name, tier_policy
from governance.credentials.port import CredentialError, CredentialsUnavailableError, UnwrapError
from governance.tiers import CREDENTIALS

STEP_WRAP_S = 60
"""From wrapping a step's secret id to opening it: one round trip."""
START_WRAP_S = 72 * 3600
"""How long an action server may be away before its operator must set it up again."""
TIMEOUT_S = 5
BROKER_PERIOD_S = 3600
"""The action server's token ends this long after its last renewal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How the action server signs in, once."""

    role_id: str
    wrapped: str = field(repr=False)
    """Wrapping token of a single-use secret id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A token as Vault gave it."""

    accessor: str
    token: str = field(repr=False)
    seconds: int


class Vault:
    """A signed-in action server. Every call may block; `keep` stores the entrance for the next start."""

    def __init__(self, url: str, entrance: Entrance, keep: Callable[[Entrance], None]) -> None:
        self._url = url
        self._client = _client(url)
        self._entrance = entrance
        self._keep = keep
        self._lock = threading.Lock()
        self._renew_at = 0.0

    def sign_in(self) -> None:
        """Prove now that it can. Raises UnwrapError, CredentialError."""
        with self._signed_in():
            return

    def mint(self, tier: Tier, seconds: int, facts: Mapping[str, str]) -> Minted:
        """A token of one tier's policy that ends after so many seconds. Raises CredentialError."""
        with self._signed_in() as client:
            role = f"{policy_name(tier)}-{new_id('step')}"
            client.auth.approle.create_or_update_approle(
                role,
                token_policies=[policy_name(tier)],
                token_no_default_policy=True,
                token_ttl=f"{seconds}s",
                token_max_ttl=f"{seconds}s",
                token_num_uses=CREDENTIALS[tier].uses,
                secret_id_num_uses=1,
                secret_id_ttl=f"{STEP_WRAP_S}s",
            )
            try:
                return _minted(self._log_in(role, dict(facts)))
            finally:
                client.auth.approle.delete_role(role)

    def meta(self, accessor: str) -> dict[str, str] | None:
        """What the live token behind an accessor was made for; None when Vault knows none."""
        with self._signed_in() as client:
            try:
                found = client.auth.token.lookup_accessor(accessor)
            except (exceptions.Forbidden, exceptions.InvalidRequest, exceptions.InvalidPath) as error:
                if not _gone(error):
                    raise
                return None
            return dict(found["data"].get("meta") or {})

    def end(self, accessor: str) -> None:
        """Revoke a token; one that has ended already is no error."""
        with self._signed_in() as client:
            try:
                client.auth.token.revoke_accessor(accessor)
            except (exceptions.Forbidden, exceptions.InvalidRequest, exceptions.InvalidPath) as error:
                if not _gone(error):
                    raise

    def newest(self, place: str, token: str = "") -> Kept:
        """The newest version of a KV v2 secret, read as a step where its token is given. Raises CredentialError."""
        with self._as(token) as client:
            try:
                found = client.secrets.kv.v2.read_secret_version(
                    place, mount_point=MOUNT, raise_on_deleted_version=True
                )
            except exceptions.InvalidPath:
                return Kept(version=0)
            values = {str(name): str(value) for name, value in found["data"]["data"].items()}
            return Kept(version=int(found["data"]["metadata"]["version"]), values=values)

    def write(self, place: str, values: Mapping[str, str], token: str = "") -> int:
        """Add a version to a KV v2 secret, as a step where its token is given; returns its number."""
        with self._as(token) as client:
            written = client.secrets.kv.v2.create_or_update_secret(place, dict(values), mount_point=MOUNT)
            return int(written["data"]["version"])

    def renew_entrance(self) -> None:
        """Sign in anew and end the token that was used until now."""
        with self._signed_in():
            old = self._client.token
            self._enter()
            fresh, self._client.token = self._client.token, old
            with suppress(exceptions.VaultError):
                self._client.auth.token.revoke_self()
            self._client.token = fresh

    @contextmanager
    def _as(self, token: str) -> Generator[Any, None, None]:
        """As the holder of a step's token, or as the action server itself."""
        if not token:
            with self._signed_in() as client:
                yield client
            return
        with _translated():
            yield _client(self._url, token)

    @contextmanager
    def _signed_in(self) -> Generator[Any, None, None]:
        """One call at a time, as the action server. Errors of Vault become ours."""
        with self._lock, _translated():
            if not self._client.token:
                self._enter()
            elif time.monotonic() >= self._renew_at:
                self._stay()
            yield self._client

    def _stay(self) -> None:
        try:
            self._client.auth.token.renew_self()
        except exceptions.Forbidden:  # it ended while Vault or this process was away
            self._enter()
        self._renew_at = time.monotonic() + BROKER_PERIOD_S / 2

    def _enter(self) -> None:
        """Use up the entrance, and keep a new one before anything else is done."""
        secret_id = _unwrapped(self._url, self._entrance.wrapped)
        auth = self._client.auth.approle.login(self._entrance.role_id, secret_id)["auth"]
        self._client.token = auth["client_token"]
        self._renew_at = time.monotonic() + BROKER_PERIOD_S / 2
        self._entrance = _entrance(self._client)
        self._keep(self._entrance)

    def _log_in(self, role: str, facts: dict[str, str]) -> dict[str, Any]:
        role_id = self._client.auth.approle.read_role_id(role)["data"]["role_id"]
        wrapped = self._client.auth.approle.generate_secret_id(role, metadata=facts, wrap_ttl=f"{STEP_WRAP_S}s")
        secret_id = _unwrapped(self._url, wrapped["wrap_info"]["token"])
        step = _client(self._url)
        auth: dict[str, Any] = step.auth.approle.login(role_id, secret_id, use_token=False)["auth"]
        return auth


def prepare(url: str, admin_token: str) -> Entrance:
    """Write policies, mounts and the action server's role with a person's token. Raises CredentialError.

    Running it again changes nothing that is right already and gives a fresh entrance.
    """
    client = _client(url, admin_token)
    with _translated():
        if "approle/" not in client.sys.list_auth_methods()["data"]:
            client.sys.enable_auth_method("approle")
        if f"{MOUNT}/" not in client.sys.list_mounted_secrets_engines()["data"]:
            client.sys.enable_secrets_engine("kv", path=MOUNT, options={"version": "2"})
        for tier in Tier:
            client.sys.create_or_update_policy(policy_name(tier), tier_policy(tier))
        client.sys.create_or_update_policy(BROKER, broker_policy())
        client.auth.approle.create_or_update_approle(
            BROKER,
            token_policies=[BROKER],
            token_no_default_policy=True,
            token_period=f"{BROKER_PERIOD_S}s",
            secret_id_num_uses=1,
            secret_id_ttl=f"{START_WRAP_S}s",
        )
        return _entrance(client)


def _client(url: str, token: str = "") -> Any:
    """Never with a token that happens to lie in the environment or the home directory: an empty one keeps hvac from looking."""
    return hvac.Client(url=url, token=token, timeout=TIMEOUT_S)


def _entrance(client: Any) -> Entrance:
    role_id = client.auth.approle.read_role_id(BROKER)["data"]["role_id"]
    wrapped = client.auth.approle.generate_secret_id(BROKER, wrap_ttl=f"{START_WRAP_S}s")
    return Entrance(role_id=role_id, wrapped=wrapped["wrap_info"]["token"])


def _unwrapped(url: str, wrapped: str) -> str:
    """Open a wrapped secret id. Raises UnwrapError when somebody else did, or it is too old."""
    try:
        found = _client(url, wrapped).sys.unwrap()
    except (exceptions.InvalidRequest, exceptions.Forbidden) as error:
        raise UnwrapError(
            "a wrapped secret id could not be opened: somebody else may have used it",
            expected="a wrapping token that was never opened",
            found=str(error)[:200],
            hint="treat it as a break-in until shown otherwise: read Vault's audit log, then set the action server up again",
        ) from error
    return str(found["data"]["secret_id"])


def _gone(error: exceptions.VaultError) -> bool:
    """Vault has no code for an accessor it does not know, only these words (403, 400 or 404 by release)."""
    return any("accessor" in str(text) for text in error.errors or [])


def _minted(auth: Mapping[str, Any]) -> Minted:
    return Minted(accessor=auth["accessor"], token=auth["client_token"], seconds=int(auth["lease_duration"]))


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except (exceptions.VaultDown, exceptions.InternalServerError, requests.exceptions.RequestException) as error:
        raise CredentialsUnavailableError(
            "Vault does not answer",
            expected="an unsealed Vault",
            found=str(error)[:200],
            hint="nothing was carried out; it goes on when Vault does",
        ) from error
    except exceptions.VaultError as error:
        raise CredentialError(
            "Vault refused",
            expected="the policies that the set-up writes",
            found=str(error)[:200],
            hint="run the Vault set-up again with an administrator's token",
            code="credential.vault_refused",
        ) from error
