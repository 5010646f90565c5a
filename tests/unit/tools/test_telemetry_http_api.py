"""One server over HTTP: who we are there, how much it may say, and when it is left alone."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import httpx
import pytest

from domain.clock import ManualClock
from domain.errors import EvidenceError
from domain.inventory import Connector, Inventory, Service
from governance.health import THRESHOLD, Breaker
from tests.fakes.web_story import T0
from tools.telemetry import http_api
from tools.telemetry.http_api import Access, HttpApi, side_by_side

SERVICES = Inventory(services=[Service(name=n, kind="api") for n in ("api", "db")]).services


async def asked(api: HttpApi) -> object:
    async with api.client() as client:
        return await api.wanted(client, "/x", {})


async def test_secrets_come_from_the_variables_that_are_named() -> None:
    """A bearer token, or user and password; the tenant goes along."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    env = {"TOKEN": "t0ken", "LOGIN": "ann:pass:word"}
    for connector in (
        Connector(kind="loki", url="http://h", token_env="TOKEN", tenant="team"),
        Connector(kind="tempo", url="http://h/prefix/", basic_env="LOGIN"),
    ):
        await asked(HttpApi("Loki", Access.of(connector, env), transport=httpx.MockTransport(answer)))
    bearer, basic = seen
    assert (bearer.headers["authorization"], bearer.headers["x-scope-orgid"]) == ("Bearer t0ken", "team")
    assert basic.headers["authorization"] == "Basic " + base64.b64encode(b"ann:pass:word").decode()
    assert str(basic.url) == "http://h/prefix/x"


async def test_a_server_that_fails_is_left_alone_for_a_while() -> None:
    """After some failures in a row nothing goes out until the rest is over; then one trial does."""
    tries = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise httpx.ConnectTimeout("slow")

    clock = ManualClock(T0)
    api = HttpApi("Loki", Access(url="http://h"), transport=httpx.MockTransport(answer), breaker=Breaker("loki", clock))
    for _ in range(THRESHOLD + 3):
        with pytest.raises(EvidenceError, match="Loki does not answer"):
            await asked(api)
    assert tries == THRESHOLD
    with pytest.raises(EvidenceError) as error:
        await asked(api)
    assert "circuit breaker is open" in error.value.found
    clock.advance(60)
    with pytest.raises(EvidenceError):
        await asked(api)
    assert tries == THRESHOLD + 1


async def test_a_server_that_hangs_counts_as_failing() -> None:
    """The reading is over in its time, and the breaker knows why."""
    over = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    breaker = Breaker("loki", ManualClock(T0))
    api = HttpApi("Loki", Access(url=url), timeout_s=1.0, breaker=breaker)

    async def ask(_: Service) -> list[object]:
        return [await asked(api)]

    with pytest.raises(EvidenceError, match="Loki does not answer"):
        await side_by_side(ask, SERVICES, timeout_s=60.0, name="Loki", what="logs")
    assert breaker.health().failures == len(SERVICES)
    over.set()
    server.close()
    await server.wait_closed()


async def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server fills our memory."""
    monkeypatch.setattr(http_api, "MAX_BYTES", 1000)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"[" + b"1," * 5000))
    with pytest.raises(EvidenceError, match="says too much"):
        await asked(HttpApi("Tempo", Access(url="http://h"), transport=transport))


async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """With the place where they were looked for, relative to the inventory."""
    connector = Connector(kind="loki", url="https://h", ca_file="ca.pem")
    with pytest.raises(EvidenceError) as error:
        await asked(HttpApi("Loki", Access.of(connector, {}, tmp_path)))
    assert str(tmp_path / "ca.pem") in error.value.expected
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(EvidenceError, match="certificates"):
        await asked(HttpApi("Loki", Access.of(connector, {}, tmp_path)))


async def test_what_a_server_says_in_an_error_is_redacted() -> None:
    """A refusal may repeat what was sent."""
    transport = httpx.MockTransport(lambda _: httpx.Response(400, json={"error": "bad token=hunter2secret"}))
    with pytest.raises(EvidenceError) as error:
        await asked(HttpApi("Loki", Access(url="http://h"), transport=transport))
    assert "hunter2secret" not in error.value.found


async def test_all_silent_is_an_error_and_one_silent_is_a_gap() -> None:
    """Who answered is heard."""

    async def ask(service: Service) -> list[str]:
        if service.name == "db":
            raise EvidenceError("gone")
        return [service.name]

    found, gaps = await side_by_side(ask, SERVICES, timeout_s=1.0, name="Loki", what="logs")
    assert (found, gaps) == (["api"], ("no logs of db: gone",))
    with pytest.raises(EvidenceError, match="gone"):
        await side_by_side(ask, SERVICES[1:], timeout_s=1.0, name="Loki", what="logs")
    assert await side_by_side(ask, [], timeout_s=1.0, name="Loki", what="logs") == ([], ())
