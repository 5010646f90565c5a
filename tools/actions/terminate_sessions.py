"""Ending database sessions that hold others up."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from domain.action import Effect
from domain.conditions import Condition
from tools.actions.arguments import Args, Name
from tools.postgres import connected, rows
from tools.sessions import idles_in_transaction, sessions
from tools.spec import Action, Preview, State, nothing, unclear, would
from tools.target import Target

_MAINTENANCE = (
    "vacuum",
    "reindex",
    "cluster",
    "create ",
    "alter ",
    "analyze",
    "copy ",
    "refresh ",
    "checkpoint",
    "drop ",
)


LONG_IDLE_S = 30.0
"""A backend that idles this long is no newcomer that happens to have a named pid; seconds."""


class TerminateSessions(Args):
    """Which sessions: by pid, or by role and idle time."""

    pids: list[int] = Field(default=[], max_length=100, description="Backend pids.")
    backend_starts: dict[str, str] = Field(
        default={}, description="Per pid, when its backend started (as db_locks gives it); another backend is spared."
    )
    of_role: Name | None = Field(default=None, description="Only sessions of this role.")
    idle_in_transaction_s: float | None = Field(
        default=None, ge=1, description="Every session that is idle in a transaction for at least so many seconds."
    )

    @model_validator(mode="after")
    def _selects(self) -> TerminateSessions:
        if not self.pids and self.idle_in_transaction_s is None:
            raise ValueError("name pids, or a least idle_in_transaction_s")
        return self


async def _observe(target: Target, args: TerminateSessions) -> State:
    binding = target.binding("database")
    dsn = target.variable(binding.dsn_env, "administrator's DSN")
    async with connected(dsn, read_only=True) as connection:
        found = await sessions(connection)
    chosen = [row for row in found if _chosen(row, args)]
    refused = {str(row["pid"]): why for row in chosen if (why := protection(row, args))}
    ended = [row for row in chosen if str(row["pid"]) not in refused]
    return {
        "sessions": [_shown(row) for row in ended],
        "sessions_started": {str(row["pid"]): row["backend_start"] for row in ended},
        "refused": refused,
        "alive": {str(row["pid"]): row["backend_start"] for row in found},
    }


def _chosen(row: dict[str, Any], args: TerminateSessions) -> bool:
    if args.of_role is not None and row["role"] != args.of_role:
        return False
    if args.pids:
        return row["pid"] in args.pids
    return row["state"] == "idle in transaction" and (row["state_s"] or 0) >= (args.idle_in_transaction_s or 0)


def protection(row: dict[str, Any], args: TerminateSessions) -> str:
    """Why this session must not be ended; empty when it may.

    A pid says little once its backend has gone: without a start time only a session that holds others up, or idles in a
    transaction, is taken to be the one that was meant. A superuser's session is ended only when it is named, holds others
    up and does no maintenance; one that is named by its start and idles in a transaction still holds what it held, also in
    the moments in which those who waited have given up and not yet come back.
    """
    if row["own"]:
        return "our own session"
    if row["backend_type"] != "client backend":
        return f"a {row['backend_type']}, not a client"
    if row["replication"] and row["backend_type"] == "walsender":
        return "a replication session"
    meant = args.backend_starts.get(str(row["pid"]))
    if meant is not None and meant != row["backend_start"]:
        return "another backend has this pid now"
    idle = row["state"] == "idle" and (row["state_s"] or 0) >= LONG_IDLE_S
    culprit = row["blocks"] > 0 or idles_in_transaction(row) or idle
    if args.pids and meant is None and not culprit:
        return "it holds nobody up; give its backend start to end it nevertheless"
    if row["superuser"]:
        return _superuser(row, args, known=meant is not None)
    return ""


def _superuser(row: dict[str, Any], args: TerminateSessions, *, known: bool) -> str:
    if not args.pids:
        return "a superuser's session, and it was not named"
    if row["blocks"] == 0 and not (known and idles_in_transaction(row)):
        return "a superuser's session that holds nobody up"
    if row["state"] == "active" and row["query"].lstrip().lower().startswith(_MAINTENANCE):
        return "a superuser's maintenance at work"
    return ""


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("pid", "backend_start", "role", "application_name", "state", "transaction_s", "blocks", "query")
    return {key: row[key] for key in keys}


def _preview(args: TerminateSessions, state: State) -> Preview:
    spared = "; ".join(f"{pid} is spared: {why}" for pid, why in sorted(state["refused"].items()))
    if not state["sessions"]:
        return (unclear if state["refused"] else nothing)(spared or "none of these sessions exists any more")
    cut = "; ".join(
        f"pid {s['pid']} ({s['role']}, {s['state']}, transaction for {s['transaction_s'] or 0:.0f} s, "
        f"{s['blocks']} wait for it)"
        for s in state["sessions"][:10]
    )
    more = f" and {len(state['sessions']) - 10} more" if len(state["sessions"]) > 10 else ""
    return would(f"would end {cut}{more}" + (f" ({spared})" if spared else ""))


async def _apply(target: Target, args: TerminateSessions, before: State) -> str:
    wanted = before["sessions"]
    binding = target.binding("database")
    dsn = target.variable(binding.dsn_env, "administrator's DSN")
    async with connected(dsn, read_only=False, statement_s=5.0) as connection:
        ended = await rows(
            connection,
            # One statement: the backend is compared and signalled from the same snapshot row.
            """select a.pid, pg_terminate_backend(a.pid) as ended
               from pg_stat_activity a
               join unnest(%(pids)s::int[], %(starts)s::timestamptz[]) as w(pid, start)
                 on w.pid = a.pid and w.start = a.backend_start""",
            {"pids": [s["pid"] for s in wanted], "starts": [s["backend_start"] for s in wanted]},
        )
    return f"ended {sum(bool(row['ended']) for row in ended)} of {len(wanted)} sessions of {target.name}"


def _confirm(args: TerminateSessions, before: State, now: State) -> bool | None:
    if before:
        return all(now["alive"].get(str(s["pid"])) != s["backend_start"] for s in before["sessions"])
    if args.backend_starts:
        return all(now["alive"].get(pid) != start for pid, start in args.backend_starts.items())
    return not now["sessions"]


TERMINATE_SESSIONS = Action(
    name="terminate_sessions",
    summary="End database sessions that hold locks or idle in transactions, so that others get on.",
    args=TerminateSessions,
    effect=Effect.TRANSIENT,
    removes=(Condition.SESSION_BLOCKS_OTHERS, Condition.SESSIONS_EXHAUSTED),
    aspects=("database",),
    no_undo_reason="an ended session cannot be brought back; its open transaction is rolled back by the database",
    blast_radius="the clients of these sessions get an error and lose their uncommitted work",
    witness=("sessions_started",),
    observe=_observe,
    preview=_preview,
    apply=_apply,
    confirm=_confirm,
)
