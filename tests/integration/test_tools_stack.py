"""Actions and probes on the real shop: broken by hand, seen by a probe, mended by an action, and taken back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from domain.action import ActionCall, ActionResult, DryRun, Outcome
from domain.bundle import Reading
from domain.errors import ToolUnavailableError
from domain.inventory import Inventory
from tools.config_versions import FileConfigVersions, version_of
from tools.probes.runner import ProbeRunner
from tools.registry import ActionRegistry

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Shop:
    """The running stack and the hands that reach it."""

    home: Path
    facts: dict[str, Any]
    inventory: Inventory
    registry: ActionRegistry
    runner: ProbeRunner
    versions: FileConfigVersions

    async def read(self, probe: str, service: str, name: str = "") -> Reading:
        found = await self.runner.run([probe], [service])
        return next(r for r in found if not name or r.values.get("name") == name)

    async def until(self, probe: str, service: str, ok: bool | None, name: str = "", seconds: float = 15) -> Reading:
        """The first reading that is so."""
        deadline = time.monotonic() + seconds
        while True:
            found = await self.read(probe, service, name)
            if found.ok is ok:
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.3)

    async def do(self, action: str, target: str, **args: Any) -> ActionResult:
        """Dry run, then execute; the dry run must have said that something would change."""
        call = self.registry.check(ActionCall(action=action, target=target, args=args))
        said = await self.registry.dry_run(call)
        assert said.answer is DryRun.WOULD_CHANGE, said.summary
        return await self.registry.execute(call, idempotency_key=f"{action}-{time.monotonic_ns()}")

    async def undo(self, result: ActionResult) -> ActionResult:
        assert result.undo is not None
        return await self.registry.execute(result.undo, idempotency_key=f"undo-{time.monotonic_ns()}")

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.facts["admin_dsn"], autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement)

    def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """What an operator does at the control endpoint."""
        word = {"authorization": f"Bearer {self.facts['control_token']}"}
        return httpx.post(self.facts["control_url"] + path, json=body or {}, headers=word, timeout=60, trust_env=False)

    async def healthy(self) -> None:
        """Users are served."""
        for name in ("catalogue", "checkout"):
            await self.until("http_health", "frontend", True, name)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    place = tmp_path_factory.mktemp("shop", numbered=True)
    for folder in (place, place.parent):
        folder.chmod(0o755)
    home = Path("/tmp") / f"fbshop{os.getpid()}"
    log = (place / "up.log").open("wb")
    up = subprocess.Popen([sys.executable, "-m", "stack", "up", "--home", str(home)], stdout=log, stderr=log)
    try:
        yield _described(home, place, up)
    finally:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [sys.executable, "-m", "stack", "down", "--home", str(home)], timeout=60, capture_output=True
            )
        up.kill()
        up.wait()
        log.close()
        subprocess.run(["rm", "-rf", "--one-file-system", str(home)], check=False)


def _described(home: Path, place: Path, up: subprocess.Popen[bytes]) -> Shop:
    deadline = time.monotonic() + 90
    while b'"ready": true' not in (place / "up.log").read_bytes():
        said = (place / "up.log").read_text()[-2000:]
        assert up.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.2)
    facts = json.loads((home / "stack.json").read_text())
    inventory = Inventory.model_validate(yaml.safe_load((home / "firebreak.yaml").read_text()))
    read = {
        "FIREBREAK_HOME": str(place / "home"),
        "FIREBREAK_STACK_READ_TOKEN": facts["read_token"],
        "FIREBREAK_STACK_MONITOR_DSN": facts["monitor_dsn"],
    }
    write = {"FIREBREAK_STACK_TOKEN": facts["control_token"], "FIREBREAK_STACK_ADMIN_DSN": facts["admin_dsn"]}
    return Shop(
        home=home,
        facts=facts,
        inventory=inventory,
        registry=ActionRegistry(inventory, {**read, **write}, root=home),
        runner=ProbeRunner(inventory, read, root=home),
        versions=FileConfigVersions(place / "home" / "config-versions"),
    )


def _pid(shop: Shop, name: str) -> int:
    status = httpx.get(
        shop.facts["control_url"] + "/status",
        headers={"authorization": f"Bearer {shop.facts['read_token']}"},
        trust_env=False,
    ).json()
    return int(next(row["pid"] for row in status["processes"] if row["name"] == name))


async def test_read_only_credentials_suffice_to_see_everything(shop: Shop) -> None:
    """Every probe answers without any credential that could change something."""
    await shop.healthy()
    found = await shop.runner.run()
    assert not [r for r in found if r.ok is None and r.probe not in ("config_diff", "upstream_status")]
    assert not [r for r in found if r.ok is False and r.service != "worker"]


async def test_a_paused_api_is_resumed(shop: Shop) -> None:
    """SIGSTOP shows as T; resume_process brings the same process back."""
    pid = _pid(shop, "api")
    os.kill(pid, signal.SIGSTOP)
    assert (await shop.read("process_state", "api")).values["os_state"] == "T"
    result = await shop.do("resume_process", "api")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    assert _pid(shop, "api") == pid
    await shop.healthy()


@pytest.mark.parametrize("who", ["admin", "service"])
async def test_a_lock_held_by_hand_is_ended(shop: Shop, who: str) -> None:
    """Whoever holds the table, in a superuser's session or a service's own, is found and ended."""
    dsn = shop.facts["admin_dsn"]
    if who == "service":
        word = (shop.home / "config" / "api.secret").read_text().strip()
        dsn = psycopg.conninfo.make_conninfo(dsn, user="shop_api", password=word)
    held = psycopg.connect(dsn)
    try:
        held.execute("lock table stock in access exclusive mode")
        blocked = await shop.until("db_locks", "postgres", False)
        pids = [b["pid"] for b in blocked.values["blockers"]]
        assert held.info.backend_pid in pids
        result = await shop.do("terminate_sessions", "postgres", pids=[held.info.backend_pid])
        assert result.outcome is Outcome.SUCCEEDED, result.summary
    finally:
        held.close()
    await shop.healthy()


async def test_an_innocent_session_is_not_ended(shop: Shop) -> None:
    """A pid that holds nobody up is spared, with the reason."""
    with psycopg.connect(shop.facts["admin_dsn"]) as conn:
        call = ActionCall(action="terminate_sessions", target="postgres", args={"pids": [conn.info.backend_pid]})
        said = await shop.registry.dry_run(call)
        assert said.answer is DryRun.CANNOT_TELL
        assert "holds nobody up" in said.summary
        done = await shop.registry.execute(call, idempotency_key="innocent")
        assert done.outcome is Outcome.FAILED
        assert conn.execute("select 1").fetchone() == (1,)


async def test_a_lost_key_comes_back_and_can_be_taken_back(shop: Shop) -> None:
    """A key vanishes with a deploy; the last good file is restored; the undo restores the edited one byte by byte."""
    path = Path(shop.inventory.service("api").bindings["config"].path)  # type: ignore[union-attr]
    good = path.read_text()
    await shop.versions.record("api", good, time.time())
    await shop.versions.mark_good("api", version_of(good))
    bad = "".join(line for line in good.splitlines(keepends=True) if not line.startswith("PAYMENTS_URL="))
    path.write_text(bad)
    shop.post("/processes/api/restart", {"deploy": True, "version": "v1"})
    assert (await shop.read("config_diff", "api")).values["keys_missing"] == ["PAYMENTS_URL"]
    await shop.until("http_health", "api", False, "api_health")
    result = await shop.do("restore_config", "api")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    assert path.read_text() == good
    await shop.healthy()
    back = await shop.undo(result)
    assert path.read_text() == bad, back.summary
    again = await shop.do("restore_config", "api", version=version_of(good))
    assert again.outcome is Outcome.SUCCEEDED, again.summary
    await shop.healthy()


async def test_a_half_applied_migration_is_taken_down(shop: Shop) -> None:
    """0004 stops half way and orders fail; migrate without a revision goes to the expected one."""
    shop.sql("insert into orders (id, customer, total_cents, status) values (gen_random_uuid(), 'free', 0, 'paid')")
    assert shop.post("/migrations", {"revision": "0004"}).status_code >= 400
    seen = await shop.read("schema_version", "api")
    assert (seen.ok, seen.values["current"], seen.values["dirty"]) == (False, "0004", True)
    result = await shop.do("migrate", "api")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    assert (await shop.read("schema_version", "api")).ok is True
    await shop.healthy()


@pytest.mark.parametrize(
    "statement",
    [
        "alter role shop_api nologin",
        "alter role shop_api password 'stolen'",
        "revoke shop_rw from shop_api",
        "alter role shop_api valid until '2020-01-01'",
        "alter role shop_api connection limit 0",
    ],
)
async def test_a_revoked_role_gets_a_new_credential(shop: Shop, statement: str) -> None:
    """However it was revoked: rotation lets the service in again, and says nothing about the password."""
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'shop_api'"
    shop.sql(statement, cut)
    assert (await shop.read("db_auth", "api")).ok is False
    result = await shop.do("rotate_credential", "api")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    path = shop.home / "config" / "api.secret"
    assert path.read_text().strip() not in result.model_dump_json()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await shop.read("db_auth", "api")).ok is True
    await shop.healthy()


async def test_a_full_disk_is_cleared_of_scratch_only(shop: Shop) -> None:
    """Junk under a scratch pattern goes, receipts stay."""
    binding = shop.inventory.service("api").bindings["disk"]  # type: ignore[union-attr]
    place = Path(binding.path)
    receipts = len(list((place / "receipts").iterdir()))
    with suppress(OSError), (place / "tmp" / "junk.bin").open("wb", buffering=0) as stream:
        while stream.write(b"x" * 65536):
            pass
    with suppress(OSError):
        (place / "tmp" / "rest.bin").write_bytes(b"x" * 4096)
    seen = await shop.read("disk_usage", "api")
    assert seen.ok is False
    assert seen.values["largest"][0]["scratch"] is True
    result = await shop.do("free_disk_space", "api")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    assert len(list((place / "receipts").iterdir())) >= receipts
    await shop.healthy()


async def test_a_torn_warm_file_is_cleared_and_the_api_starts(shop: Shop) -> None:
    """A restart alone does not help; without the torn file it does."""
    place = Path(shop.inventory.service("api").bindings["warm_cache"].path)  # type: ignore[union-attr]
    (place / "warm-start.json").write_text('{"version": 1, "products": [{"id"')
    os.kill(_pid(shop, "api"), signal.SIGKILL)
    await shop.until("process_state", "api", False)
    wrong = await shop.do("restart_service", "api")
    assert wrong.outcome is Outcome.FAILED, wrong.summary
    assert (await shop.read("warm_file", "api")).ok is False
    assert (await shop.do("clear_cache", "api")).outcome is Outcome.SUCCEEDED
    right = await shop.do("restart_service", "api")
    assert right.outcome is Outcome.SUCCEEDED, right.summary
    await shop.healthy()


@pytest.mark.parametrize(
    ("action", "key"),
    [
        ("switch_upstream", "provider"),
        ("shift_traffic", "route"),
        ("scale_pool", "size"),
        ("rollback_release", "version"),
    ],
)
async def test_a_way_is_changed_and_changed_back(shop: Shop, action: str, key: str) -> None:
    """The next choice is taken, users are served, and the undo brings the former one back."""
    result = await shop.do(action, "api")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    assert result.after[key] != result.before[key]
    await shop.healthy()
    back = await shop.undo(result)
    assert back.outcome is Outcome.SUCCEEDED, back.summary
    assert back.after[key] == result.before[key]
    await shop.healthy()


async def test_a_share_of_the_requests_reaches_the_other_version(shop: Shop) -> None:
    """Both versions answer side by side, about as often as was said; the undo gives everything back to the former one."""
    result = await shop.do("split_release", "api", version="v2", percent=40)
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    url = shop.facts["shop_url"] + "/api/catalogue"
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:

        async def versions(count: int) -> list[str]:
            return [str((await client.get(url)).json().get("release")) for _ in range(count)]

        assert 8 <= (await versions(60)).count("v2") <= 42
        back = await shop.undo(result)
        assert back.outcome is Outcome.SUCCEEDED, back.summary
        assert set(await versions(10)) == {"v1"}


async def test_a_snapshot_is_taken_and_put_back(shop: Shop) -> None:
    """What was written since is gone, which the dry run said."""
    assert (await shop.do("take_snapshot", "postgres")).outcome is Outcome.SUCCEEDED
    shop.sql("delete from order_items", "delete from orders")
    call = ActionCall(action="restore_snapshot", target="postgres")
    assert "everything written since is lost" in (await shop.registry.dry_run(call)).summary
    result = await shop.do("restore_snapshot", "postgres")
    assert result.outcome is Outcome.SUCCEEDED, result.summary
    with psycopg.connect(shop.facts["admin_dsn"]) as conn:
        row = conn.execute("select count(*) from orders").fetchone()
    assert row
    assert row[0] > 0
    await shop.healthy()


async def test_clearing_the_cache_keeps_the_queue(shop: Shop) -> None:
    """Only keys declared to be cache are dropped."""
    call = ActionCall(action="clear_cache", target="cache")
    done: Callable[[], Any] = lambda: shop.registry.execute(call, idempotency_key=f"c{time.monotonic_ns()}")  # noqa: E731
    result = await done()
    assert result.outcome in (Outcome.SUCCEEDED, Outcome.SKIPPED)
    assert result.before["prefixes"] == ["shop:catalogue"]


async def test_a_stopped_worker_is_started_and_stopped_again(shop: Shop) -> None:
    """start and stop are each other's undo."""
    stopped = await shop.do("stop_process", "payments")
    assert stopped.outcome is Outcome.SUCCEEDED, stopped.summary
    assert (await shop.read("process_state", "payments")).values["state"] == "stopped"
    assert (await shop.undo(stopped)).outcome is Outcome.SUCCEEDED
    await shop.until("http_health", "payments", True)


async def test_a_dead_control_endpoint_is_said(shop: Shop) -> None:
    """Nothing is claimed to have happened when the admin path itself is broken."""
    api = shop.inventory.service("api")
    assert api is not None
    text = shop.inventory.model_dump_json().replace(shop.facts["control_url"], "http://127.0.0.1:1")
    lost = ActionRegistry(
        Inventory.model_validate_json(text),
        {"FIREBREAK_STACK_TOKEN": "t", "FIREBREAK_STACK_READ_TOKEN": "t"},
        versions=shop.versions,
    )
    call = ActionCall(action="restart_service", target="api")
    assert (await lost.dry_run(call)).answer is DryRun.CANNOT_TELL
    with pytest.raises(ToolUnavailableError, match="does not answer"):
        await lost.execute(call, idempotency_key="lost")
