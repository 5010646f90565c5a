from __future__ import annotations

import base64
import hashlib
import hmac
import json

import httpx
import pytest

from domain.errors import IntakeError, StorageError
from tests.fakes import web_services as fakes
from tests.fakes import web_story as story
from tests.fakes.web_services import FakeResponder
from web.ports import Ports

BODY = json.dumps({"version": "4", "alerts": []}).encode()
PROOF = {"Authorization": f"Bearer {fakes.INTAKE}"}


def _responder(ports: Ports) -> FakeResponder:
    assert isinstance(ports.responder, FakeResponder)
    return ports.responder


def _signed(
    body: bytes, *, secret: str = "c2VjcmV0LXR3bw==", seconds: float = 20, name: str = "msg_1"
) -> dict[str, str]:
    stamp = str(int(story.at(seconds).timestamp()))
    mac = hmac.new(base64.b64decode(secret), f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}


async def test_a_delivery_is_stored_as_it_came(stranger: httpx.AsyncClient, ports: Ports) -> None:
    """202 with the delivery's id; the stored bytes are the sender's, the credential is not kept."""
    answer = await stranger.post("/intake/alertmanager", content=BODY, headers={**PROOF, "Cookie": "a=b"})
    assert answer.status_code == 202
    assert answer.json() == {"schema_version": "1", "delivery": "del-1", "receipts": "/api/deliveries/del-1"}
    ((source, headers, body),) = _responder(ports).deliveries
    assert (source, body) == ("alertmanager", BODY)
    assert headers["x-firebreak-proof"] == "bearer"
    assert not {"authorization", "cookie"} & set(headers)


async def test_a_sender_cannot_write_its_own_proof(stranger: httpx.AsyncClient, ports: Ports) -> None:
    """The proof header is ours; a sender's is dropped."""
    await stranger.post("/intake/generic", content=BODY, headers={**_signed(BODY), "X-Firebreak-Proof": "root"})
    assert _responder(ports).deliveries[0][1]["x-firebreak-proof"] == "standard-webhooks"


@pytest.mark.parametrize("secret", ["c2VjcmV0LW9uZQ==", "c2VjcmV0LXR3bw=="])
async def test_several_webhook_secrets_are_valid(stranger: httpx.AsyncClient, secret: str) -> None:
    """Old and new secret both verify during a rotation."""
    answer = await stranger.post("/intake/generic", content=BODY, headers=_signed(BODY, secret=secret))
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {fakes.OPERATOR}"},
        _signed(b"other bytes"),
        _signed(BODY, secret="b3RoZXI="),
        _signed(BODY, seconds=-600),
        {**_signed(BODY), "webhook-signature": "v1"},
    ],
)
async def test_unproven_deliveries_are_refused(
    stranger: httpx.AsyncClient, ports: Ports, headers: dict[str, str]
) -> None:
    """No proof, a foreign token, changed bytes, another secret or an old timestamp: 401, and nothing is stored."""
    answer = await stranger.post("/intake/generic", content=BODY, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "auth.unproven_sender"
    assert _responder(ports).deliveries == []


@pytest.mark.parametrize(
    ("source", "secret", "status"),
    [("change", "whsec_c2VjcmV0LW9uZQ==", 202), ("generic", "whsec_c2VjcmV0LW9uZQ==", 401), ("change", "other", 401)],
)
async def test_github_proves_changes_only(stranger: httpx.AsyncClient, source: str, secret: str, status: int) -> None:
    """Its signature may be sent again by anybody who saw it, which does no harm to a change and might to an alert."""
    mac = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    answer = await stranger.post(f"/intake/{source}", content=BODY, headers={"X-Hub-Signature-256": f"sha256={mac}"})
    assert answer.status_code == status


async def test_a_browsers_session_is_no_proof(browser: httpx.AsyncClient) -> None:
    """Alerts come from senders, not from pages."""
    assert (await browser.post("/intake/generic", content=BODY)).status_code in {401, 403}


async def test_malformed_deliveries_say_what_is_wrong(stranger: httpx.AsyncClient, ports: Ports) -> None:
    """What the source's reader refuses is a 400 with expected and found."""
    _responder(ports).failure = IntakeError(
        "not an Alertmanager body", expected="an object with `alerts`", found="a list"
    )
    answer = await stranger.post("/intake/alertmanager", content=b"[]", headers=PROOF)
    assert answer.status_code == 400
    assert answer.json()["expected"] == "an object with `alerts`"
    empty = await stranger.post("/intake/alertmanager", content=b"", headers=PROOF)
    assert (empty.status_code, empty.json()["found"]) == (400, "0 bytes")


async def test_an_unknown_source_is_not_found(stranger: httpx.AsyncClient) -> None:
    """A name that cannot be a source is refused before anything is stored."""
    answer = await stranger.post("/intake/..%2Fx", content=BODY, headers=PROOF)
    assert answer.status_code == 404


async def test_a_refusing_store_tells_when_to_retry(stranger: httpx.AsyncClient, ports: Ports) -> None:
    """503 with Retry-After, so that senders keep the alert."""
    _responder(ports).failure = StorageError("the disk is full")
    answer = await stranger.post("/intake/alertmanager", content=BODY, headers=PROOF)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_receipts_can_be_asked(stranger: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    """What became of a delivery is there for people, by its id."""
    await stranger.post("/intake/alertmanager", content=BODY, headers=PROOF)
    answer = await person.get("/api/deliveries/del-1")
    assert answer.json()["receipts"][0]["rule"] == "opened"
    assert (await person.get("/api/deliveries/del-9")).status_code == 404


async def test_deliveries_are_counted_by_result(
    stranger: httpx.AsyncClient, person: httpx.AsyncClient, ports: Ports
) -> None:
    """The metrics tell accepted, malformed, unproven and refused apart; unknown sources share one label."""
    await stranger.post("/intake/alertmanager", content=BODY, headers=PROOF)
    await stranger.post("/intake/some-new-thing", content=BODY)
    _responder(ports).failure = StorageError("no")
    await stranger.post("/intake/change", content=BODY, headers=PROOF)
    _responder(ports).failure = None
    text = (await person.get("/metrics")).text
    assert 'firebreak_intake_deliveries_total{result="accepted",source="alertmanager"} 1.0' in text
    assert 'firebreak_intake_deliveries_total{result="unproven",source="other"} 1.0' in text
    assert 'firebreak_intake_deliveries_total{result="refused",source="change"} 1.0' in text
