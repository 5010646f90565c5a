"""Where alerts and change events come in: proof on the raw bytes, store, answer 202. The work happens later."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastapi import APIRouter, Request

from domain.errors import AuthError, FirebreakError, IntakeError
from domain.value import Value
from graph.face import Receipt
from tools.intake.change import SOURCE as CHANGE
from tools.intake.github import DEPLOYS
from tools.intake.github import SOURCE as GITHUB
from web.errors import status_of
from web.keyring import Keyring
from web.metrics import Metrics
from web.persons import Caller
from web.ports import Ports, PullRequests
from web.proof import kept_headers, prove

_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Accepted(Value):
    """The delivery is stored; what became of it can be asked."""

    schema_version: str = "1"
    delivery: str
    """Empty: it is about nothing that is looked after here."""
    receipts: str
    """Where the receipts will be; empty for `github`: what became of it stands on the pull request."""


class Receipts(Value):
    """What became of a delivery; empty while it waits."""

    schema_version: str = "1"
    receipts: list[Receipt] = []


def build(ports: Ports, keyring: Keyring, secrets: Sequence[str], metrics: Metrics) -> APIRouter:
    """Intake and its receipts."""
    router = APIRouter(tags=["intake"])

    @router.post("/intake/{source}", status_code=202, summary="Deliver alerts (or, to `change`, change events)")
    async def deliver(source: str, request: Request) -> Accepted:
        """Sources: `alertmanager`, `generic`, `change` (own records, GitHub deployments, PagerDuty change events, CDEvents),
        `github` (its pull requests, comments on them, and deployments).

        Proof: intake token as bearer, a Standard Webhooks signature, or for `change` and `github` GitHub's.
        """
        body = await request.body()
        try:
            delivery = await _store(source, request, body)
        except FirebreakError as error:
            metrics.delivery(source, _result(error))
            raise
        metrics.delivery(source, "accepted")
        return Accepted(delivery=delivery, receipts="" if source == GITHUB else f"/api/deliveries/{delivery}")

    async def _store(source: str, request: Request, body: bytes) -> str:
        proof = prove(request.headers, body, keyring, secrets, ports.clock.now().timestamp(), source=source)
        if not _SOURCE.fullmatch(source):
            raise IntakeError("There is no such source.", expected="a name", code="intake.unknown_source")
        if not body:
            raise IntakeError("The delivery is empty.", expected="the sender's payload as JSON", found="0 bytes")
        kept = kept_headers(request.headers, proof)
        if source == GITHUB and kept.get("x-github-event") not in DEPLOYS:
            return await _pulls(ports).submit(body)
        return await ports.responder.submit_delivery(CHANGE if source == GITHUB else source, kept, body)

    @router.get("/api/deliveries/{delivery_id}", summary="What became of a delivery, alert by alert")
    async def receipts(delivery_id: str, caller: Caller) -> Receipts:
        return Receipts(receipts=await ports.responder.delivery(delivery_id))

    return router


def _pulls(ports: Ports) -> PullRequests:
    if ports.pulls is None:
        raise IntakeError(
            "Pull requests are not read here.",
            expected="a token for GitHub",
            found="none",
            hint="set FIREBREAK_GITHUB_TOKEN and name the repository of a service (`github: owner/name`)",
            code="intake.unknown_source",
        )
    return ports.pulls


def _result(error: FirebreakError) -> str:
    if isinstance(error, AuthError):
        return "unproven"
    return "refused" if status_of(error) >= 500 else "malformed"
