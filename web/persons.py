"""What routes know about their caller, and the second half of the protection of forms: the session's own token."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Request

from domain.errors import AuthError
from web.keyring import Principal
from web.perimeter import SAFE_METHODS


def principal(request: Request) -> Principal:
    """Who the perimeter let in."""
    found = getattr(request.state, "principal", None)
    if not isinstance(found, Principal):
        raise AuthError("This needs a credential.", expected="a bearer token or a signed-in browser", found="none")
    return found


Caller = Annotated[Principal, Depends(principal)]


async def form_is_ours(request: Request) -> None:
    """A browser's write must carry its session's token, as header (scripts) or field `csrf_token` (forms)."""
    found = getattr(request.state, "principal", None)
    if request.method in SAFE_METHODS or not isinstance(found, Principal) or not found.by_cookie:
        return
    sent = request.headers.get("x-csrf-token", "")
    if not sent and "form" in request.headers.get("content-type", ""):
        sent = str((await request.form()).get("csrf_token", ""))
    if not hmac.compare_digest(sent.encode(), found.csrf.encode()):
        raise AuthError(
            "This form does not belong to your session.",
            expected="the session's csrf_token",
            found="another one" if sent else "none",
            hint="Reload the page and send it again.",
            code="auth.cross_site",
        )
