"""Secrets of the bindings from Vault's KV v2, beside those of the environment: what the inventory's `token_env` and
`dsn_env` name is looked for there first, so that a rotated secret needs no restart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping

from domain.secret import Kept, keep_as_step
from governance.credentials.port import CredentialError
from governance.credentials.vault import Vault

PATH = "action-server"
"""KV v2 path below the mount: variable name → value."""
FRESH_S = 30.0
"""How long a version is used before the newest is asked for; a Vault that does not answer is asked as seldom."""


class VaultSecrets:
    """Implements SecretStore: looked at as the action server, written only as a step."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def newest(self, place: str) -> Kept:
        """See the port."""
        return self._vault.newest(place)

    def keep(self, place: str, values: Mapping[str, str]) -> int:
        """See the port."""
        return keep_as_step(place, values)


class StoredSecrets(Mapping[str, str]):
    """The process's environment, with what Vault holds laid over it."""

    def __init__(self, vault: Vault, below: Mapping[str, str] = os.environ) -> None:
        self._vault = vault
        self._below = below
        self._stored: dict[str, str] = {}
        self._until = 0.0

    def __getitem__(self, name: str) -> str:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> Mapping[str, str]:
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + FRESH_S
            try:
                self._stored = dict(self._vault.newest(PATH).values)
            except CredentialError:
                return {**self._below, **self._stored}
        return {**self._below, **self._stored}
