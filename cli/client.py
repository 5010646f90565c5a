"""The commands' way to a running Firebreak: its own HTTP API, with the operator's token of this home."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx

from cli.home import PERSONS_TOKEN, Home
from domain.errors import AuthError, ConflictError, FirebreakError, NotFoundError, UpstreamError
from tools.http import trust

CHANGE_S = 60.0
"""Patience for an answer to what changes something: it is in the ledger first, which takes its time on a busy machine."""


class AppClient:
    """Calls one app. Errors of the API come back as our own errors, with what was expected and found."""

    def __init__(self, url: str, token: str, timeout_s: float = 15.0) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
            trust_env=False,
            verify=trust(),
        )
        self.url = url

    def __enter__(self) -> AppClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """GET a JSON document."""
        return self._call("GET", path, params={k: v for k, v in params.items() if v is not None})

    def download(self, path: str) -> bytes:
        """GET a file."""
        return self._request("GET", path).content

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """POST a JSON document, get one back."""
        return self._call("POST", path, json=body if body is not None else {}, timeout=CHANGE_S)

    def login_link(self) -> str:
        """A link that signs one browser in, once; the token itself stays in its file."""
        return f"{self.url}{self.post('/api/login-tickets')['path']}"

    def post_raw(self, path: str, content: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """POST bytes as they are."""
        return self._call("POST", path, content=content, headers=headers)

    def stream(self, path: str, body: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """POST and read server-sent events as (event, data)."""
        try:
            with self._http.stream("POST", path, json=body, timeout=None) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise problem(answer)
                yield from _events(answer.iter_lines())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        document: dict[str, Any] = self._request(method, path, **more).json()
        return document

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.status_code >= 400:
            raise problem(answer)
        return answer

    def _unreachable(self, error: httpx.HTTPError) -> UpstreamError:
        return UpstreamError(
            "Firebreak does not answer.",
            expected=f"the app at {self.url}",
            found=f"{type(error).__name__}: {error}",
            hint="firebreak status shows what runs; firebreak up starts it",
        )


def connect(home: Home) -> AppClient:
    """The app of this home, as whoever FIREBREAK_TOKEN belongs to, else as its operator.

    Raises UpstreamError when none was ever started here.
    """
    file = home.run / "ports.json"
    if not file.exists():
        raise UpstreamError(
            f"No Firebreak runs in {home.path}.",
            expected="a home that was started",
            found="no run/ports.json",
            hint="firebreak up --detach starts one; FIREBREAK_HOME names another",
        )
    port = json.loads(file.read_text())["app"]
    return AppClient(f"http://127.0.0.1:{port}", os.environ.get(PERSONS_TOKEN, "").strip() or home.token("operator"))


def problem(answer: httpx.Response) -> FirebreakError:
    """An RFC 9457 problem document as the error that it was."""
    try:
        body = answer.json()
    except ValueError:
        body = {"title": answer.text[:200]}
    kinds: dict[int, type[FirebreakError]] = {
        401: AuthError,
        403: AuthError,
        404: NotFoundError,
        409: ConflictError,
        502: UpstreamError,
        503: UpstreamError,
    }
    kind = kinds.get(answer.status_code, FirebreakError)
    return kind(
        str(body.get("detail") or body.get("title") or f"HTTP {answer.status_code}"),
        expected=str(body.get("expected") or ""),
        found=str(body.get("found") or ""),
        hint=str(body.get("hint") or ""),
        code=str(body.get("code") or ""),
    )


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    event, data = "message", ""
    for line in lines:
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield event, json.loads(data)
            event, data = "message", ""
