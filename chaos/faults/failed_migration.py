"""A migration stopped half way and the schema is neither the old nor the new one."""

from __future__ import annotations

import contextlib

from chaos.errors import PatientError
from chaos.model import Durability, FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import restart, users_suffer
from chaos.site import Site
from domain.value import Value

REPAIR = """
do $$
begin
    if exists (select from information_schema.columns where table_schema = 'public' and table_name = 'orders'
               and column_name = 'amount_minor') then
        alter table orders rename column amount_minor to total_cents;
    end if;
    alter table orders drop column if exists tax_rate;
    update alembic_version set version_num = '{before}';
end $$
"""


class Upgrade(Value):
    """Which revision is tried."""

    revision: str = "0004"


class FailedMigration:
    """The unreleased migration is run for real; it renames a column, fails in its backfill, and stays there."""

    spec = FaultSpec(
        name="failed_migration",
        family="database",
        service="postgres",
        summary="a schema migration failed half way; the api misses a column",
        parameters=Upgrade,
        ladder={Magnitude.MEDIUM: {}},
        durability=Durability.EVENT,
        touches=frozenset({"api"}),
    )

    async def prepare(self, site: Site, parameters: Upgrade) -> Undo:
        rows = await site.database.rows("select version_num as version from alembic_version")
        return {"before": str(rows[0]["version"]), "revision": parameters.revision}

    async def inject(self, site: Site, parameters: Upgrade, undo: Undo, note: Note) -> None:
        with contextlib.suppress(PatientError):  # that it fails is the fault
            await site.control.post("/migrations", {"revision": parameters.revision})

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        return [await _half_way(site), await users_suffer(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        if (await _half_way(site)).ok:
            await site.database.rows(REPAIR.format(before=undo["before"]))

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        half = await _half_way(site)
        return [Observation(name="schema", ok=not half.ok, text=half.text)]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return [await restart(site, "api")]


async def _half_way(site: Site) -> Observation:
    rows = await site.database.rows(
        "select (select version_num from alembic_version) as version, exists (select from information_schema.columns"
        " where table_schema = 'public' and table_name = 'orders' and column_name = 'total_cents') as whole"
    )
    version, whole = rows[0]["version"], rows[0]["whole"]
    return Observation(
        name="half migrated",
        ok=not whole,
        text=f"revision {version}, orders.total_cents {'there' if whole else 'gone'}",
    )
