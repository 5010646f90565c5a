"""One suite for every registered action: what the Executor port promises holds for each of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from domain.action import ActionCall, DryRun, Effect, Outcome
from domain.errors import ToolError
from tests.fakes.cluster.server import ClusterServer, running_cluster
from tests.fakes.cluster.shop import Shop
from tests.fakes.programs import platform
from tests.fakes.redis_server import running_redis
from tests.fakes.ssh_servers import SSHD, running_ssh_site
from tests.fakes.ssh_servers import Site as SshSite
from tests.fakes.tools_postgres import running_postgres
from tests.fakes.tools_site import Site, prepare_database, running_site
from tools.actions.catalogue import ACTIONS
from tools.config_versions import FileConfigVersions, version_of
from tools.registry import ActionRegistry
from tools.terraform import Terraform

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
    with Redis.from_url(cache_url) as cache:
        cache.flushdb()
    with running_site(tmp_path, dsn, cache_url) as found:
        yield found


@pytest.fixture(scope="module")
def ssh_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshSite]:
    if SSHD is None:
        pytest.skip("no sshd is installed")
    with running_ssh_site(tmp_path_factory.mktemp("ssh")) as found:
        yield found


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with running_cluster() as found:
        yield found


@dataclass(frozen=True)
class Case:
    """One action with a world in which it has something to do."""

    action: str
    target: str = "api"
    args: dict[str, Any] | Callable[[Site], dict[str, Any]] | None = None
    arrange: Callable[[Site], Any] = lambda site: None


def _hold(site: Site) -> psycopg.Connection[Any]:
    conn = psycopg.connect(_as_api(site))
    conn.execute("lock table orders in access exclusive mode")
    return conn


def _as_api(site: Site) -> str:
    return site.dsn.replace("admin:admin-password", "shop_api:first-password")


def _cache(site: Site) -> None:
    with Redis.from_url(site.cache_url) as cache:
        cache.set("shop:catalogue", "[]")
        cache.lpush("shop:jobs", "job")


def _junk(site: Site) -> None:
    (site.data / "tmp" / "a.bin").write_bytes(b"x" * 50_000)


def _broken_config(site: Site) -> None:
    text = site.config.read_text()
    store = FileConfigVersions(site.directory / "home" / "config-versions")
    asyncio.run(store.record("api", text, 1.0))
    asyncio.run(store.mark_good("api", version_of(text)))
    site.config.write_text(text.replace("LOG_LEVEL=info\n", ""))


def _ahead(site: Site) -> None:
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        conn.execute("update alembic_version set version_num = '0004'")


def _revoked(site: Site) -> None:
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        conn.execute("alter role shop_api nologin")
        conn.execute("revoke shop_rw from shop_api")


PATH = {"to_labels": {"app": "db"}, "from_labels": {"app": "web"}, "port": 5432}


def _shop(site: Site) -> Shop:
    assert isinstance(site.far, Shop)
    return site.far


def _marked(site: Site) -> Path:
    return site.directory / "marked"


def _command(site: Site) -> dict[str, Any]:
    """A command of its own step; a host remembers the steps of all tests."""
    return {"step": f"step-{site.directory.name}", "argv": ["touch", str(_marked(site))]}


def _undoable(site: Site) -> dict[str, Any]:
    return {**_command(site), "undo_argv": ["rm", str(_marked(site))]}


def _platform(site: Site) -> None:
    folder = site.directory / "platform"
    os.environ["PATH"] = f"{platform(folder)}:{os.environ['PATH']}"
    asyncio.run(Terraform(folder=folder / "cloud", timeout_s=30).plan())


def _saved_plan(site: Site) -> dict[str, Any]:
    return {"sha256": Terraform(folder=site.directory / "platform" / "cloud", timeout_s=30).sha256()}


def _pod(site: Site) -> dict[str, Any]:
    return {"pod": _shop(site).pods("web")[0]["metadata"]["name"]}


def _second_release(site: Site) -> None:
    _shop(site).change(
        "Deployment", "web", lambda d: d["spec"]["template"]["spec"]["containers"][0].update(image="shop/web:2")
    )


def _selects_nobody(site: Site) -> None:
    _shop(site).change("Service", "web", lambda s: s["spec"].update(selector={"app": "nobody"}))


CASES = [
    Case("restart_service"),
    Case("resume_process", arrange=lambda site: site.pause("api")),
    Case("start_process", arrange=lambda site: site.end("api")),
    Case("stop_process"),
    Case("terminate_sessions", "postgres", {"idle_in_transaction_s": 1.0}, arrange=_hold),
    Case("restore_config", arrange=_broken_config),
    Case("set_config", args={"key": "LOG_LEVEL", "value": "debug"}),
    Case("rollback_release"),
    Case("split_release", args={"version": "v1", "percent": 10}),
    Case("promote_release", args={"version": "v1"}),
    Case("migrate", arrange=_ahead),
    Case("rotate_credential", arrange=_revoked),
    Case("clear_cache", arrange=lambda site: None),
    Case("clear_cache", "cache", arrange=_cache),
    Case("free_disk_space", arrange=_junk),
    Case("switch_upstream", args={"provider": "fallback"}),
    Case("scale_pool"),
    Case("shift_traffic"),
    Case("take_snapshot", "postgres"),
    Case("restore_snapshot", "postgres", arrange=lambda site: site.snapshots.append("snap-1")),
    Case("run_command", "far", _command),
    Case("run_undoable_command", "far", _undoable),
    Case("apply_terraform_plan", "platform", _saved_plan, arrange=_platform),
    Case("run_playbook", "platform", {"playbook": "site.yml"}, arrange=_platform),
    Case("restart_workload", "cluster"),
    Case("scale_workload", "cluster"),
    Case("patch_image", "cluster", {"container": "app", "image": "shop/web:2"}),
    Case("rollback_deployment", "cluster", arrange=_second_release),
    Case("recreate_pod", "cluster", _pod),
    Case("patch_config_map", "cluster", {"config_map": "settings", "key": "MODE", "value": "fast"}),
    Case("allow_network_path", "cluster", {**PATH, "network_policy": "closed"}),
    Case("allow_network_path", "cluster", {**PATH, "network_policy": "new"}),
    Case("repair_role", "cluster", {"role": "reader", "resource": "configmaps", "verbs": ["get"]}),
    Case("repair_role_binding", "cluster", {"role_binding": "readers", "role": "reader", "service_account": "web"}),
    Case("repair_selector", "cluster", arrange=_selects_nobody),
    Case("restore_settings", "cluster"),
    Case("restore_manifest", "cluster", {"kind": "ConfigMap", "name": "settings", "version": "absent"}),
]
IDS = [f"{case.action}-{case.target}" for case in CASES]
IDS = [f"{name}-{IDS[:n].count(name)}" if name in IDS[:n] else name for n, name in enumerate(IDS)]


def _registry(site: Site) -> ActionRegistry:
    return ActionRegistry(site.inventory(), site.env(), root=site.directory)


def _call(case: Case, **more: Any) -> ActionCall:
    assert not callable(case.args), "the fixture has asked the site"
    target = "far" if case.target == "cluster" else case.target
    return ActionCall(action=case.action, target=target, args={**(case.args or {}), **more})


def _fingerprint(site: Site) -> dict[str, Any]:
    """Everything an action could change, as it is now."""
    files = {
        str(path.relative_to(site.directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(site.directory.rglob("*"))
        if path.is_file() and "home" not in path.parts
    }
    with psycopg.connect(site.dsn) as conn:
        database = {
            "roles": conn.execute(
                "select rolname, rolcanlogin, rolpassword from pg_authid where rolname like 'shop%' order by 1"
            ).fetchall(),
            "members": conn.execute("select count(*) from pg_auth_members").fetchall(),
            "revision": conn.execute("select version_num from alembic_version").fetchall(),
            "sessions": conn.execute("select pid from pg_stat_activity where usename = 'shop_api'").fetchall(),
        }
    with Redis.from_url(site.cache_url) as cache:
        keys = sorted(cache.keys())
    plain = {"posts": list(site.posts), "status": site.status(), "snapshots": list(site.snapshots)}
    objects = site.far.objects() if isinstance(site.far, Shop) else []
    return {"files": files, "database": database, "keys": keys, "objects": objects, **plain}


@pytest.fixture
def arranged(site: Site, request: pytest.FixtureRequest) -> Iterator[tuple[Case, Site]]:
    case: Case = request.param
    if case.target == "far":
        commands = [{"run": ["touch"], "undo": ["rm"]}]
        site.target = request.getfixturevalue("ssh_site").write_target(commands=commands)
    request.getfixturevalue("monkeypatch").setenv("PATH", os.environ["PATH"])  # given back, whatever a case arranges
    if case.target == "cluster":
        site.far = Shop.made(request.getfixturevalue("cluster"), site.directory)
        site.target = site.far.write_target()
    held = case.arrange(site)
    if case.action == "terminate_sessions":
        _until_idle(site)
    yield replace(case, args=case.args(site) if callable(case.args) else case.args), site
    if isinstance(held, psycopg.Connection):
        held.close()


def _until_idle(site: Site) -> None:
    """The idle time of the held session must pass the least that may be asked for."""
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        conn.execute(
            """do $$ begin loop
                 exit when exists (select from pg_stat_activity where usename = 'shop_api'
                                   and state = 'idle in transaction' and clock_timestamp() - state_change > '1.05 s');
                 perform pg_sleep(0.05); perform pg_stat_clear_snapshot(); end loop; end $$"""
        )


every = pytest.mark.parametrize("arranged", CASES, ids=IDS, indirect=True)


def test_every_action_has_a_case() -> None:
    """A registered action without a conformance case is not registered properly."""
    assert {action.name for action in ACTIONS} == {case.action for case in CASES}


def test_specs_say_what_a_person_must_know() -> None:
    """Each specification names its effect, blast radius, and an undo or the reason why there is none."""
    for spec in (action.published() for action in ACTIONS):
        assert spec.blast_radius
        assert spec.summary
        assert spec.timeout_s > 0
        assert bool(spec.undo) != bool(spec.no_undo_reason)
        assert (spec.effect is Effect.REVERSIBLE) == bool(spec.undo)
        assert spec.schema_["additionalProperties"] is False


@every
async def test_dry_run_changes_nothing(arranged: tuple[Case, Site]) -> None:
    """A dry run says that something would change, and nothing does."""
    case, site = arranged
    before = _fingerprint(site)
    found = await _registry(site).dry_run(_call(case))
    assert found.answer is DryRun.WOULD_CHANGE, found.summary
    assert found.summary
    assert set(found.witness) == set(_registry(site).spec(case.action).witness)  # type: ignore[union-attr]
    assert _fingerprint(site) == before


@every
async def test_one_key_takes_effect_once(arranged: tuple[Case, Site]) -> None:
    """The same key again, at once or in another process, returns the first result and does nothing."""
    case, site = arranged
    registry = _registry(site)
    first, second = await asyncio.gather(
        registry.execute(_call(case), idempotency_key="k1"),
        registry.execute(_call(case), idempotency_key="k1"),
    )
    assert first.outcome is Outcome.SUCCEEDED, first.summary
    after = _fingerprint(site)
    third = await _registry(site).execute(_call(case), idempotency_key="k1")
    assert first == second == third
    assert _fingerprint(site) == after


@every
async def test_read_back_sees_the_effect(arranged: tuple[Case, Site]) -> None:
    """After execution the state itself says that the effect is there, with and without the result at hand."""
    case, site = arranged
    registry = _registry(site)
    result = await registry.execute(_call(case), idempotency_key="k2")
    assert (await registry.read_back(_call(case), result)).outcome is Outcome.SUCCEEDED
    assert (await _registry(site).read_back(_call(case), None)).outcome is Outcome.SUCCEEDED


@every
async def test_undo_restores_what_was_captured(arranged: tuple[Case, Site]) -> None:
    """Executing and then executing the recorded undo gives the captured state back; others say why they cannot."""
    case, site = arranged
    registry = _registry(site)
    result = await registry.execute(_call(case), idempotency_key="k3")
    spec = registry.spec(case.action)
    assert spec is not None
    if spec.effect is not Effect.REVERSIBLE:
        assert result.undo is None
        return
    assert result.undo is not None
    registry.check(result.undo)
    taken_back = await registry.execute(result.undo, idempotency_key="k4")
    assert taken_back.outcome is Outcome.SUCCEEDED, taken_back.summary
    now = (await registry.dry_run(_call(case))).witness
    captured = {key: result.before.get(key) for key in spec.witness}
    assert {k: v for k, v in now.items() if k != "wanted"} == {k: v for k, v in captured.items() if k != "wanted"}


@every
async def test_unknown_arguments_are_refused(arranged: tuple[Case, Site]) -> None:
    """An argument that the model does not know is an error that names it, and nothing happens."""
    case, site = arranged
    call = _call(case, command="rm -rf /")
    before = _fingerprint(site)
    with pytest.raises(ToolError, match="command"):
        _registry(site).check(call)
    with pytest.raises(ToolError, match="command"):
        await _registry(site).execute(call, idempotency_key="k5")
    assert _fingerprint(site) == before


@every
async def test_results_hold_no_secret(arranged: tuple[Case, Site]) -> None:
    """Neither password, key nor DSN stands in anything an action says."""
    case, site = arranged
    registry = _registry(site)
    said = (await registry.dry_run(_call(case))).model_dump_json()
    said += (await registry.execute(_call(case), idempotency_key="k6")).model_dump_json()
    secrets = ["first-password", "admin-password", "k-123456", "control-word", site.password.read_text().strip()]
    assert not [secret for secret in secrets if secret in said]
