"""db_pool, upstream_status and queue_depth: what a service says about itself on its metrics page."""

from __future__ import annotations

import asyncio
from collections import Counter

from domain.bundle import Reading
from domain.errors import ToolError, ToolUnavailableError
from domain.inventory import Service
from tools.control import current_provider
from tools.http import fetch
from tools.probes.probe import Probe, Shared, bound, reading
from tools.series import POOL_SIZE, gauge, samples
from tools.target import Target

BETWEEN_S = 1.0
"""Two looks at a counter, so far apart, tell what happens now."""
OLD_JOB_S = 30.0
MUCH = 0.2


async def _page(target: Target, shared: Shared) -> str:
    answer = await shared.metrics(target)
    if answer.status != 200:
        raise ToolUnavailableError(
            f"the metrics page of {target.name} does not answer",
            expected="200",
            found=answer.error or str(answer.status),
        )
    return answer.text


async def _pool(target: Target, shared: Shared) -> list[Reading]:
    text = await _page(target, shared)
    roles = target.service.telemetry.roles
    size = gauge(text, POOL_SIZE, roles.get("pool_size", ""))
    used = gauge(text, r"pool.*(in_use|used|active|checked_?out|busy)$", roles.get("pool_in_use", ""))
    waiting = gauge(text, r"pool.*(waiting|pending|queued)$", roles.get("pool_waiting", ""))
    if size is None or used is None:
        return [reading("db_pool", target, ok=None, text="no pool gauges", gap="the metrics page names no pool")]
    return [
        reading(
            "db_pool",
            target,
            ok=not (used >= size and (waiting or 0) > 0) and size > 0,
            text=f"{used:.0f} of {size:.0f} connections in use, {waiting or 0:.0f} requests wait",
            size=int(size),
            in_use=int(used),
            waiting=int(waiting or 0),
        )
    ]


def _calls(text: str) -> Counter[tuple[str, str, str]]:
    """Counted calls of dependencies by (dependency, provider, status)."""
    found: Counter[tuple[str, str, str]] = Counter()
    for sample in samples(text):
        status = sample.labels.get("status") or sample.labels.get("code")
        names = "upstream" in sample.name or "dependency" in sample.name
        if names and sample.name.endswith(("_total", "_count")) and status:
            dependency = sample.labels.get("dependency") or sample.labels.get("upstream") or ""
            found[(dependency, sample.labels.get("provider", ""), status)] += int(sample.value)
    return found


async def _upstream(target: Target, shared: Shared) -> list[Reading]:
    binding = target.binding("upstream")
    dependency = str(target.option(binding, "dependency", ""))
    before = _calls(await _page(target, shared))
    await asyncio.sleep(BETWEEN_S)
    later = await fetch(target.service.telemetry.scrape, timeout_s=0.5)
    recent = _calls(later.text) if later.status == 200 else Counter[tuple[str, str, str]]()
    recent.subtract(before)
    statuses: Counter[str] = Counter()
    for (name, _, status), count in recent.items():
        if count > 0 and name in ("", dependency):
            statuses[status] += count
    total = sum(statuses.values())
    bad = sum(n for status, n in statuses.items() if not status.startswith(("2", "3")))
    ratio = round(bad / total, 3) if total else None
    return [
        reading(
            "upstream_status",
            target,
            ok=None if ratio is None else ratio < MUCH,
            text=_said(dependency, statuses, total),
            gap="" if total else "no call of the dependency while it was watched",
            dependency=dependency,
            provider=await _provider(target, shared, dependency),
            statuses=dict(statuses),
            recent_error_ratio=ratio,
            watched_s=BETWEEN_S,
        )
    ]


async def _provider(target: Target, shared: Shared, dependency: str) -> str | None:
    try:
        return current_provider(await shared.status(target, "upstream"), target.name, dependency)
    except ToolError:
        return None


def _said(dependency: str, statuses: Counter[str], total: int) -> str:
    if not total:
        return f"no call of {dependency} just now"
    return f"{dependency} answered {', '.join(f'{n} x {s}' for s, n in sorted(statuses.items()))}"


async def _queue(target: Target, shared: Shared) -> list[Reading]:
    text = await _page(target, shared)
    roles = target.service.telemetry.roles
    depth = gauge(text, r"queue.*(depth|length|size)$", roles.get("queue_depth", ""))
    oldest = gauge(text, r"queue.*(oldest|age).*seconds$", roles.get("queue_oldest", ""))
    if depth is None:
        return [reading("queue_depth", target, ok=None, text="no queue gauges", gap="the metrics page names no queue")]
    return [
        reading(
            "queue_depth",
            target,
            ok=(oldest or 0) < OLD_JOB_S,
            text=f"{depth:.0f} jobs wait, the oldest for {oldest or 0:.0f} s",
            depth=int(depth),
            oldest_s=None if oldest is None else round(oldest, 1),
        )
    ]


def _scraped_worker(service: Service) -> bool:
    return service.kind == "worker" and bool(service.telemetry.scrape)


DB_POOL = Probe(name="db_pool", applies=lambda s: "pool" in s.bindings and bool(s.telemetry.scrape), read=_pool)
UPSTREAM_STATUS = Probe(
    name="upstream_status", applies=lambda s: bound("upstream")(s) and bool(s.telemetry.scrape), read=_upstream
)
QUEUE_DEPTH = Probe(name="queue_depth", applies=_scraped_worker, read=_queue)
