"""Actions when the world is worse than expected: lost answers, wrong tokens, dropped roles, a database that is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.action import ActionCall, ActionResult, DryRun, Effect, Outcome, Tier
from domain.clock import SystemClock
from domain.errors import AuthError, ToolError, ToolUnavailableError
from domain.inventory import Environment, Inventory, Mode
from domain.secret import step_opens
from governance.credentials.port import Scope
from governance.credentials.secrets import VaultSecrets
from governance.credentials.vault import Vault, prepare
from governance.credentials.vault_issuer import VaultCredentials
from governance.ledger.memory import MemoryLedger
from tests.fakes.tools_postgres import running_postgres
from tests.fakes.tools_site import Site, prepare_database, running_site
from tests.fakes.vault_server import ROOT_TOKEN, vault
from tools.credential import credential_facts
from tools.registry import ActionRegistry
from tools.target import Target

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with running_postgres() as found:
        yield found


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Iterator[Site]:
    prepare_database(dsn)
    with running_site(tmp_path, dsn, "redis://127.0.0.1:1/0") as found:
        yield found


async def _do(
    site: Site, action: str, target: str = "api", env: dict[str, str] | None = None, **args: object
) -> ActionResult:
    registry = ActionRegistry(site.inventory(), {**site.env(), **(env or {})}, root=site.directory)
    call = ActionCall(action=action, target=target, args=args)
    return await registry.execute(call, idempotency_key=f"k{time.monotonic_ns()}")


async def test_a_lost_answer_is_resolved_by_looking(site: Site) -> None:
    """The request was carried out and the answer lost: the state says so, and it is not sent again."""
    site.mute = True
    result = await _do(site, "scale_pool", size=20)
    assert (result.outcome, site.pool_size, site.posts) == (Outcome.SUCCEEDED, 20, ["/pool"])


async def test_a_restart_that_does_not_hold_has_failed(site: Site) -> None:
    """The supervisor says yes and the process stays dead: that is a failure."""
    site.deaf = True
    result = await _do(site, "restart_service")
    assert result.outcome is Outcome.FAILED
    assert result.after["state"] == "stopped"


async def test_a_wrong_token_changes_nothing(site: Site) -> None:
    """A refused token is said before anything is done, or is a failed step when it only shows then."""
    with pytest.raises(AuthError):
        await _do(site, "scale_pool", env={"T_READ": "x", "T_CONTROL": "x"})
    result = await _do(site, "scale_pool", env={"T_CONTROL": "x"})
    assert result.outcome is Outcome.FAILED
    assert site.posts == []


async def test_a_garbled_endpoint_is_an_error_not_a_guess(site: Site) -> None:
    """Text instead of JSON, and a far end that refuses, are named."""
    site.garbled = True
    with pytest.raises(ToolError, match="not JSON"):
        await _do(site, "scale_pool")
    call = ActionCall(action="scale_pool", target="api")
    said = await ActionRegistry(site.inventory(), site.env()).dry_run(call)
    assert said.answer is DryRun.CANNOT_TELL


async def test_a_missing_credential_names_its_variable(site: Site) -> None:
    """An action server without the administrator's DSN says which variable is missing, before anything is done."""
    with pytest.raises(ToolError, match="administrator's DSN") as caught:
        await _do(site, "terminate_sessions", "postgres", env={"T_ADMIN": ""}, idle_in_transaction_s=5)
    assert "T_ADMIN" in caught.value.expected


async def test_a_dead_database_is_unavailable(site: Site) -> None:
    """Rotation without a database is refused with a way out, and the secret file stays as it was."""
    gone = site.dsn.rsplit(":", 1)[0] + ":1/shop"
    with pytest.raises(ToolUnavailableError, match="does not let us in"):
        await _do(site, "rotate_credential", env={"T_ADMIN": gone})
    assert site.password.read_text() == "first-password"


async def test_a_dead_cache_is_unavailable(site: Site) -> None:
    """Clearing a cache that is not there raises before anything is done."""
    with pytest.raises(ToolUnavailableError, match="cache server"):
        await _do(site, "clear_cache", "cache")


async def test_a_dropped_role_is_made_again_with_its_grants(site: Site) -> None:
    """Rotation creates the role, gives it its memberships and the declared rights of its group."""
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        conn.execute("drop role shop_api")
        conn.execute("revoke all on orders from shop_rw")
    result = await _do(site, "rotate_credential")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    word = site.password.read_text().strip()
    with psycopg.connect(site.dsn.replace("admin:admin-password", f"shop_api:{word}")) as conn:
        assert conn.execute("select count(*) from orders").fetchone() == (1,)


def vaulted(site: Site) -> Inventory:
    """The same site, with the api's password in Vault instead of a file."""
    plain = site.inventory().model_dump(mode="json")
    [api] = [s for s in plain["services"] if s["name"] == "api"]
    options = {k: v for k, v in api["bindings"]["credential"]["options"].items() if k != "secret_file"}
    api["bindings"]["credential"]["options"] = {**options, "secret_name": "login"}
    return Inventory.model_validate(plain)


async def test_a_rotated_password_goes_to_vault_under_the_steps_credential(site: Site) -> None:
    """A T1 credential writes a version that it cannot read; the service's place in Vault opens the database."""
    clock, inventory = SystemClock(), vaulted(site)
    with vault(clock) as (url, store):
        box = Vault(url, prepare(url, ROOT_TOKEN), lambda _: None)
        place = "sandbox/api/login"
        box.write(place, {"username": "shop_api", "password": "first-password"})
        issuer = VaultCredentials(box, MemoryLedger(clock))
        scope = Scope(
            tier=Tier.T1,
            target="api",
            action="rotate_credential",
            environment=Environment.SANDBOX,
            effect=Effect.TRANSIENT,
            mode=Mode.ACT,
        )
        credential = await issuer.issue(scope, holder="responder", change="inc-1", deadline=None)
        registry = ActionRegistry(inventory, site.env(), root=site.directory, secrets=VaultSecrets(box))
        call = ActionCall(action="rotate_credential", target="api")
        assert (await registry.dry_run(call)).answer is DryRun.WOULD_CHANGE
        with step_opens(await issuer.open(credential, "sandbox/api")):
            result = await registry.execute(call, idempotency_key="k-vault")
        assert result.outcome is Outcome.SUCCEEDED, result.summary
        kept = box.newest(place)
        assert (kept.version, kept.values["username"]) == (2, "shop_api")
        assert kept.values["password"] not in result.model_dump_json()
        with psycopg.connect(site.dsn.replace("admin:admin-password", f"shop_api:{kept.values['password']}")) as conn:
            assert conn.execute("select 1").fetchone() == (1,)
        store.sealed = True
        assert (await registry.dry_run(call)).answer is DryRun.CANNOT_TELL


async def test_a_password_in_vault_needs_a_vault(site: Site) -> None:
    """Said before anything is done, with what to do."""
    registry = ActionRegistry(vaulted(site), site.env(), root=site.directory)
    said = await registry.dry_run(ActionCall(action="rotate_credential", target="api"))
    assert said.answer is DryRun.CANNOT_TELL
    assert "firebreak vault setup" in said.summary


async def test_a_secret_that_cannot_be_written_leaves_the_old_password_in_force(site: Site) -> None:
    """Database and file change together or not at all."""
    site.password.unlink()
    site.password.mkdir()
    (site.password / "in-the-way").touch()
    result = await _do(site, "rotate_credential")
    assert result.outcome is Outcome.FAILED
    with psycopg.connect(site.dsn.replace("admin:admin-password", "shop_api:first-password")) as conn:
        assert conn.execute("select 1").fetchone() == (1,)


async def test_names_from_the_inventory_are_quoted(site: Site) -> None:
    """A role with a hostile name is a role that does not exist, not a statement."""
    inventory = site.inventory()
    text = inventory.model_dump_json().replace('"shop_api"', '"x\\"; drop table orders; --"')
    service = type(inventory).model_validate_json(text).service("api")
    assert service is not None
    target = Target(
        service=service,
        inventory=inventory,
        env=site.env(),
        root=site.directory,
        versions=None,  # type: ignore[arg-type]  # not reached
        clock=None,  # type: ignore[arg-type]  # not reached
    )
    facts = await credential_facts(target, site.dsn)
    assert facts["exists"] is False
    with psycopg.connect(site.dsn) as conn:
        assert conn.execute("select count(*) from orders").fetchone() == (1,)


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("set_config", {"key": "PAYMENTS_API_KEY", "value": "x"}),
        ("set_config", {"key": "A", "value": "x\nB=1"}),
        ("set_config", {"key": "A=1\nB", "value": "x"}),
        ("scale_pool", {"size": 41}),
        ("scale_pool", {"size": 0}),
        ("shift_traffic", {"route": "proxy-evil"}),
        ("switch_upstream", {"provider": "nobody"}),
        ("restore_config", {"version": "../../../etc"}),
        ("migrate", {"revision": "head; drop table orders"}),
        ("restore_snapshot", {"snapshot": "../x"}),
    ],
)
async def test_hostile_arguments_are_refused(site: Site, action: str, args: dict[str, Any]) -> None:
    """Secrets, line breaks, undeclared choices and paths do not get past the check."""
    target = "postgres" if action == "restore_snapshot" else "api"
    with pytest.raises(ToolError):
        await _do(site, action, target, **args)
    assert site.posts == []


async def test_an_unknown_version_cannot_be_restored(site: Site) -> None:
    """The file stays as it is."""
    before = site.config.read_text()
    result = await _do(site, "restore_config", version="0" * 12)
    assert result.outcome is Outcome.FAILED
    assert "not in the configuration history" in result.summary
    assert site.config.read_text() == before


async def test_a_key_is_added_removed_and_brought_back(site: Site) -> None:
    """Undo of adding removes; undo of removing sets the former value."""
    before = site.config.read_text()
    added = await _do(site, "set_config", key="NEW", value="1", restart=False)
    assert site.config.read_text() == before + "NEW=1\n"
    assert added.undo is not None
    await _do(site, added.undo.action, **added.undo.args)
    assert site.config.read_text() == before
    removed = await _do(site, "set_config", key="LOG_LEVEL", restart=False)
    assert removed.undo is not None
    assert removed.undo.args == {"key": "LOG_LEVEL", "value": "info", "restart": False}


async def test_only_as_much_as_needed_is_removed(site: Site) -> None:
    """With a wanted amount the largest files go first and the rest stays."""
    for name, size in (("big", 90_000), ("small", 5_000)):
        (site.data / "tmp" / name).write_bytes(b"x" * size)
    enough = await _do(site, "free_disk_space", need_bytes=1)
    assert enough.outcome is Outcome.SKIPPED
    assert (site.data / "tmp" / "big").exists()
