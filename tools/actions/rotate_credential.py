"""A new password for a service's database role, with everything the role needs to log in and work."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from domain.action import Effect
from domain.conditions import Condition
from domain.errors import ToolError
from tools.actions.arguments import Args, Restart
from tools.actions.processes import look, restarted
from tools.credential import credential_facts
from tools.lifecycle import lifecycle
from tools.postgres import (
    SQL,
    Composed,
    Connection,
    Identifier,
    Literal,
    compose,
    connected,
    database_name,
    encrypted,
    run,
)
from tools.secret import keep_password, mark, require_place
from tools.spec import Action, Preview, State, would
from tools.target import Target


class RotateCredential(Args):
    """Whether the consumer is restarted; the role is the one of the target's binding."""

    restart: Restart = True


async def _observe(target: Target, args: RotateCredential) -> State:
    require_place(target)
    binding = target.binding("credential")
    dsn = target.variable(binding.dsn_env, "administrator's DSN")
    facts = await credential_facts(target, dsn)
    return {
        **facts,
        "kept": await asyncio.to_thread(mark, target),
        "process": await look(target, args) if args.restart and target.has("process") else None,
    }


def _preview(args: RotateCredential, state: State) -> Preview:
    wrong = [] if state["exists"] else ["the role does not exist and would be created"]
    wrong += [] if state["can_login"] or not state["exists"] else ["it may not log in at present"]
    wrong += [f"it is no member of {', '.join(state['member_of_missing'])}"] if state["member_of_missing"] else []
    now = f" ({'; '.join(wrong)})" if wrong else ""
    after = "; the service is restarted" if state["process"] else ""
    return would(f"role {state['role']} would get a new random password, LOGIN and its memberships{now}{after}")


async def _apply(target: Target, args: RotateCredential, before: State) -> str:
    binding = target.binding("credential")
    password = secrets.token_urlsafe(32)
    dsn = target.variable(binding.dsn_env, "administrator's DSN")
    async with connected(dsn, read_only=False, statement_s=5.0) as connection, connection.transaction():
        await _grant(connection, before, password, dsn, binding.options)
        # Inside the transaction: a place that cannot be written leaves the former password in force.
        await asyncio.to_thread(keep_password, target, before["role"], password)
    if args.restart and target.has("process"):
        await lifecycle(target).restart()
    return f"role {before['role']} has a new password and may log in"


async def _grant(connection: Connection, before: State, password: str, dsn: str, options: Mapping[str, Any]) -> None:
    role = Identifier(before["role"])
    verifier = Literal(encrypted(connection, user=before["role"], password=password))
    if not before["exists"]:
        await run(connection, compose("create role {}", role))
    await run(
        connection,
        compose(
            "alter role {} with login password {} valid until 'infinity' connection limit {}",
            role,
            verifier,
            Literal(int(options.get("connection_limit", -1))),
        ),
    )
    database = database_name(dsn)
    if database:
        await run(connection, compose("grant connect on database {} to {}", Identifier(database), role))
    for group in _names(options.get("member_of")):
        await run(connection, compose("grant {} to {}", Identifier(group), role))
    for grant in options.get("grants") or []:
        await run(connection, _table_grant(grant))


_PRIVILEGES = {
    "select": SQL("select"),
    "insert": SQL("insert"),
    "update": SQL("update"),
    "delete": SQL("delete"),
    "usage": SQL("usage"),
}


def _table_grant(grant: Mapping[str, Any]) -> Composed:
    """One declared grant {to, privileges, on: tables | sequences | schema, names?, schema?} as a statement."""
    words = [str(p).lower() for p in grant.get("privileges", [])]
    if not words or not set(words) <= set(_PRIVILEGES):
        raise ToolError("not a grant we give", expected=", ".join(sorted(_PRIVILEGES)), found=", ".join(words))
    schema = Identifier(str(grant.get("schema", "public")))
    kind = str(grant.get("on", "tables"))
    named = [Identifier(str(grant.get("schema", "public")), str(name)) for name in grant.get("names", [])]
    places = {
        "tables": compose("all tables in schema {}", schema),
        "sequences": compose("all sequences in schema {}", schema),
        "schema": compose("schema {}", schema),
    }
    if named:
        places["tables"] = SQL(", ").join(named)
    if kind not in places:
        raise ToolError("not a place we grant on", expected=", ".join(places), found=kind)
    return compose(
        "grant {} on {} to {}",
        SQL(", ").join(_PRIVILEGES[word] for word in words),
        places[kind],
        Identifier(str(grant["to"])),
    )


def _names(found: Sequence[str] | None) -> list[str]:
    return [str(name) for name in found or []]


def _confirm(args: RotateCredential, before: State, now: State) -> bool | None:
    if not (now["can_login"] and not now["member_of_missing"] and now["login_ok"]):
        return False
    if not before:
        return None
    if now["kept"] == before["kept"]:
        return False
    if not now.get("process"):
        return True
    return restarted(before["process"], now["process"]) if before.get("process") else None


ROTATE_CREDENTIAL = Action(
    name="rotate_credential",
    summary="Give the service's database role a new random password, LOGIN, no expiry and its declared memberships; "
    "put it where the service reads it (its file, or Vault) and restart the service. The password is never shown.",
    args=RotateCredential,
    effect=Effect.TRANSIENT,
    removes=(Condition.ROLE_CANNOT_LOGIN, Condition.ROLE_LACKS_RIGHTS),
    aspects=("credential",),
    no_undo_reason="a revoked or replaced password is not brought back: it may be known to others; rotating again is the way",
    timeout_s=45.0,
    blast_radius="other holders of the former password are locked out; the service restarts within seconds",
    witness=("role", "exists", "can_login", "member_of_missing"),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
)
