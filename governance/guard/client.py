"""The guard's client: the same face over HTTP, for processes that hold no executor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import stamina
from pydantic import ValidationError

from domain.action import ActionSpec, Judgement
from domain.clock import SystemClock
from domain.errors import CircuitOpenError, UpstreamError
from domain.guard import (
    Actor,
    Approval,
    ApprovalAnswer,
    EntriesFound,
    EntrySearch,
    GuardStatus,
    LedgerEntry,
    LedgerVerification,
    Receipt,
    Withdrawal,
)
from domain.plan import Plan
from domain.value import Value
from governance.guard.face import FreezeReport, UnwindItem, UnwindReport
from governance.guard.people import PeopleShown, Welcome
from governance.guard.problems import error_of
from governance.health import Breaker
from governance.shadow import Agreement, Shadowed

V = TypeVar("V", bound=Value)

_READ_S = 300.0
"""Longest wait for an answer: an action's own timeout is shorter."""
_TRIES = 6
"""A restarted action server is back within seconds."""


class HttpGuard:
    """Implements GuardFace. Calls that are safe to repeat are repeated while the server does not answer."""

    def __init__(
        self,
        url: str,
        token: str,
        transport: httpx.AsyncBaseTransport | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._url = url
        self._transport = transport
        self._breaker = breaker or Breaker("action_server", SystemClock())
        self._client = httpx.AsyncClient(
            base_url=url,
            transport=transport,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_READ_S, connect=3.0),
        )

    def with_token(self, token: str) -> HttpGuard:
        """The same server for another holder, such as the person whose answer is passed on. Close it yourself."""
        return HttpGuard(self._url, token, self._transport, self._breaker)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> HttpGuard:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def specs(self) -> list[ActionSpec]:
        found = await self._call("GET", "/v1/specs")
        return many(ActionSpec, found, "specs")

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        body = {"plan": _plain(plan), "actor": _plain(actor)}
        return many(Judgement, await self._call("POST", "/v1/judge", body), "judgements")

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        body = {"plan_id": plan_id, "step_id": step_id, "actor": _plain(actor), "approval_id": approval_id}
        return one(Receipt, await self._call("POST", "/v1/apply", body))

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        body = {"plan_id": plan_id, "step_id": step_id, "actor": _plain(actor)}
        return one(Receipt, await self._call("POST", "/v1/compensate", body))

    async def approval(self, approval_id: str) -> Approval:
        return one(Approval, await self._call("GET", f"/v1/approvals/{segment(approval_id)}"))

    async def approvals(self, *, open_only: bool = False, change: str | None = None) -> list[Approval]:
        query = {"open": str(open_only).lower(), **({"change": change} if change is not None else {})}
        return many(Approval, await self._call("GET", "/v1/approvals", query=query), "approvals")

    async def withdraw(self, approval_id: str, ended: Withdrawal) -> Approval:
        path = f"/v1/approvals/{segment(approval_id)}/withdraw"
        return one(Approval, await self._call("POST", path, _plain(ended)))

    async def status(self) -> GuardStatus:
        return one(GuardStatus, await self._call("GET", "/v1/status"))

    async def answer(self, approval_id: str, answer: ApprovalAnswer) -> Approval:
        path = f"/v1/approvals/{segment(approval_id)}/answer"
        return one(Approval, await self._call("POST", path, _plain(answer)))

    async def freeze(self, reason: str = "") -> FreezeReport:
        return one(FreezeReport, await self._call("POST", "/v1/freeze", {"reason": reason}))

    async def resume(self, reason: str = "") -> GuardStatus:
        return one(GuardStatus, await self._call("POST", "/v1/resume", {"reason": reason}))

    async def unwindable(self, change: str | None = None) -> list[UnwindItem]:
        query = {"change": change} if change is not None else {}
        return many(UnwindItem, await self._call("GET", "/v1/unwind", query=query), "items")

    async def unwind(self, change: str | None = None) -> UnwindReport:
        return one(UnwindReport, await self._call("POST", "/v1/unwind", {"change": change}))

    async def take(self, change: str, reason: str = "") -> None:
        await self._call("POST", f"/v1/changes/{segment(change)}/take", {"reason": reason})

    async def give_back(self, change: str, reason: str = "") -> None:
        await self._call("POST", f"/v1/changes/{segment(change)}/give-back", {"reason": reason})

    async def shadowed(self, since: datetime) -> list[Shadowed]:
        return many(Shadowed, await self._call("GET", "/v1/shadow", query={"since": since.isoformat()}), "proposals")

    async def label_shadow(self, id: str, agreement: Agreement) -> Shadowed:
        return one(Shadowed, await self._call("POST", f"/v1/shadow/{segment(id)}", {"label": agreement.value}))

    async def ledger(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        query = {"after": str(after), "limit": str(limit), **({"change": change} if change is not None else {})}
        return many(LedgerEntry, await self._call("GET", "/v1/ledger", query=query), "entries")

    async def search(self, wanted: EntrySearch) -> EntriesFound:
        query = {name: str(value) for name, value in wanted.model_dump().items()}
        return one(EntriesFound, await self._call("GET", "/v1/ledger/search", query=query))

    async def verify(self) -> LedgerVerification:
        return one(LedgerVerification, await self._call("GET", "/v1/ledger/verify"))

    async def record(self, kind: str, change: str, content: dict[str, Any]) -> LedgerEntry:
        body = {"kind": kind, "change": change, "content": content}
        return one(LedgerEntry, await self._call("POST", "/v1/ledger", body, repeatable=False))

    async def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """GET a path, or POST a body to it; the parsed answer. Raises what the server raised, or UpstreamError."""
        if body is None:
            return await self._call("GET", path)
        return await self._call("POST", path, body, repeatable=False)

    async def people(self) -> PeopleShown:
        """Everybody with a credential of their own. Raises AuthError for anybody but an administrator."""
        return one(PeopleShown, await self._call("GET", "/v1/people"))

    async def add_person(self, name: str, roles: Sequence[str] = ()) -> Welcome:
        """A new person, with a token that is shown this once."""
        body = {"name": name, "roles": list(roles)}
        return one(Welcome, await self._call("POST", "/v1/people", body, repeatable=False))

    async def rotate_person(self, name: str) -> Welcome:
        """A fresh token; the old one and all sessions end."""
        return one(Welcome, await self._call("POST", f"/v1/people/{segment(name)}/rotate", {}, repeatable=False))

    async def remove_person(self, name: str) -> None:
        """Everything of this person ends."""
        await self._call("DELETE", f"/v1/people/{segment(name)}", repeatable=False)

    async def sign_in_oidc(self, id_token: str, nonce: str) -> Welcome:
        """A session for whom the OpenID provider vouches for. Raises AuthError."""
        body = {"id_token": id_token, "nonce": nonce}
        return one(Welcome, await self._call("POST", "/v1/sign-in/oidc", body, repeatable=False))

    async def sign_in_proxy(self, name: str) -> Welcome:
        """A session for whom a trusted proxy let through. Raises AuthError."""
        return one(Welcome, await self._call("POST", "/v1/sign-in/proxy", {"name": name}, repeatable=False))

    async def sign_in_github(self, name: str) -> Welcome:
        """A session for who wrote a comment on a pull request. Raises AuthError."""
        return one(Welcome, await self._call("POST", "/v1/sign-in/github", {"name": name}, repeatable=False))

    async def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        repeatable: bool = True,
    ) -> Any:
        """The parsed answer. Raises what the server raised, or UpstreamError.

        Repeatable means that asking twice has the effect of asking once; anything else is only repeated
        when the connection was refused, so that nothing was sent.
        """
        retried = httpx.TransportError if repeatable else httpx.ConnectError
        try:
            return _parsed(await self._patiently(retried, method, path, body, query))
        except (httpx.HTTPError, CircuitOpenError) as error:
            raise UpstreamError(
                "the action server does not answer",
                expected=f"an answer from {self._url}",
                found=error.message if isinstance(error, CircuitOpenError) else type(error).__name__,
                hint="`firebreak status` shows whether it runs",
            ) from error

    async def _patiently(
        self,
        retried: type[Exception],
        method: str,
        path: str,
        body: dict[str, Any] | None,
        query: Mapping[str, str] | None,
    ) -> httpx.Response:
        async def once() -> httpx.Response:
            async with self._breaker.watching(httpx.TransportError):
                return await self._client.request(method, path, json=body, params=query)

        caller = stamina.AsyncRetryingCaller(attempts=_TRIES, timeout=20.0, wait_initial=0.2, wait_max=3.0)
        return await caller(retried, once)


def _parsed(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code != 200:
        raise error_of(response.status_code, body)
    return body


def one(kind: type[V], body: Any) -> V:
    """The answer as a value. Raises UpstreamError when it is something else."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise UpstreamError(
            "the action server answered something unexpected",
            expected=kind.__name__,
            found=str(error.errors()[0]["msg"]),
            hint="run the same version everywhere",
        ) from error


def many(kind: type[V], body: Any, name: str) -> list[V]:
    try:
        rows: list[Any] = body[name]
        return [one(kind, row) for row in rows]
    except (TypeError, KeyError) as error:
        raise UpstreamError(
            "the action server answered something unexpected", expected=f"a list of {name}", found=type(body).__name__
        ) from error


def _plain(value: Value) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True)


def segment(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")
