"""`firebreak events` and `firebreak webhook` against the real face, with a real courier behind it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from domain.clock import SystemClock
from domain.events import Event
from domain.inventory import Inventory, Service, Webhook
from graph.outgoing.courier import Courier
from graph.outgoing.sqlite import Outbox
from graph.records.opening import open_records
from tests.fakes import web_services as fakes
from tests.fakes.receiver import Receiver, receiving
from tests.fakes.web_server import serving

RUN = CliRunner()
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(SECRET) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, receiver: Receiver) -> Iterator[Path]:
    """A home whose app serves two events and one webhook."""
    hook = Webhook(name="pager", url=receiver.url, secret_env="PAGER", private=True, events=["*_required"])
    inventory = Inventory(services=[Service(name="api", kind="api")], webhooks=[hook])
    records, outbox = open_records(tmp_path / "incidents.db"), Outbox(tmp_path / "webhooks.db")
    clock = SystemClock()
    events = [
        Event(id="?", type=f"dev.firebreak.{name}", subject="inc-1", time=clock.now(), data={"plan": "plan-1"})
        for name in ("plan_created", "approval_required")
    ]
    asyncio.run(records.events.observed(events, "test", None))
    courier = Courier(inventory, records.events, outbox, {"PAGER": SECRET}, clock)
    with serving(fakes.ports(tmp_path, outgoing=courier)) as url:
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / "ports.json").write_text(json.dumps({"app": int(url.rsplit(":", 1)[1])}))
        yield tmp_path
    records.close()
    outbox.close()


def firebreak(home: Path, *words: str, code: int = 0) -> str:
    done = RUN.invoke(app, ["--home", str(home), *words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def test_events_are_printed_and_filtered(home: Path) -> None:
    """As lines for a person, as one document for a machine."""
    assert "plan=plan-1" in firebreak(home, "events", "tail")
    found = json.loads(firebreak(home, "events", "tail", "--type", "*_required", "--json"))
    assert [event["type"] for event in found["events"]] == ["dev.firebreak.approval_required"]
    assert found["schema_version"] == "1"
    assert "No events" in firebreak(home, "events", "tail", "--last", "0")


def test_webhooks_are_listed_tested_and_repaired(home: Path, receiver: Receiver) -> None:
    """A test that fails is exit code 3 and waits; sent again it arrives."""
    assert "ready; 0 delivered" in firebreak(home, "webhook", "list")
    assert "No deliveries" in firebreak(home, "webhook", "deliveries")
    receiver.answers = [410]
    assert "dead" in firebreak(home, "webhook", "test", "pager", code=3)
    row = json.loads(firebreak(home, "webhook", "deliveries", "--state", "dead", "--json"))["deliveries"][0]
    assert row["answer"] == "HTTP 410"
    assert "delivered" in firebreak(home, "webhook", "redeliver", str(row["id"]))
    assert json.loads(firebreak(home, "webhook", "test", "pager", "--json"))["state"] == "delivered"
    assert [event["type"] for event in receiver.received] == ["dev.firebreak.webhook.tested"] * 2
    assert json.loads(firebreak(home, "webhook", "list", "--json"))["webhooks"][0]["delivered"] == 2
    assert "1 try" in firebreak(home, "webhook", "deliveries")


def test_an_app_that_sends_nothing_says_so(tmp_path: Path) -> None:
    """Without a courier the endpoints are 404 problem documents."""
    with serving(fakes.ports(tmp_path)) as url:
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / "ports.json").write_text(json.dumps({"app": int(url.rsplit(":", 1)[1])}))
        done = RUN.invoke(app, ["--home", str(tmp_path), "webhook", "list"])
    assert done.exit_code != 0
    assert "sends nothing" in str(done.exception)
