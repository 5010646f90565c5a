"""Webhooks about pull requests: only where to look is read from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.errors import IntakeError
from tools.intake import describe
from tools.intake.github import Hint, read_hint

PAYLOADS = Path(__file__).parents[2] / "data" / "payloads"
REPOSITORY = {"full_name": "acme/shop"}


def recorded() -> Any:
    return json.loads((PAYLOADS / "github_pull_request_opened.json").read_bytes())


def comment(action: str, **issue: Any) -> dict[str, Any]:
    facts = {"action": action, "comment": {"id": 9}, "issue": {"number": 7, **issue}}
    return {**facts, "repository": REPOSITORY, "sender": {"login": "ana"}}


def test_a_recorded_payload() -> None:
    """Who, which one, and that its sender had a hand in it."""
    hint = Hint(kind="change", repository="Codertocat/Hello-World", number=2, sender="Codertocat", pushed=True)
    assert read_hint(recorded()) == hint
    closed = read_hint({**recorded(), "action": "closed"})
    assert closed == hint.model_copy(update={"pushed": False})
    assert read_hint({**recorded(), "action": "labeled"}) is None


def test_it_can_be_tried_without_sending_it() -> None:
    """`firebreak intake test` says what there is to look at; other events are recognised and are nothing."""
    told = describe(json.dumps(recorded()).encode())
    assert (told["source"], [h["number"] for h in told["hints"]], told["alerts"]) == ("github", [2], [])
    other = {"action": "requested_action", "check_run": {}, "repository": REPOSITORY, "sender": {"login": "x"}}
    assert describe(json.dumps(other).encode())["hints"] == []


def test_comments_on_pull_requests() -> None:
    """A fresh one is worth hearing, a changed one only worth a look; one on an issue is nothing."""
    created = read_hint(comment("created", pull_request={}))
    edited = read_hint(comment("edited", pull_request={}))
    assert (created and created.kind, created and created.comment) == ("comment", 9)
    assert edited is not None
    assert edited.kind == "touched"
    assert read_hint(comment("created")) is None
    assert read_hint({"zen": "x"}) is None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"repository": {"full_name": "../../user"}}, "repository.full_name"),
        ({"repository": None}, "repository.full_name"),
        ({"sender": {"login": "a b"}}, "sender.login"),
        ({"sender": "x"}, "sender"),
        ({"number": "2"}, "number"),
        ({"number": True}, "number"),
        ({"number": -1}, "number"),
    ],
)
def test_a_malformed_one_says_where(change: dict[str, Any], where: str) -> None:
    with pytest.raises(IntakeError, match=where):
        read_hint({**recorded(), **change})


def test_a_body_that_is_no_object() -> None:
    with pytest.raises(IntakeError):
        read_hint([1])
