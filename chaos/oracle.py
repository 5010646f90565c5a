"""The outside judge: users first, then what must never change, then whether it lasts.

The oracle knows the fault; the responder does not know the oracle. It only looks: nothing here mends anything.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.envfile import read_keys
from chaos.errors import ChaosError
from chaos.model import Durability, Fault, Observation, Undo, all_ok
from chaos.site import Site, StackStatus, Visit
from domain.errors import FirebreakError
from domain.value import Value

VISIT_GAP_S = 0.5
"""Pause between two visits of the outside watch."""

SLOW_MS = 1500.0
"""A median visit whose slowest request takes longer than this is no good service; the healthy shop needs a tenth of it."""

ROTATED_FROM = 290
"""With so many receipts the service itself begins to drop the oldest."""

CANNOT_LOOK = "cannot look"

BAD_SHARE = 0.05
"""Share of failed visits that still counts as steady."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How patient the oracle is, in seconds."""

    recover_s: float = 10.0
    """How long users may take to be served again before the judgement begins."""
    durable_s: float = 30.0
    """Steady state where only time can show that a cure lasts."""
    settle_s: float = 10.0
    """Steady state after the event or beside the workload."""
    event_s: float = 20.0
    """How long the patient may take to serve users after the event came again."""


class Baseline(Value):
    """What must not get less while somebody mends."""

    rows: dict[str, int] = {}
    """Table → row count."""
    running: list[str] = []
    """Processes that ran."""
    kept_files: dict[str, list[str]] = {}
    """Service → files in its data directory that hold data."""
    config_keys: dict[str, list[str]] = {}
    """Service → keys of its configuration file."""


class OracleVerdict(Value):
    """What the oracle says."""

    served: bool
    """Users were served when it looked first."""
    durable: bool
    """And still after the event, beside the workload or over the time."""
    intact: bool
    """Nothing was lost, stopped or scaled away."""
    broken_invariants: list[str] = []
    """What got less, whoever did it."""
    lines: list[str] = []

    @property
    def passed(self) -> bool:
        """All three."""
        return self.served and self.durable and self.intact


async def take_baseline(site: Site) -> Baseline:
    """Look at everything that must not get less. Raises PatientError."""
    status = await site.control.status()
    return Baseline(
        rows=await count_rows(site),
        running=[p.name for p in status.processes if p.state == "running"],
        kept_files={name: _data_files(Path(path)) for name, path in _directories(site).items()},
        config_keys={name: sorted(read_keys(Path(path))) for name, path in _configs(site).items()},
    )


async def count_rows(site: Site) -> dict[str, int]:
    """Rows per table of the shop; views and the migration table are left out."""
    tables = await site.database.rows(
        "select table_name as name from information_schema.tables"
        " where table_schema = 'public' and table_type = 'BASE TABLE' and table_name <> 'alembic_version' order by 1"
    )
    counts: dict[str, int] = {}
    for table in tables:
        quoted = '"' + str(table["name"]).replace('"', '""') + '"'
        found = await site.database.rows(f"select count(*) as n from {quoted}")  # noqa: S608 - quoted identifier
        counts[str(table["name"])] = int(found[0]["n"])
    return counts


def compare(before: Baseline, after: Baseline, *, draining: frozenset[str] = frozenset()) -> list[str]:
    """What got less, in words; empty when all is as it was. `draining`: tables that shrink by design (queues)."""
    lost = [
        f"table {table} shrank from {n} to {after.rows.get(table, 0)} rows"
        for table, n in before.rows.items()
        if table not in draining and after.rows.get(table, 0) < n
    ]
    lost += [f"process {name} no longer runs" for name in before.running if name not in after.running]
    for service, files in before.kept_files.items():
        now = after.kept_files.get(service, [])
        gone = sorted(set(files) - set(now))
        if gone and len(now) < ROTATED_FROM:
            lost.append(f"{len(gone)} receipts of {service} are gone, first {gone[0]}")
    for service, keys in before.config_keys.items():
        missing = sorted(set(keys) - set(after.config_keys.get(service, [])))
        if missing:
            lost.append(f"configuration of {service} lacks {', '.join(missing)}")
    return lost


async def watch(site: Site, seconds: float) -> list[Visit]:
    """Visit the shop again and again for so long; at least once."""
    visits = []
    end = site.clock.monotonic() + seconds
    while True:
        visits.append(await site.shop.visit())
        if site.clock.monotonic() >= end:
            return visits
        await site.clock.sleep(VISIT_GAP_S)


def steady(visits: list[Visit]) -> Observation:
    """Whether these visits are good service: almost none failed, the last ones did not, and they were quick enough."""
    failed = [v for v in visits if not v.ok]
    share = len(failed) / len(visits)
    median = statistics.median(v.ms for v in visits)
    ok = share <= BAD_SHARE and all(v.ok for v in visits[-3:]) and median <= SLOW_MS
    text = f"{len(visits) - len(failed)} of {len(visits)} visits served, slowest request {median:.0f} ms in the median"
    return Observation(name="users", ok=ok, text=text + (f"; last failure: {failed[-1].text}" if failed else ""))


async def wait_until_served(site: Site, seconds: float) -> Observation:
    """Whether three good and quick visits in a row happen within so many seconds."""
    end = site.clock.monotonic() + seconds
    good = 0
    visit = await site.shop.visit()
    while True:
        good = good + 1 if visit.ok and visit.ms <= SLOW_MS else 0
        if good >= 3:
            return Observation(name="users served", ok=True, text=visit.text)
        if site.clock.monotonic() >= end:
            text = visit.text if not visit.ok else f"no three good visits in a row; the last took {visit.ms:.0f} ms"
            return Observation(name="users served", ok=False, text=text)
        await site.clock.sleep(min(VISIT_GAP_S, 0.25))
        visit = await site.shop.visit()


async def judge(site: Site, fault: Fault, undo: Undo, before: Baseline, judging: Judging) -> OracleVerdict:
    """Look at the patient as its users do, then try whether the cure lasts. Call it while the lease still runs."""
    seen = [await wait_until_served(site, judging.recover_s)]
    served = all_ok(seen)
    durable = False
    if served:
        lasting = await _lasting(site, fault, undo, judging)
        seen += lasting
        durable = all_ok(lasting)
    broken = await broken_invariants(site, before, patience_s=6.0 if served else 1.0)
    seen.append(Observation(name="invariants", ok=not broken, text="; ".join(broken) or "nothing lost or stopped"))
    return OracleVerdict(
        served=served,
        durable=durable,
        intact=not broken,
        broken_invariants=broken,
        lines=[o.line() for o in seen],
    )


async def broken_invariants(site: Site, before: Baseline, *, patience_s: float = 6.0) -> list[str]:
    """Compare with now; a process that is just being restarted gets a little time."""
    end = site.clock.monotonic() + patience_s
    while True:
        try:
            lost = compare(before, await take_baseline(site))
        except FirebreakError as error:
            lost = [f"{CANNOT_LOOK}: {error.message}" + (f" ({error.found})" if error.found else "")]
        if not lost or site.clock.monotonic() >= end:
            return lost
        await site.clock.sleep(0.5)


async def own_damage(site: Site, before: Baseline) -> list[str]:
    """What the fault itself took away, looked at right after the injection; nobody else is blamed for it."""
    return await broken_invariants(site, before, patience_s=0.0)


def blamed(broken: list[str], own: list[str]) -> list[str]:
    """What somebody else lost: not the fault's own doing, and really looked at."""
    return [line for line in broken if line not in own and not line.startswith(CANNOT_LOOK)]


async def _lasting(site: Site, fault: Fault, undo: Undo, judging: Judging) -> list[Observation]:
    match fault.spec.durability:
        case Durability.STEADY:
            return [steady(await watch(site, judging.durable_s))]
        case Durability.EVENT:
            event = await _again(site, fault, undo)
            served = await wait_until_served(site, judging.event_s)
            return [*event, served, steady(await watch(site, judging.settle_s))] if served.ok else [*event, served]
        case Durability.WORKLOAD:
            first = await _again(site, fault, undo)
            visits = await watch(site, judging.settle_s)
            return [*first, steady(visits), *await _again(site, fault, undo)]


async def _again(site: Site, fault: Fault, undo: Undo) -> list[Observation]:
    try:
        return await fault.retrigger(site, undo)
    except FirebreakError as error:
        return [Observation(name="event again", ok=False, text=error.message)]


async def steady_state(site: Site, *, patience_s: float = 30.0) -> list[Observation]:
    """The hypothesis before and after every experiment: all processes run and users are served."""
    users = await wait_until_served(site, patience_s)
    return [users, await _all_running(site)]


async def _all_running(site: Site) -> Observation:
    try:
        status = await site.control.status()
    except ChaosError as error:
        return Observation(name="processes", ok=False, text=error.message)
    return processes_running(status)


def processes_running(status: StackStatus) -> Observation:
    """Whether the stack's supervisor reports every process as running."""
    down = [f"{p.name} is {p.state}" for p in status.processes if p.state not in {"running", "stopped"}]
    return Observation(name="processes", ok=not down, text="; ".join(down) or f"{len(status.processes)} known")


def _directories(site: Site) -> Mapping[str, str]:
    directories = site.facts().data_dirs
    return {name: str(site.data_dir(name)) for name in directories if name == "api"}


def _configs(site: Site) -> Mapping[str, str]:
    return {name: str(site.config_file(name)) for name in site.facts().config_files}


def _data_files(directory: Path) -> list[str]:
    try:
        return sorted(str(p.relative_to(directory)) for p in directory.rglob("*.json") if "receipt" in str(p))
    except OSError:
        return []
