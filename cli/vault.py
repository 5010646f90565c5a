"""`firebreak vault …`: let HashiCorp Vault issue the credentials of actions and keep the secrets of bindings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.home import Home, write_private
from cli.output import print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from domain.secret import SecretStore
    from governance.credentials.port import Credentials
    from governance.credentials.vault import Entrance, Vault
    from governance.ledger.port import Ledger

app = typer.Typer(help="Let HashiCorp Vault issue the credentials of actions and keep the secrets of bindings.")


@app.command()
def setup(
    url: Annotated[str, typer.Option("--url", envvar="VAULT_ADDR", help="Address of your Vault.")],
    as_json: JsonFlag = False,
) -> None:
    """Write policies, mounts and the action server's role with your token (VAULT_TOKEN); keeps a one-time entrance.

    Example: VAULT_TOKEN=… firebreak vault setup --url https://vault.example:8200
    """
    from governance.credentials.policies import MOUNT, policy_files
    from governance.credentials.secrets import PATH
    from governance.credentials.vault import prepare

    token = os.environ.get("VAULT_TOKEN", "")
    if not token:
        raise ConfigError("Who may set Vault up?", expected="an administrator's token in VAULT_TOKEN", found="none")
    SESSION.home.prepare()
    keep(SESSION.home, url, prepare(url, token))
    if as_json:
        print_json({"url": url, "policies": sorted(policy_files()), "file": str(entrance_file(SESSION.home))})
        return
    say(f"Ready: Vault at {url} has the policies of the tiers and the action server's role.")
    say(f"Next  vault kv put {MOUNT}/{PATH} NAME=value (secrets of your bindings), then start firebreak again")


@app.command()
def policies(as_json: JsonFlag = False) -> None:
    """Print the policies that the set-up writes, one per tier.

    Example: firebreak vault policies
    """
    from governance.credentials.policies import policy_files

    if as_json:
        print_json({"policies": policy_files()})
    else:
        say("\n".join(text for _, text in sorted(policy_files().items())))


def entrance_file(home: Home) -> Path:
    """Where the next sign-in lies; it opens once."""
    return home.secrets / "vault.json"


def keep(home: Home, url: str, entrance: Entrance) -> None:
    """Store the next sign-in."""
    row = {"url": url, "role_id": entrance.role_id, "wrapped_secret_id": entrance.wrapped}
    write_private(entrance_file(home), json.dumps(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuing:
    """Who issues the credentials of actions here, and where their executors find and keep secrets."""

    credentials: Credentials
    variables: Mapping[str, str]
    secrets: SecretStore | None = None
    """Where secrets have versions; None without Vault."""


def issuer_of(home: Home, ledger: Ledger) -> Issuing:
    """The issuer of a home.

    Vault where a set-up left an entrance, else the embedded issuer and the environment. An entrance that somebody else
    used is recorded as CRITICAL; the server starts all the same, so that people can look and freeze, and issues nothing.
    """
    if not entrance_file(home).exists():
        from governance.credentials.embedded import EmbeddedCredentials

        return Issuing(credentials=EmbeddedCredentials(ledger), variables=os.environ)
    from governance.credentials.grants import alarm
    from governance.credentials.port import CredentialError, UnwrapError
    from governance.credentials.secrets import StoredSecrets, VaultSecrets
    from governance.credentials.vault_issuer import VaultCredentials

    vault = _vault(home)
    try:
        vault.sign_in()
    except UnwrapError as error:
        alarm(ledger, error, {"at": "start"})
    except CredentialError:
        pass  # it is asked again at the first action, which says why it cannot be
    issuer, variables = VaultCredentials(vault, ledger), StoredSecrets(vault)
    return Issuing(credentials=issuer, variables=variables, secrets=VaultSecrets(vault))


def _vault(home: Home) -> Vault:
    from governance.credentials.vault import Entrance, Vault

    file = entrance_file(home)
    try:
        row = json.loads(file.read_text())
        url, entrance = str(row["url"]), Entrance(role_id=row["role_id"], wrapped=row["wrapped_secret_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "the entrance to Vault cannot be read",
            expected=f"what `firebreak vault setup` wrote to {file}",
            found=f"{type(error).__name__}: {error}"[:200],
            hint="run firebreak vault setup again, or remove the file to use the embedded issuer",
        ) from error
    return Vault(url, entrance, lambda fresh: keep(home, url, fresh))
