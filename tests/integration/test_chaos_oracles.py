"""Every fault on the real stack: no fix fails, a plausible wrong fix fails, the right fix passes, and all is taken back."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chaos.catalogue import catalogue
from chaos.envfile import read_values
from chaos.experiment import Experiments, Permission, Request
from chaos.lease import LeaseState
from chaos.oracle import SLOW_MS, Judging, judge, steady_state, take_baseline
from chaos.running import open_site
from chaos.site import Site
from chaos.sqlite import ChaosDatabase

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
QUICK = Judging(recover_s=12.0, durable_s=3.0, settle_s=3.0, event_s=15.0)
HASTY = Judging(recover_s=1.5, durable_s=2.0, settle_s=10.0, event_s=5.0)
GOOD_IN_A_ROW = 10
"""Visits after which a cured shop has come to rest."""

Act = Callable[[Site], Awaitable[None]]


async def _open_door() -> bool:
    return False


@pytest.fixture(scope="module")
def stack_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One running stack for the whole module."""
    home = tmp_path_factory.mktemp("patient") / "stack"
    process = subprocess.Popen(
        [sys.executable, "-m", "stack", "up", "--home", str(home), "--rps", "4"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        with process.stdout as said:
            line = said.readline()
        assert json.loads(line or "{}").get("ready"), f"the stack did not come up: {line}"
        yield home
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        subprocess.run(
            [sys.executable, "-m", "stack", "down", "--home", str(home)], cwd=ROOT, capture_output=True, timeout=60
        )


@asynccontextmanager
async def patient(stack_home: Path, home: Path) -> AsyncIterator[tuple[Site, Experiments, ChaosDatabase]]:
    """The site, experiments on it and their store."""
    store = ChaosDatabase(home / "chaos.db")
    async with open_site(home, stack_home) as site:
        yield site, Experiments(site, store, catalogue(), Permission(frozen=_open_door)), store


async def _restart(site: Site, name: str = "api") -> None:
    await site.control.post(f"/processes/{name}/restart")


def restart(name: str) -> Act:
    """A plausible fix that only helps when the process itself is the matter."""

    async def act(site: Site) -> None:
        await _restart(site, name)

    return act


def post(path: str, **body: Any) -> Act:
    """One call of the control endpoint."""

    async def act(site: Site) -> None:
        await site.control.post(path, body)

    return act


async def drop_warm_file(site: Site) -> None:
    """Delete the torn file, then start."""
    (site.data_dir("api") / "warm-start.json").unlink()
    await _restart(site)


async def terminate_blockers(site: Site) -> None:
    """End whoever holds an exclusive lock idly."""
    await site.database.rows(
        "select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity a using (pid)"
        " where l.mode = 'AccessExclusiveLock' and l.granted and a.state = 'idle in transaction'"
    )


async def terminate_waiters(site: Site) -> None:
    """End the victims instead of the culprit."""
    await site.database.rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'shop_api'")


async def add_missing_key(site: Site) -> None:
    """Put the key back with its value, then start."""
    path = site.config_file("api")
    values = read_values(path)
    port = next(p.port for p in site.facts().processes if p.name == "proxy-payments")
    assert "PAYMENTS_URL" not in values
    path.write_text(path.read_text() + f"PAYMENTS_URL=http://127.0.0.1:{port}\n")
    await _restart(site)


async def add_wrong_key(site: Site) -> None:
    """The key is there again, with nonsense in it."""
    path = site.config_file("api")
    path.write_text(path.read_text() + "PAYMENTS_URL=http://127.0.0.1:9\n")
    await _restart(site)
    kept = [line for line in path.read_text().splitlines() if not line.startswith("PAYMENTS_URL=")]
    path.write_text("\n".join(kept) + "\n")


async def stamp_revision(site: Site) -> None:
    """Say that the old revision is there without going back."""
    await site.database.rows("update alembic_version set version_num = '0003'")
    await _restart(site)
    await site.database.rows("update alembic_version set version_num = '0004'")


async def rotate(site: Site) -> None:
    """New password in both places, login and group back, then start."""
    password = secrets.token_hex(12)
    await site.database.rows(f"alter role shop_api login password '{password}'")
    await site.database.rows("grant shop_rw to shop_api")
    site.config_file("api").with_name("api.secret").write_text(password)
    await _restart(site)


async def empty_scratch(site: Site) -> None:
    """Remove what may be removed."""
    for path in (site.data_dir("api") / "tmp").iterdir():
        path.unlink()


async def delete_receipts(site: Site) -> None:
    """Make room at the expense of data."""
    for path in (site.data_dir("api") / "receipts").iterdir():
        path.unlink()


@dataclass(frozen=True, kw_only=True)
class Cure:
    """What helps, what does not, and how the stack is put back as it was."""

    wrong: Act
    right: Act
    after: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


CURES: dict[str, Cure] = {
    "crash_loop": Cure(wrong=restart("api"), right=drop_warm_file),
    "hang": Cure(wrong=restart("frontend"), right=post("/processes/api/resume")),
    "pool_exhaustion": Cure(
        wrong=restart("api"),
        right=post("/pool", service="api", size=12),
        after=(("/pool", {"service": "api", "size": 5}),),
    ),
    "long_transactions": Cure(wrong=terminate_waiters, right=terminate_blockers),
    "missing_env": Cure(wrong=add_wrong_key, right=add_missing_key),
    "failed_migration": Cure(wrong=stamp_revision, right=post("/migrations", revision="0003")),
    "upstream_429": Cure(
        wrong=restart("payments"),
        right=post("/upstream", service="api", provider="fallback"),
        after=(("/upstream", {"service": "api", "provider": "primary"}),),
    ),
    "latency": Cure(
        wrong=restart("proxy-db"),
        right=post("/routes/db", route="proxy-db-b"),
        after=(("/routes/db", {"route": "proxy-db"}),),
    ),
    "credential_revoked": Cure(wrong=restart("api"), right=rotate),
    "credential_revoked/nologin": Cure(wrong=restart("api"), right=rotate, parameters={"way": "nologin"}),
    "credential_revoked/membership": Cure(wrong=restart("api"), right=rotate, parameters={"way": "membership"}),
    "disk_full": Cure(wrong=delete_receipts, right=empty_scratch),
}

PATH = ["crash_loop", "hang", "latency", "missing_env", "pool_exhaustion", "upstream_429"]


def test_every_fault_has_its_cures_here() -> None:
    """A fault without a tested oracle is not finished."""
    real = {name for name, fault in catalogue().items() if not fault.spec.abstain}
    assert {case.partition("/")[0] for case in CURES} == real


async def served_again(site: Site, seconds: float = 40.0) -> None:
    """Give a cure the moment it needs on a busy machine (queues drain, pools refill); whether it is one, the oracle says."""
    deadline, good = time.monotonic() + seconds, 0
    while good < GOOD_IN_A_ROW and time.monotonic() < deadline:
        visit = await site.shop.visit()
        good = good + 1 if visit.ok and visit.ms <= SLOW_MS else 0
        await asyncio.sleep(0.2)


async def told_apart(stack_home: Path, home: Path, case: str) -> None:
    """One injection: judged without a fix, after a wrong one, after the right one; then taken back and steady."""
    name, cure = case.partition("/")[0], CURES[case]
    fault = catalogue()[name]
    async with patient(stack_home, home) as (site, experiments, store):
        before = await take_baseline(site)
        lease = await experiments.inject(Request(fault=name, parameters=cure.parameters, lease_s=200))
        undo = store.get(lease.id).undo
        try:
            untouched = await judge(site, fault, undo, before, HASTY)
            assert not untouched.passed, untouched.lines
            await cure.wrong(site)
            wrong = await judge(site, fault, undo, before, HASTY)
            assert not wrong.passed, wrong.lines
            before = await take_baseline(site) if case == "disk_full" else before
            await cure.right(site)
            await served_again(site)
            right = await judge(site, fault, undo, before, QUICK)
            assert right.passed, right.lines
        finally:
            done = await experiments.restore(lease.id, by="test")
            for path, body in cure.after:
                await site.control.post(path, body)
        assert (done.state, done.verified) == (LeaseState.RESTORED, True), done.note
        assert all(o.ok for o in await steady_state(site))


class TestOraclesOfThePath:
    """Processes, their configuration, and the way between them."""

    @pytest.mark.parametrize("case", PATH)
    async def test_the_oracle_tells_cures_apart(self, stack_home: Path, tmp_path: Path, case: str) -> None:
        """No fix fails, the wrong one fails, the right one passes."""
        await told_apart(stack_home, tmp_path, case)


class TestOraclesOfTheData:
    """The database, who may use it, and the disk. A class of its own: a second worker takes it, with a stack of its own."""

    @pytest.mark.parametrize("case", sorted(set(CURES) - set(PATH)))
    async def test_the_oracle_tells_cures_apart(self, stack_home: Path, tmp_path: Path, case: str) -> None:
        """No fix fails, the wrong one fails, the right one passes."""
        await told_apart(stack_home, tmp_path, case)


@pytest.mark.parametrize("name", ["noop", "red_herring_deploy"])
async def test_abstain_faults_break_nothing(stack_home: Path, tmp_path: Path, name: str) -> None:
    """Injected and proven, users are served all the same, and what was deployed is taken back."""
    async with patient(stack_home, tmp_path) as (site, experiments, _):
        lease = await experiments.inject(Request(fault=name, lease_s=100))
        assert all(o.ok for o in await steady_state(site))
        done = await experiments.restore(lease.id, by="test")
        assert (done.state, done.verified) == (LeaseState.RESTORED, True), done.note


SERVER = """
import asyncio, sys
from pathlib import Path
from chaos.catalogue import catalogue
from chaos.experiment import Experiments, Permission, Request
from chaos.running import open_site
from chaos.sqlite import ChaosDatabase

async def open_door():
    return False

async def main(home, stack, fault, lease_s):
    async with open_site(Path(home), Path(stack)) as site:
        experiments = Experiments(site, ChaosDatabase(Path(home) / "chaos.db"), catalogue(), Permission(frozen=open_door))
        await experiments.inject(Request(fault=fault, lease_s=float(lease_s)))
        print("broken", flush=True)
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""

REAPER = """
import asyncio, sys
from pathlib import Path
from chaos.running import reap_forever

asyncio.run(reap_forever(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def started(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process of its own that runs this text."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("fault", ["upstream_429", "hang"])
async def test_the_reaper_restores_after_kill_minus_nine(stack_home: Path, tmp_path: Path, fault: str) -> None:
    """The process that broke it is killed; at the deadline the reaper takes it back, workload and all."""
    with started(REAPER, str(tmp_path), str(stack_home)) as reaper:
        try:
            with started(SERVER, str(tmp_path), str(stack_home), fault, "14") as breaker:
                assert breaker.stdout is not None
                assert breaker.stdout.readline().strip() == "broken"
                breaker.kill()
            async with patient(stack_home, tmp_path) as (site, _, store):
                [lease] = store.leases()
                assert lease.state is LeaseState.ACTIVE
                end = time.monotonic() + 60
                while not (lease := store.get(lease.id)).state.finished and time.monotonic() < end:
                    await site.clock.sleep(0.3)
                assert (lease.restored_by, lease.verified) == ("reaper", True), lease.note
                assert lease.restored_at is not None
                assert lease.restored_at >= lease.deadline
                assert all(o.ok for o in await steady_state(site))
        finally:
            reaper.terminate()


def test_a_workload_without_orders_does_nothing() -> None:
    """Its parent died before telling it anything: it ends by itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chaos.workload", "lock"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = process.communicate(b"", timeout=30)
    assert (process.returncode, out) == (0, b"")
