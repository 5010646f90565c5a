"""Somebody locked a table in a transaction and left it open."""

from __future__ import annotations

import secrets

from chaos.model import FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import new_state_file, start_workload, stop_workload, users_suffer, workload_gone
from chaos.site import Site
from domain.value import Value


class HeldLock(Value):
    """What is locked."""

    table: str = "orders"


class LongTransactions:
    """An idle session holds an exclusive lock; whoever needs the table waits until it times out."""

    spec = FaultSpec(
        name="long_transactions",
        family="database",
        service="postgres",
        summary="an idle transaction holds a table lock that orders need",
        parameters=HeldLock,
        ladder={Magnitude.LOW: {"table": "order_items"}, Magnitude.MEDIUM: {"table": "orders"}},
        touches=frozenset({"api"}),
    )

    async def prepare(self, site: Site, parameters: HeldLock) -> Undo:
        return {"state_file": new_state_file(site), "application_name": f"reporting-{secrets.token_hex(3)}"}

    async def inject(self, site: Site, parameters: HeldLock, undo: Undo, note: Note) -> None:
        orders = {
            "dsn": site.facts().admin_dsn,
            "table": parameters.table,
            "application_name": undo["application_name"],
        }
        await start_workload(site, undo, "lock", orders, note)

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        rows = await site.database.rows(
            "select l.relation::regclass::text as relation, a.state from pg_locks l join pg_stat_activity a using (pid)"
            " where a.application_name = %s and l.mode = 'AccessExclusiveLock' and l.granted",
            [undo["application_name"]],
        )
        held = Observation(
            name="lock held", ok=bool(rows), text=", ".join(f"{r['relation']} {r['state']}" for r in rows)
        )
        return [held, await users_suffer(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        await stop_workload(site, undo)
        await site.database.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            [undo["application_name"]],
        )

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        rows = await site.database.rows(
            "select pid from pg_stat_activity where application_name = %s", [undo["application_name"]]
        )
        return [
            workload_gone(site, undo),
            Observation(name="session", ok=not rows, text=f"{len(rows)} left"),
        ]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []
