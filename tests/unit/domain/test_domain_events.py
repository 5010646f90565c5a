"""Integration events: which ledger entries are told, in which words, and as valid CloudEvents and CDEvents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloudevents.http import from_json
from hypothesis import given
from hypothesis import strategies as st

from domain.cdevents import VERSION, envelope
from domain.clock import ManualClock
from domain.events import INTEGRATIONS, Event, Integration, integration_event
from domain.guard import LedgerEntry

NOW = ManualClock().now()


def entry(kind: str, **content: Any) -> LedgerEntry:
    return LedgerEntry(seq=7, at=NOW, kind=kind, actor="responder", change="inc-1", content=content, prev="p", hash="h")


@pytest.mark.parametrize(
    ("kind", "content", "name"),
    [
        ("judgement", {"plan": "plan-1"}, Integration.PLAN_CREATED),
        ("intent", {"step": "s1"}, Integration.EXECUTION_STARTED),
        ("effect", {"outcome": "succeeded"}, Integration.EXECUTION_COMPLETE),
        ("compensation", {}, Integration.EXECUTION_COMPLETE),
        ("approval", {"event": "opened"}, Integration.APPROVAL_REQUIRED),
        ("approval", {"event": "consumed"}, None),
        ("violation", {"type": "SCOPE_VIOLATION"}, Integration.VIOLATION_DETECTED),
        ("revocation", {}, Integration.AGENT_REVOKED),
        ("promotion", {"event": "requested"}, Integration.PROMOTION_REQUESTED),
        ("promotion", {}, Integration.PROMOTION_APPROVED),
        ("contract", {"event": "violated"}, Integration.CONTRACT_VIOLATED),
        ("read_back", {}, None),
        ("genesis", {}, None),
    ],
)
def test_which_entries_are_told(kind: str, content: dict[str, Any], name: Integration | None) -> None:
    """A ledger entry becomes at most one integration event."""
    event = integration_event(entry(kind, **content))
    assert (event.type if event else None) == (name.type if name else None)


def test_the_rest_stays_a_reference() -> None:
    """Arguments and unknown fields do not leave the house; the entry's number and hash do."""
    call = {"action": "set_config", "target": "api", "args": {"value": "internal"}}
    event = integration_event(entry("effect", call=call, after={"x": "internal"}, outcome="succeeded", step="s1"))
    assert event is not None
    assert "internal" not in event.model_dump_json()
    assert event.data == {
        "step": "s1", "outcome": "succeeded", "action": "set_config", "target": "api",
        "ledger": 7, "hash": "h", "actor": "responder",
    }  # fmt: skip


def test_an_entry_without_a_change_is_about_its_actor() -> None:
    """The subject is never empty, and a malformed call is left out."""
    seen = {"violation": "LOCK_EXPIRED", "gravity": "high", "cause": "injected", "charged": False, "what": "untrusted"}
    told = integration_event(entry("violation", **seen))
    assert told is not None
    assert {name: told.data[name] for name in ("violation", "gravity", "cause", "charged")} == {
        name: value for name, value in seen.items() if name != "what"
    }
    assert "what" not in told.data
    event = integration_event(entry("violation", call="what?").model_copy(update={"change": ""}))
    assert event is not None
    assert (event.subject, "action" in event.data) == ("responder", False)


def test_every_name_of_the_specification_has_a_type() -> None:
    """Fourteen names, each with its own type."""
    assert len(INTEGRATIONS) == len(Integration) == 14


@given(st.sampled_from([*INTEGRATIONS, "dev.firebreak.incident.opened", "dev.firebreak.incident.resolved"]), st.text())
def test_every_event_is_a_valid_cloudevent(type_: str, text: str) -> None:
    """The SDK reads back what we send, attribute by attribute."""
    event = Event(id="12", type=type_, subject="inc-1", time=NOW, data={"text": text})
    read = from_json(json.dumps(envelope(event, "/firebreak/shop")))
    assert (read["specversion"], read["id"], read["source"], read["subject"]) == (
        "1.0",
        "12",
        "/firebreak/shop",
        "inc-1",
    )
    assert read["time"].endswith("Z")


@pytest.mark.parametrize(
    ("type_", "data", "expected"),
    [
        ("dev.firebreak.incident.opened", {"text": "shop is down"}, "dev.cdevents.incident.detected.0.2.0"),
        ("dev.firebreak.incident.resolved", {}, "dev.cdevents.incident.resolved.0.2.0"),
        (
            Integration.EXECUTION_COMPLETE.type,
            {"action": "rollback_release", "target": "api", "outcome": "succeeded"},
            "dev.cdevents.service.rolledback.0.2.0",
        ),
    ],
)
def test_what_cdevents_knows_is_in_its_shape(type_: str, data: dict[str, Any], expected: str) -> None:
    """Type, context and subject as CDEvents has them; ours stays beside it as custom data."""
    found = envelope(Event(id="3", type=type_, subject="inc-1", time=NOW, data=data), "/firebreak/shop")
    assert found["type"] == found["data"]["context"]["type"] == expected
    assert found["data"]["context"]["version"] == VERSION
    subject = found["data"]["subject"]
    assert subject["type"] in expected
    assert subject["id"] == ("api" if subject["type"] == "service" else "inc-1")
    assert found["data"]["customData"] == data


def test_a_failed_rollback_is_not_a_rollback() -> None:
    """Only a confirmed effect gets the name of one."""
    data = {"action": "rollback_release", "target": "api", "outcome": "failed"}
    event = Event(id="3", type=Integration.EXECUTION_COMPLETE.type, subject="inc-1", time=NOW, data=data)
    assert envelope(event, "/x")["type"] == Integration.EXECUTION_COMPLETE.type
