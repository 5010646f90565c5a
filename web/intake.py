"""Where alerts and change events come in: proof on the raw bytes, store, answer 202. The work happens later."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastapi import APIRouter, Request

from domain.errors import AuthError, FirebreakError, IntakeError
from domain.value import Value
from graph.face import Receipt
from web.errors import status_of
from web.keyring import Keyring
from web.metrics import Metrics
from web.persons import Caller
from web.ports import Ports
from web.proof import kept_headers, prove

_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Accepted(Value):
    """The delivery is stored; what became of it can be asked."""

    schema_version: str = "1"
    delivery: str
    receipts: str
    """Where the receipts will be."""


class Receipts(Value):
    """What became of a delivery; empty while it waits."""

    schema_version: str = "1"
    receipts: list[Receipt] = []


def build(ports: Ports, keyring: Keyring, secrets: Sequence[str], metrics: Metrics) -> APIRouter:
    """Intake and its receipts."""
    router = APIRouter(tags=["intake"])

    @router.post("/intake/{source}", status_code=202, summary="Deliver alerts (or, to `change`, change events)")
    async def deliver(source: str, request: Request) -> Accepted:
        """Sources: `alertmanager`, `generic`, `change` (own records, GitHub deployments, PagerDuty change events, CDEvents).

        Proof: intake token as bearer, a Standard Webhooks signature, or for `change` GitHub's.
        """
        body = await request.body()
        try:
            delivery = await _store(source, request, body)
        except FirebreakError as error:
            metrics.delivery(source, _result(error))
            raise
        metrics.delivery(source, "accepted")
        return Accepted(delivery=delivery, receipts=f"/api/deliveries/{delivery}")

    async def _store(source: str, request: Request, body: bytes) -> str:
        proof = prove(request.headers, body, keyring, secrets, ports.clock.now().timestamp(), source=source)
        if not _SOURCE.fullmatch(source):
            raise IntakeError("There is no such source.", expected="a name", code="intake.unknown_source")
        if not body:
            raise IntakeError("The delivery is empty.", expected="the sender's payload as JSON", found="0 bytes")
        return await ports.responder.submit_delivery(source, kept_headers(request.headers, proof), body)

    @router.get("/api/deliveries/{delivery_id}", summary="What became of a delivery, alert by alert")
    async def receipts(delivery_id: str, caller: Caller) -> Receipts:
        return Receipts(receipts=await ports.responder.delivery(delivery_id))

    return router


def _result(error: FirebreakError) -> str:
    if isinstance(error, AuthError):
        return "unproven"
    return "refused" if status_of(error) >= 500 else "malformed"
