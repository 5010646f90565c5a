"""The stack's control endpoint and the proxies' admin ports, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from chaos.errors import PatientError
from chaos.http import Http
from chaos.site import StackFacts, StackStatus
from domain.errors import FirebreakError


class HttpControl:
    """Implements Control with the control token of `stack.json`."""

    def __init__(self, http: Http, facts: Callable[[], StackFacts]) -> None:
        self._http = http
        self._facts = facts

    async def status(self) -> StackStatus:
        try:
            return StackStatus.model_validate(await self._ask("GET", "/status"))
        except ValidationError as error:
            raise PatientError(
                "the control endpoint's answer is not a status", found=str(error).splitlines()[0]
            ) from error

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found = await self._ask("POST", path, dict(body or {}))
        return found if isinstance(found, dict) else {}

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        facts = self._facts()
        url = f"{facts.control_url.rstrip('/')}{path}"
        return await _patiently(self._http, method, url, facts.control_token, body)


class HttpProxies:
    """Implements Proxies."""

    def __init__(self, http: Http, facts: Callable[[], StackFacts]) -> None:
        self._http = http
        self._facts = facts

    async def get(self, proxy: str) -> dict[str, Any]:
        url, token = self._admin(proxy)
        found: dict[str, Any] = await _patiently(self._http, "GET", url, token)
        return found

    async def set(self, proxy: str, behaviour: Mapping[str, Any]) -> None:
        url, token = self._admin(proxy)
        await _patiently(self._http, "PUT", url, token, dict(behaviour))

    def _admin(self, proxy: str) -> tuple[str, str]:
        found = self._facts().proxies.get(proxy)
        if not found:
            raise PatientError(f"stack.json names no admin port of {proxy}")
        return f"{str(found['admin_url']).rstrip('/')}/toxics", str(found.get("token", ""))


async def _patiently(http: Http, method: str, url: str, token: str, body: Any = None) -> Any:
    try:
        return await http.json(method, url, token=token, json=body, timeout_s=30.0)
    except FirebreakError as error:
        raise PatientError(error.message, expected=error.expected, found=error.found, hint=error.hint) from error
