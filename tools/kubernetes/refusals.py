"""No answer of the API server, or one that is no success, as errors of ours."""

from __future__ import annotations

import json

from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from domain.errors import AuthError, FirebreakError, ToolError, ToolUnavailableError, ToolUnknownError
from domain.redaction import redact


def unanswered(method: str, path: str, error: Exception) -> FirebreakError:
    """No answer: worth another try when nothing was sent or nothing could change, otherwise unknown."""
    told = error if isinstance(error, HTTPError) or error.__context__ is None else error.__context__
    reason = getattr(told, "reason", None) or told
    nothing_sent = isinstance(reason, NewConnectionError | ConnectTimeoutError | SSLError)
    found = redact(str(reason))[:200]
    if method == "GET" or nothing_sent:
        hint = "check server, proxy and certificate in the kubeconfig"
        return ToolUnavailableError("the API server does not answer", expected="an answer", found=found, hint=hint)
    return _maybe_there(f"{method} {path}", found)


def _maybe_there(what: str, found: str) -> ToolUnknownError:
    return ToolUnknownError(
        f"{what} went out and no answer came back that says what became of it",
        expected="an answer",
        found=found,
        hint="the effect may be there: look, never send again",
    )


_IN_THE_MIDDLE = (500, 502, 504)
"""Answers after which a change may be there all the same."""

_CODES = {404: "kubernetes.not_found", 409: "kubernetes.conflict", 422: "kubernetes.invalid"}


def refused(status: int, raw: bytes, method: str, path: str) -> FirebreakError:
    """An answer that is no success, as an error of ours; the server's own words say why."""
    what = f"{method} {path}"
    try:
        words = str(json.loads(raw).get("message") or "")
    except (ValueError, AttributeError):
        words = raw[:200].decode(errors="replace")
    found = redact(words)[:300] or f"HTTP {status}"
    if status in (401, 403):
        hint = "give the kubeconfig's user a role that allows it, or choose another action"
        message = f"the cluster does not allow {what}"
        return AuthError(message, expected="a permitted request", found=found, hint=hint, code="kubernetes.forbidden")
    if status in _IN_THE_MIDDLE and method != "GET":
        return _maybe_there(what, found)
    if status == 429 or status >= 500:
        return ToolUnavailableError(f"the API server cannot serve {what}", expected="an answer", found=found)
    code = _CODES.get(status, "kubernetes.refused")
    return ToolError(f"the API server refuses {what}", expected="an accepted request", found=found, code=code)
