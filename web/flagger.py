"""Flagger asks whether a release may go on; the service's contract answers. HTTP 200 is a yes, anything else is none."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError

from contracts.flagger import Hook, answer, chosen
from domain.errors import AuthError, ConflictError, NotFoundError
from domain.value import Value
from web.bargains import bargains_of
from web.keyring import Keyring, bearer
from web.ports import Ports

Word = Annotated[str, Field(max_length=253)]


class Asked(Value):
    """What Flagger posts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Word
    """Of the Canary."""
    namespace: Word = ""
    phase: Word = ""
    metadata: dict[str, str] = {}
    """`service` (the Canary's name when unsaid), `contract`, `version`, `token`."""


class Said(Value):
    """A yes, with its reason."""

    schema_version: str = "1"
    contract: str
    status: str
    reason: str


def build(ports: Ports, keyring: Keyring) -> APIRouter:
    """One address per type of webhook."""
    router = APIRouter(tags=["contracts"])

    async def proven(request: Request) -> None:
        """Who asks comes first: whoever proves nothing does not learn what is wrong with the question."""
        body = await request.body()
        _prove(request, body, keyring)
        try:
            request.state.asked = Asked.model_validate_json(body)
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_url=False, include_context=False)) from error

    @router.post(
        "/intake/flagger/{hook}",
        summary="Flagger's webhooks: may the release go on (or: must it go back)?",
        dependencies=[Depends(proven)],
        openapi_extra={"requestBody": {"content": _SHAPE, "required": True}},
    )
    async def ask(hook: Hook, request: Request) -> Said:
        """Proof: the intake token, as bearer, as a password in the webhook's address, or as `token` of its metadata."""
        asked: Asked = request.state.asked
        service, bargains = asked.metadata.get("service", asked.name), bargains_of(ports)
        contract = chosen(
            (t.contract for t in bargains.all()),
            service=service,
            contract=asked.metadata.get("contract", ""),
            version=asked.metadata.get("version", ""),
        )
        if contract is None:
            raise NotFoundError(
                f"There is no contract for {service[:60]}.",
                expected="one on the table, for this version if one is named",
                hint="firebreak contract draft … --keep; metadata.service names the service if the Canary's name does not",
            )
        said = answer(hook, contract, asked.phase)
        if said.yes and hook.forward and (await ports.door.status()).frozen:
            raise ConflictError("Everything is stopped.", expected="a running Firebreak", found="frozen")
        if not said.yes:
            raise ConflictError(said.reason, expected=_EXPECTED[hook.forward], found=contract.status.value)
        if said.becomes is not None:
            await bargains.told(contract.id, said.becomes, by=f"flagger {asked.namespace}/{asked.name}")
        return Said(contract=contract.id, status=(said.becomes or contract.status).value, reason=said.reason)

    return router


_EXPECTED = {True: "approved, or on its way", False: "violated or over"}


_SHAPE = {"application/json": {"schema": Asked.model_json_schema()}}


def _prove(request: Request, body: bytes, keyring: Keyring) -> None:
    header = request.headers.get("authorization", "")
    given = (bearer(header), _password(header), _token(body))
    if not any(token and keyring.may_send_alerts(token) for token in given):
        raise AuthError(
            "This webhook does not prove where it comes from.",
            expected="the intake token as bearer, as password in the webhook's address, or as `token` of its metadata",
            found="none that is valid",
            code="auth.unproven_sender",
        )


def _token(body: bytes) -> str:
    """`metadata.token` of a body of which nothing is believed yet."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    metadata = found.get("metadata") if isinstance(found, dict) else None
    token = metadata.get("token") if isinstance(metadata, dict) else None
    return token if isinstance(token, str) else ""


def _password(header: str) -> str:
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
