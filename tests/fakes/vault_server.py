"""A Vault over HTTP as far as Firebreak uses one, driven by the real hvac; `Store.clock` is the test's own.

KV v2, AppRole with single-use secret ids, tokens with TTL, uses, accessors and metadata, response wrapping, seal and
policies: HCL is parsed and enforced on every request, allowed parameters included.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.clock import Clock
from tests.fakes.loopback import on_loopback

ROOT_TOKEN = "root-token-of-the-vault-double"
VERBS = {"GET": "read", "LIST": "list", "DELETE": "delete", "POST": "update", "PUT": "update"}


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass
class Token:
    """A token, or the single-use key of a wrapped response."""

    id: str
    accessor: str
    policies: list[str]
    expires: datetime | None
    meta: dict[str, str] = field(default_factory=dict)
    uses: int = 0
    period: int = 0
    wrapped: dict[str, Any] | None = None


@dataclass
class Store:
    """Everything behind the API."""

    clock: Clock
    sealed: bool = False
    auth: set[str] = field(default_factory=lambda: {"token/"})
    mounts: set[str] = field(default_factory=lambda: {"sys/"})
    policies: dict[str, str] = field(default_factory=dict)
    roles: dict[str, dict[str, Any]] = field(default_factory=dict)
    secret_ids: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    kv: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens[ROOT_TOKEN] = Token(ROOT_TOKEN, "root-accessor", ["root"], None)

    def issue(self, policies: list[str], ttl: int, **more: Any) -> Token:
        token = Token(
            f"hvs.{secrets.token_urlsafe(24)}",
            secrets.token_urlsafe(18),
            policies,
            self.clock.now() + timedelta(seconds=ttl),
            **more,
        )
        self.tokens[token.id] = token
        return token

    def live(self, token_id: str) -> Token | None:
        token = self.tokens.get(token_id)
        if token is None or (token.expires is not None and self.clock.now() >= token.expires):
            self.tokens.pop(token_id, None)
            return None
        return token

    def by_accessor(self, accessor: str) -> Token:
        for token in list(self.tokens.values()):
            if token.accessor == accessor and self.live(token.id) is not None:
                return token
        raise Refusal(403, "invalid accessor")


def seconds(value: Any) -> int:
    """`90`, `"90s"`, `"72h"` → seconds."""
    text = str(value or 0)
    units = {"s": 1, "m": 60, "h": 3600}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def rules_of(hcl: str) -> dict[str, tuple[set[str], dict[str, list[Any]] | None]]:
    """Path → (capabilities, allowed parameters)."""
    found: dict[str, tuple[set[str], dict[str, list[Any]] | None]] = {}
    for path, body in re.findall(r'path\s+"([^"]+)"\s*\{((?:[^{}]|\{[^{}]*\})*)\}', hcl):
        capabilities = set(re.findall(r'"(\w+)"', re.search(r"capabilities\s*=\s*\[([^\]]*)\]", body)[1]))  # type: ignore[index]
        allowed = re.search(r"allowed_parameters\s*=\s*\{([^}]*)\}", body)
        rows = re.findall(r'"([^"]+)"\s*=\s*(\[[^\]]*\])', allowed[1]) if allowed else []
        found[path] = (capabilities, {name: json.loads(values) for name, values in rows} if allowed else None)
    return found


def allowed(store: Store, token: Token, verb: str, path: str, body: dict[str, Any]) -> bool:
    """Vault's rule: of all matching paths the most specific counts; deny wins on it."""
    if "root" in token.policies:
        return True
    best: tuple[int, int] = (-1, 0)
    capabilities: set[str] = set()
    parameters: dict[str, list[Any]] | None = None
    for name in token.policies:
        for pattern, (given, limits) in rules_of(store.policies.get(name, "")).items():
            prefix = pattern.removesuffix("*")
            hit = path == pattern or (pattern.endswith("*") and path.startswith(prefix))
            rank = (len(prefix), 0 if pattern.endswith("*") else 1)
            if hit and rank > best:
                best, capabilities, parameters = rank, given, limits
    verbs = {"create", "update"} if verb == "update" else {verb}
    if "deny" in capabilities or not capabilities & verbs:
        return False
    if parameters is None:
        return True
    for key, value in body.items():
        limit = parameters.get(key, parameters.get("*"))
        if limit is None or (limit and value not in limit):
            return False
    return True


class Api:
    """The routes."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def __call__(self, request: Request) -> Response:
        verb, path = request.method.upper(), request.path_params["path"]
        raw = await request.body()
        try:
            found = self._answer(verb, path, json.loads(raw or b"{}"), request.headers)
        except Refusal as refusal:
            return JSONResponse({"errors": [refusal.text]}, status_code=refusal.status)
        return Response(status_code=204) if found is None else JSONResponse(found)

    def _answer(self, verb: str, path: str, body: dict[str, Any], headers: Any) -> dict[str, Any] | None:
        store = self.store
        store.requests.append(f"{verb} {path}")
        if path == "sys/seal-status":
            return {"sealed": store.sealed}
        if store.sealed:
            raise Refusal(503, "Vault is sealed")
        if path == "auth/approle/login":
            return self._login(body)
        token = store.live(headers.get("x-vault-token", ""))
        if token is None:
            raise Refusal(400 if path == "sys/wrapping/unwrap" else 403, "permission denied: bad token")
        if path == "sys/wrapping/unwrap":
            return self._unwrap(token)
        self_service = path in ("auth/token/lookup-self",) and not token.policies
        if not self_service and not allowed(store, token, VERBS[verb], path, body):
            raise Refusal(403, "1 error occurred: permission denied")
        self._count(token)
        found = self._dispatch(verb, path, body, token)
        wrap = headers.get("x-vault-wrap-ttl")
        if wrap and found is not None:
            key = store.issue(["response-wrapping"], seconds(wrap), wrapped=found)
            return {"wrap_info": {"token": key.id, "accessor": key.accessor, "ttl": seconds(wrap)}}
        return found

    def _count(self, token: Token) -> None:
        if token.uses:
            token.uses -= 1
            if not token.uses:
                del self.store.tokens[token.id]

    def _unwrap(self, token: Token) -> dict[str, Any]:
        if token.wrapped is None:
            raise Refusal(400, "wrapping token is not valid or does not exist")
        del self.store.tokens[token.id]
        return token.wrapped

    def _dispatch(self, verb: str, path: str, body: dict[str, Any], token: Token) -> dict[str, Any] | None:
        head, _, rest = path.partition("/")
        if path.startswith("auth/approle/role/"):
            return self._role(verb, path.removeprefix("auth/approle/role/"), body)
        if head == "auth" and rest.startswith("token/"):
            return self._token(rest.removeprefix("token/"), body, token)
        if head == "sys":
            return self._sys(verb, rest, body)
        if f"{head}/" in self.store.mounts:
            return self._kv(verb, head, rest, body)
        raise Refusal(404, f"no handler for route {path!r}")

    def _sys(self, verb: str, rest: str, body: dict[str, Any]) -> dict[str, Any] | None:
        store = self.store
        if rest == "auth":
            return {"data": {name: {} for name in store.auth}}
        if rest == "mounts":
            return {"data": {name: {} for name in store.mounts}}
        kind, _, name = rest.partition("/")
        if kind == "auth":
            store.auth.add(f"{name}/")
        elif kind == "mounts":
            store.mounts.add(f"{name}/")
        elif kind == "policy" and verb == "PUT":
            store.policies[name] = body["policy"]
        elif kind == "policy":
            return {"data": {"name": name, "policy": store.policies[name]}}
        elif rest == "seal":
            store.sealed = True
        else:
            raise Refusal(404, f"no handler for route sys/{rest}")
        return None

    def _role(self, verb: str, rest: str, body: dict[str, Any]) -> dict[str, Any] | None:
        roles = self.store.roles
        name, _, part = rest.partition("/")
        if not part and verb == "POST":
            roles[name] = {**roles.get(name, {"role_id": secrets.token_hex(8)}), **body}
            return None
        if not part and verb == "DELETE":
            roles.pop(name, None)
            return None
        if name not in roles:
            raise Refusal(404, f"role {name!r} does not exist")
        if part == "role-id":
            return {"data": {"role_id": roles[name]["role_id"]}}
        secret_id = secrets.token_urlsafe(16)
        self.store.secret_ids[secret_id] = {
            "role": name,
            "uses": int(roles[name].get("secret_id_num_uses", 0)),
            "expires": self.store.clock.now() + timedelta(seconds=seconds(roles[name].get("secret_id_ttl", "24h"))),
            "meta": json.loads(body.get("metadata", "{}")),
        }
        return {"data": {"secret_id": secret_id, "secret_id_num_uses": roles[name].get("secret_id_num_uses")}}

    def _login(self, body: dict[str, Any]) -> dict[str, Any]:
        known = self.store.secret_ids.get(body.get("secret_id", ""))
        role = self.store.roles.get(known["role"]) if known else None
        if known is None or role is None or role["role_id"] != body["role_id"]:
            raise Refusal(400, "invalid role or secret ID")
        if self.store.clock.now() >= known["expires"]:
            raise Refusal(400, "invalid role or secret ID")
        if known["uses"] == 1:
            del self.store.secret_ids[body["secret_id"]]
        period = seconds(role.get("token_period", 0))
        ttl = period or seconds(role.get("token_ttl", "768h"))
        token = self.store.issue(
            role["token_policies"].split(","),
            ttl,
            meta={**known["meta"], "role_name": known["role"]},
            uses=int(role.get("token_num_uses", 0)),
            period=period,
        )
        return {
            "auth": {"client_token": token.id, "accessor": token.accessor, "lease_duration": ttl, "renewable": True}
        }

    def _token(self, rest: str, body: dict[str, Any], token: Token) -> dict[str, Any] | None:
        store = self.store
        match rest:
            case "renew-self":
                token.expires = store.clock.now() + timedelta(seconds=token.period)
                return {"auth": {"client_token": token.id, "lease_duration": token.period}}
            case "revoke-self":
                store.tokens.pop(token.id, None)
                return None
            case "lookup-accessor":
                found = store.by_accessor(body["accessor"])
                ttl = int((found.expires - store.clock.now()).total_seconds()) if found.expires else 0
                return {
                    "data": {"accessor": found.accessor, "meta": found.meta, "ttl": ttl, "policies": found.policies}
                }
            case "revoke-accessor":
                del store.tokens[store.by_accessor(body["accessor"]).id]
                return None
            case "lookup-self":
                return {"data": {"accessor": token.accessor, "meta": token.meta, "policies": token.policies}}
            case "accessors":
                return {"data": {"keys": [t.accessor for t in store.tokens.values()]}}
        raise Refusal(404, f"no handler for route auth/token/{rest}")

    def _kv(self, verb: str, mount: str, rest: str, body: dict[str, Any]) -> dict[str, Any] | None:
        kind, _, path = rest.partition("/")
        key = f"{mount}/{path}"
        versions = self.store.kv.setdefault(key, [])
        if kind == "metadata" and verb == "LIST":
            names = {
                k.removeprefix(f"{key}".rstrip("/") + "/").split("/")[0] for k in self.store.kv if self.store.kv[k]
            }
            return {"data": {"keys": sorted(names)}}
        if verb == "GET":
            if not versions:
                raise Refusal(404, "")
            return {"data": {"data": versions[-1], "metadata": {"version": len(versions)}}}
        versions.append(body["data"])
        return {"data": {"version": len(versions)}}


@contextmanager
def vault(clock: Clock) -> Iterator[tuple[str, Store]]:
    """Serve until the block ends; yields the address and what is behind it."""
    store = Store(clock)
    methods = ["GET", "POST", "PUT", "DELETE", "LIST", "list"]
    app = Starlette(routes=[Route("/v1/{path:path}", Api(store).__call__, methods=methods)])
    with on_loopback(app) as url:
        yield url, store
