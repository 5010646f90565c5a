"""Probes against real processes, PostgreSQL, Redis, files and HTTP, whole and broken."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from contracts.rehearsal.comparing import differences
from domain.bundle import Reading
from domain.clock import SystemClock
from domain.errors import ConfigError
from graph.contracts.ground import HouseGround
from tests.fakes.cluster.needy import need
from tests.fakes.cluster.server import running_cluster
from tests.fakes.cluster.shop import Shop
from tests.fakes.redis_server import running_redis
from tests.fakes.staging import Staging
from tests.fakes.tools_postgres import running_postgres
from tests.fakes.tools_site import Site, prepare_database, running_site
from tools.config_versions import FileConfigVersions, version_of
from tools.probes.probe import BOUND_S
from tools.probes.runner import ProbeRunner

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with running_postgres() as found:
        yield found


@pytest.fixture(scope="module")
def cache_url() -> Iterator[str]:
    with running_redis() as found:
        yield found


@pytest.fixture
def site(tmp_path: Path, dsn: str, cache_url: str) -> Iterator[Site]:
    prepare_database(dsn)
    with running_site(tmp_path, dsn, cache_url) as found:
        yield found


def _runner(site: Site, **env: str) -> ProbeRunner:
    given = {k: v for k, v in site.env().items() if k not in ("T_ADMIN", "T_CONTROL")}
    return ProbeRunner(site.inventory(), {**given, **env}, root=site.directory)


async def _one(site: Site, name: str, service: str) -> Reading:
    found = await _runner(site).run([name], [service])
    return found[0]


def _sql(site: Site, *statements: str) -> None:
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement)


def _wait_in_vain(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn, suppress(psycopg.errors.LockNotAvailable):
        conn.execute("set lock_timeout = '1s'")
        conn.execute("select * from orders")


async def _remember(site: Site) -> str:
    store = FileConfigVersions(site.directory / "home" / "config-versions")
    text = site.config.read_text()
    await store.record("api", text, 1.0)
    await store.mark_good("api", version_of(text), 2.0)
    return version_of(text)


async def test_a_healthy_system_reads_healthy(site: Site) -> None:
    """With only read-only credentials every reading comes, in bounded time, and none is bad without cause."""
    await _remember(site)
    with running_cluster() as cluster:
        shop = Shop.made(cluster, site.directory)
        need(shop)
        shop.change("ConfigMap", "settings", lambda c: c["data"].update(MODE="fast"))
        site.target = shop.write_target()
        started = time.monotonic()
        found = await _runner(site).run()
    assert time.monotonic() - started < BOUND_S + 1
    assert {r.probe for r in found} == set(_runner(site).names())
    bad = {(r.probe, r.service, r.values.get("name")) for r in found if r.ok is not True}
    assert bad == {("http_health", "api", "shop"), ("tcp_health", "api", "closed")}, [
        r for r in found if r.ok is not True
    ]


async def test_no_reading_holds_a_secret(site: Site) -> None:
    """Log tails, errors and configuration reach a reading without the secrets in them."""
    await _remember(site)
    site.end("api")
    said = str(await _runner(site).run())
    assert "hello" in said
    assert not [s for s in ("hunter22", "first-password", "monitor-password", "k-123456", "read-word") if s in said]


async def test_a_paused_process_is_not_ok(site: Site) -> None:
    """SIGSTOP shows as state T although the supervisor says running."""
    site.pause("api")
    found = await _one(site, "process_state", "api")
    assert (found.ok, found.values["os_state"], found.values["state"]) == (False, "T", "paused")


async def test_a_stopped_process_brings_its_last_words(site: Site) -> None:
    """A process that does not run is not ok, and its log tail is there."""
    site.end("api")
    found = await _one(site, "process_state", "api")
    assert found.ok is False
    assert found.values["state"] == "stopped"
    assert found.values["log_tail"]


async def test_a_blind_spot_is_neither_health_nor_sickness(site: Site) -> None:
    """Without the control endpoint or its token the process state cannot be told, and the reading says why."""
    found = (await _runner(site, T_READ="wrong").run(["process_state"], ["api"]))[0]
    assert found.ok is None
    assert "refuses our token" in found.data_gap
    found = (await _runner(site, T_READ="").run(["process_state"], ["api"]))[0]
    assert found.ok is None
    assert "T_READ" in found.data_gap


async def test_a_lock_names_its_holder(site: Site) -> None:
    """db_locks names the session at the head of the queue, with what it holds and since when it lives."""
    with psycopg.connect(site.dsn.replace("admin:admin-password", "shop_api:first-password")) as holder:
        holder.execute("lock table orders")
        waiting = threading.Thread(target=_wait_in_vain, args=(site.dsn,))
        waiting.start()
        for _ in range(100):
            found = await _one(site, "db_locks", "postgres")
            if found.ok is False:
                break
        await asyncio.to_thread(waiting.join)
        blocker = found.values["blockers"][0]
        assert found.values["blocked"] == 1
        assert (blocker["pid"], blocker["role"], blocker["blocks"]) == (holder.info.backend_pid, "shop_api", 1)
        assert blocker["state"] == "idle in transaction"
        assert blocker["relations"] == ["orders"]
        assert found.values["backend_starts"] == {str(blocker["pid"]): blocker["backend_start"]}


@pytest.mark.parametrize(
    ("statements", "key", "expected"),
    [
        (["alter role shop_api nologin"], "can_login", False),
        (["alter role shop_api password 'other'"], "login_ok", False),
        (["revoke shop_rw from shop_api"], "member_of_missing", ["shop_rw"]),
        (["alter role shop_api valid until '2020-01-01'"], "can_login", False),
        (["alter role shop_api connection limit 0"], "login_ok", False),
        (["revoke all on orders from shop_rw"], "tables_denied", ["orders"]),
        (["drop role shop_api"], "exists", False),
        (["drop role shop_api"], "login_ok", False),
    ],
)
async def test_however_a_role_is_revoked_it_shows(
    site: Site, statements: list[str], key: str, expected: object
) -> None:
    """db_auth tells each way of locking a service out of its database."""
    _sql(site, *statements)
    found = await _one(site, "db_auth", "api")
    assert found.ok is False
    assert found.values[key] == expected


async def test_a_revoked_right_to_connect_shows(site: Site) -> None:
    """CONNECT taken from everyone is an authentication failure of the service."""
    _sql(site, "revoke connect on database shop from public", "grant connect on database shop to monitor")
    try:
        found = await _one(site, "db_auth", "api")
        assert (found.ok, found.values["may_connect"], found.values["login_ok"]) == (False, False, False)
    finally:
        _sql(site, "grant connect on database shop to public")


async def test_an_unreachable_database_says_so(site: Site) -> None:
    """db_activity is not ok, while locks, login and schema cannot be told."""
    gone = site.env()["T_MONITOR"].rsplit(":", 1)[0] + ":1/shop"
    found = {r.probe: r for r in await _runner(site, T_MONITOR=gone).run(["db_activity", "db_locks", "db_auth"])}
    assert found["db_activity"].ok is False
    assert found["db_activity"].values["reachable"] is False
    assert found["db_locks"].ok is None
    assert found["db_auth"].ok is None


async def test_a_schema_ahead_is_dirty(site: Site) -> None:
    """A revision beyond the expected one is not ok; one before it names what is pending."""
    _sql(site, "update alembic_version set version_num = '0004'")
    ahead = await _one(site, "schema_version", "api")
    assert (ahead.ok, ahead.values["current"], ahead.values["dirty"]) == (False, "0004", True)
    _sql(site, "update alembic_version set version_num = '0001'")
    behind = await _one(site, "schema_version", "api")
    assert (behind.ok, behind.values["pending"], behind.values["dirty"]) == (False, ["0002", "0003"], False)


async def test_a_configuration_is_compared_with_the_last_good_one(site: Site) -> None:
    """Missing, emptied, added and changed keys are told apart; values never show."""
    version = await _remember(site)
    site.config.write_text("# the api\nLOG_LEVEL=\nPAYMENTS_API_KEY=k-999999\nNEW=1\n")
    found = await _one(site, "config_diff", "api")
    assert found.ok is False
    assert found.values["keys_missing"] == ["DB_POOL_SIZE", "LOG_LEVEL"]
    assert found.values["keys_added"] == ["NEW"]
    assert found.values["keys_changed"] == ["PAYMENTS_API_KEY"]
    assert found.values["last_good"] == version
    assert "k-999999" not in str(found)


async def test_a_missing_configuration_lacks_every_key(site: Site) -> None:
    """A deleted file is a configuration without keys."""
    await _remember(site)
    site.config.unlink()
    found = await _one(site, "config_diff", "api")
    assert found.values["keys_missing"] == ["DB_POOL_SIZE", "LOG_LEVEL", "PAYMENTS_API_KEY"]


async def test_without_history_a_configuration_cannot_be_judged(site: Site) -> None:
    """No good version known is a gap."""
    assert (await _one(site, "config_diff", "api")).ok is None


async def test_a_torn_warm_file_is_not_valid(site: Site) -> None:
    """Truncated JSON is found; an absent file is nothing bad."""
    (site.data / "warm-start.json").write_text('{"products": [{"id": 1')
    torn = await _one(site, "warm_file", "api")
    assert (torn.ok, torn.values["exists"], torn.values["valid"]) == (False, True, False)
    (site.data / "warm-start.json").unlink()
    gone = await _one(site, "warm_file", "api")
    assert (gone.ok, gone.values["exists"]) == (True, False)


async def test_a_saturated_pool_and_refusals_show(site: Site) -> None:
    """All connections in use with requests waiting, and 429s that come now, are not ok."""
    site.metrics.update(in_use=5, waiting=3)
    pool = await _one(site, "db_pool", "api")
    assert (pool.ok, pool.values) == (False, {"size": 5, "in_use": 5, "waiting": 3})
    site.metrics.update(refused=1000)
    calm = await _one(site, "upstream_status", "api")
    assert calm.ok is True, "old refusals are no news"
    assert calm.values["provider"] == "primary"


async def test_the_largest_files_say_whether_they_are_scratch(site: Site) -> None:
    """disk_usage lists what fills the place and what may go."""
    (site.data / "tmp" / "big.bin").write_bytes(b"x" * 90_000)
    found = await _one(site, "disk_usage", "api")
    assert found.values["largest"][0] == {"path": "tmp/big.bin", "bytes": 90_112, "scratch": True}
    assert not any(f["scratch"] for f in found.values["largest"] if f["path"].startswith("receipts/"))


async def test_a_dead_cache_is_not_ok(site: Site) -> None:
    """A refused connection is a reading, not an exception."""
    site.cache_url = "redis://127.0.0.1:1/0"
    found = await _one(site, "cache_health", "cache")
    assert (found.ok, found.values["reachable"]) == (False, False)


async def test_the_witness_of_a_rehearsal_knows_a_column_that_was_made_again(site: Site) -> None:
    """Read with the monitor's rights only. Renamed and renamed back is the same column; dropped and made again is not."""
    given = {k: v for k, v in site.env().items() if k not in ("T_ADMIN", "T_CONTROL")}
    yard = replace(Staging().ground().yard, inventory=site.inventory(), clock=SystemClock())
    ground = HouseGround(yard, _runner(site), given, site.directory)
    _sql(site, "create index orders_note on orders (note)")
    before = await ground.witness("api")
    assert before.unread == []
    assert (before.revision, bool(before.version), bool(before.configuration)) == ("0003", True, True)
    assert before.rules["orders_note"].startswith("CREATE INDEX")
    _sql(site, "alter table orders rename note to remark", "alter table orders rename remark to note")
    assert differences(before, await ground.witness("api")) == []
    _sql(site, "alter table orders drop column note", "alter table orders add column note text")
    told = differences(before, await ground.witness("api"))
    assert "column orders.note was dropped and made again: what was in it is gone" in told
    assert any(line.startswith("rule orders_note: was CREATE INDEX") for line in told)
    (site.versions / "0009.py").write_text("revision = '0009'\ndown_revision = '0003'\n")
    assert (await ground.pending("api", "0009")).sources[0][0] == "0009.py"
    for wrong in ("0001", "0404"):
        with pytest.raises(ConfigError, match="does not follow"):
            await ground.pending("api", wrong)
