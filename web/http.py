"""JSON over HTTP to the other processes of ours: bearer token, problem documents back into errors. Imports httpx, alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from domain import errors

_ERRORS: dict[int, type[errors.FirebreakError]] = {
    401: errors.AuthError,
    403: errors.AuthError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.ConflictError,
}
"""What another process's refusal means here; everything else is the upstream's trouble."""


class JsonClient:
    """One far end. Raises UpstreamError when nobody answers in time, else the error that its problem document names."""

    def __init__(self, name: str, url: str, token: str, *, timeout_s: float = 10.0) -> None:
        self._name = name
        self._token = token
        self._client = httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False)

    async def get(self, path: str, query: Mapping[str, Any] | None = None, *, token: str = "") -> Any:
        """GET; empty parameters are left out."""
        wanted = {k: v for k, v in (query or {}).items() if v is not None}
        return await self._call("GET", path, token, params=wanted)

    async def post(self, path: str, body: Mapping[str, Any] | None = None, *, token: str = "") -> Any:
        """POST JSON; `token` replaces our own (a person's, passed through)."""
        return await self._call("POST", path, token, json=dict(body or {}))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, method: str, path: str, token: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {token or self._token}"}
        try:
            answer = await self._client.request(method, path, headers=headers, **options)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise errors.UpstreamError(
                f"The {self._name} does not answer.",
                expected=f"JSON from {path}",
                found=type(error).__name__,
                hint="`firebreak status` shows what runs; the supervisor restarts it by itself.",
                code="upstream.unavailable",
            ) from error
        if answer.is_success:
            return body
        raise self._error(answer.status_code, body if isinstance(body, dict) else {})

    def _error(self, status: int, body: Mapping[str, Any]) -> errors.FirebreakError:
        kind = _ERRORS.get(status, errors.UpstreamError)
        code = "auth.forbidden" if status == 403 else str(body.get("code", ""))
        return kind(
            str(body.get("detail") or f"The {self._name} refused ({status})."),
            expected=str(body.get("expected", "")),
            found=str(body.get("found", "")),
            hint=str(body.get("hint", "")),
            code=code,
        )
