"""A system's HTTP control endpoint: what runs there, and the few things it lets us change.

GET `status_url` → {processes: [{name, pid, state, restarts, last_exit, started_at, …}], …}; POST
`<binding url>/start|stop|restart|resume` for processes and POST `<binding url>` with a JSON body for everything else.
Reading uses the read token when there is one, changing the control token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.errors import ToolError
from domain.inventory import Binding
from tools.http import request_json
from tools.target import Target

READ_TIMEOUT_S = 2.0
WRITE_TIMEOUT_S = 60.0


class ControlEndpoint:
    """The endpoint as one service's binding reaches it."""

    def __init__(self, target: Target, binding: Binding) -> None:
        self._target = target
        self._binding = binding

    async def status(self) -> dict[str, Any]:
        """The whole status document. Raises ToolUnavailableError when the endpoint is down."""
        return await request_json("GET", self._status_url(), token=self._read_token(), timeout_s=READ_TIMEOUT_S)

    async def process(self) -> dict[str, Any]:
        """The status row of the target's process. Raises ToolError when the endpoint does not know it."""
        return process_row(await self.status(), self._process_name())

    async def get(self, suffix: str = "") -> dict[str, Any]:
        """GET the binding's own URL."""
        return await request_json("GET", self._binding.url + suffix, token=self._read_token(), timeout_s=READ_TIMEOUT_S)

    async def post(self, body: dict[str, Any] | None = None, *, suffix: str = "") -> dict[str, Any]:
        """POST to the binding's URL. Raises ToolUnknownError when no answer came back."""
        token = self._target.variable(self._binding.token_env, "control token")
        return await request_json(
            "POST", self._binding.url + suffix, token=token, json_body=body or {}, timeout_s=WRITE_TIMEOUT_S
        )

    def _process_name(self) -> str:
        return str(self._binding.options.get("process") or self._binding.url.rstrip("/").rsplit("/", 1)[-1])

    def _status_url(self) -> str:
        process = self._target.service.bindings.get("process")
        for binding in (self._binding, process):
            if binding is not None and binding.options.get("status_url"):
                return str(binding.options["status_url"])
        raise ToolError(
            f"nothing says where the state of {self._target.name} is read",
            expected="`options.status_url` in its process binding",
            found="none",
            code="tool.no_binding",
        )

    def _read_token(self) -> str:
        process = self._target.service.bindings.get("process")
        names = [str(b.options.get("read_token_env", "")) for b in (self._binding, process) if b is not None]
        names.append(self._binding.token_env)
        for name in names:
            if name and self._target.env.get(name):
                return self._target.env[name]
        return self._target.variable(names[0] or self._binding.token_env, "read token of the control endpoint")


def process_row(status: dict[str, Any], name: str) -> dict[str, Any]:
    """One process of a status document. Raises ToolError when it is not there."""
    rows: Sequence[dict[str, Any]] = status.get("processes") or []
    for row in rows:
        if row.get("name") == name:
            return dict(row)
    raise ToolError(
        f"the control endpoint does not know a process {name}",
        expected=", ".join(str(row.get("name")) for row in rows) or "some process",
        found=name,
        code="tool.unknown_process",
    )


def release_of(status: dict[str, Any]) -> dict[str, Any]:
    """{version, weights, previous} of a status document."""
    found = status.get("release") or {}
    return {
        "version": found.get("version"),
        "weights": dict(found.get("weights") or {}),
        "previous": found.get("previous"),
    }


def current_provider(status: dict[str, Any], service: str, dependency: str) -> str | None:
    """The provider of a dependency in use, from a status document (given per dependency, or per service)."""
    facts = status.get("upstream")
    known = isinstance(facts, dict) and dependency in facts
    found = _of(facts, dependency if known else service, "provider")
    return str(found) if found else None


def current_route(status: dict[str, Any], link: str) -> str | None:
    """The route in use on a link, from a status document."""
    routes = status.get("route") or {}
    found = routes.get(link) if isinstance(routes, dict) else None
    return str(found) if found else None


def current_size(status: dict[str, Any], service: str) -> int | None:
    """The pool's size, from a status document."""
    found = _of(status.get("pool_size"), service, "size")
    return int(found) if found is not None else None


def _of(found: Any, service: str, key: str) -> Any:
    """A fact given plainly, per service, or in an object under `key`."""
    if isinstance(found, dict):
        inner = found.get(service, found.get(key))
        return inner.get(key) if isinstance(inner, dict) else inner
    return found
