"""The database no longer lets the api in."""

from __future__ import annotations

import secrets
from enum import StrEnum

from chaos.errors import ChaosError
from chaos.model import Durability, FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import restart, users_suffer
from chaos.site import Site
from domain.value import Value

ROLE = "shop_api"


class Way(StrEnum):
    """How a right is lost."""

    NOLOGIN = "nologin"
    PASSWORD = "password"
    MEMBERSHIP = "membership"


class Revocation(Value):
    """Which of the ways."""

    way: Way = Way.PASSWORD


class CredentialRevoked:
    """The role may not log in, has another password, or lost its group; its sessions are cut."""

    spec = FaultSpec(
        name="credential_revoked",
        family="database",
        service="postgres",
        summary="the api's database role was revoked and its sessions cut",
        parameters=Revocation,
        ladder={
            Magnitude.LOW: {"way": Way.MEMBERSHIP},
            Magnitude.MEDIUM: {"way": Way.PASSWORD},
            Magnitude.HIGH: {"way": Way.NOLOGIN},
        },
        durability=Durability.EVENT,
        touches=frozenset({"api"}),
    )

    async def prepare(self, site: Site, parameters: Revocation) -> Undo:
        rows = await site.database.rows("select rolpassword as verifier from pg_authid where rolname = %s", [ROLE])
        if not rows:
            raise ChaosError("there is no role to revoke", expected=f"a role {ROLE}", found="none")
        return {"way": parameters.way.value, "verifier": rows[0]["verifier"], "groups": await _groups(site)}

    async def inject(self, site: Site, parameters: Revocation, undo: Undo, note: Note) -> None:
        match parameters.way:
            case Way.NOLOGIN:
                await site.database.rows(f"alter role {ROLE} nologin")
            case Way.PASSWORD:
                await site.database.rows(f"alter role {ROLE} password '{secrets.token_hex(12)}'")
                await note({"ours": await _verifier(site)})
            case Way.MEMBERSHIP:
                for group in undo["groups"]:
                    await site.database.rows(f"revoke {_quoted(group)} from {ROLE}")
        await site.database.rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [ROLE])

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        return [await _standing(site, undo), await users_suffer(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        match Way(undo["way"]):
            case Way.NOLOGIN:
                await site.database.rows(f"alter role {ROLE} login")
            case Way.PASSWORD:
                # A password that somebody set since then is a cure and stays.
                if undo.get("ours") in (None, await _verifier(site)) and undo["verifier"]:
                    await site.database.rows(f"alter role {ROLE} password '{undo['verifier']}'")
            case Way.MEMBERSHIP:
                for group in undo["groups"]:
                    await site.database.rows(f"grant {_quoted(group)} to {ROLE}")

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        standing = await _standing(site, undo)
        return [Observation(name="role", ok=not standing.ok, text=standing.text)]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return [await restart(site, "api")]


async def _standing(site: Site, undo: Undo) -> Observation:
    """Whether the role is revoked the way we did it."""
    match Way(undo["way"]):
        case Way.NOLOGIN:
            rows = await site.database.rows("select rolcanlogin as ok from pg_roles where rolname = %s", [ROLE])
            lost = not (rows and rows[0]["ok"])
            return Observation(name="role revoked", ok=lost, text="may not log in" if lost else "may log in")
        case Way.PASSWORD:
            verifier = await _verifier(site)
            lost = verifier != undo["verifier"] if "ours" not in undo else verifier == undo["ours"]
            return Observation(
                name="role revoked", ok=lost, text="has another password" if lost else "has its own password"
            )
        case Way.MEMBERSHIP:
            missing = sorted(set(undo["groups"]) - set(await _groups(site)))
            return Observation(name="role revoked", ok=bool(missing), text=f"lost {', '.join(missing) or 'nothing'}")


async def _verifier(site: Site) -> str | None:
    rows = await site.database.rows("select rolpassword as verifier from pg_authid where rolname = %s", [ROLE])
    return rows[0]["verifier"] if rows else None


async def _groups(site: Site) -> list[str]:
    rows = await site.database.rows(
        "select g.rolname as name from pg_auth_members m join pg_roles g on g.oid = m.roleid"
        " join pg_roles r on r.oid = m.member where r.rolname = %s order by 1",
        [ROLE],
    )
    return [str(row["name"]) for row in rows]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
