from __future__ import annotations

import httpx
import pytest

from domain import errors as tree
from tests.fakes.web_services import FakeResponder
from web import errors
from web.ports import Ports

SHARES_ONE_APP = True


def _all(kind: type[tree.FirebreakError]) -> list[type[tree.FirebreakError]]:
    return [kind, *(deep for child in kind.__subclasses__() for deep in _all(child))]


def test_every_error_of_the_tree_has_its_own_http_code() -> None:
    """The table names each class that the domain defines, so that none answers by accident."""
    domain = {kind for kind in _all(tree.FirebreakError) if kind.__module__ == "domain.errors"}
    assert set(errors.STATUS) == domain


@pytest.mark.parametrize("kind", list(errors.STATUS))
def test_codes_are_error_codes(kind: type[tree.FirebreakError]) -> None:
    """Every code of the table is a 4xx or 5xx, and the one that the error gets."""
    assert 400 <= errors.STATUS[kind] < 600
    assert errors.status_of(kind("no")) == errors.STATUS[kind]


def test_a_code_can_say_more_than_its_class() -> None:
    """A forbidden credential is 403 although its class is 401."""
    assert errors.status_of(tree.AuthError("no", code="auth.forbidden")) == 403


def test_a_subclass_answers_as_its_parent() -> None:
    """A class that another room adds below a listed one takes the nearest code."""

    class StaleWitnessError(tree.ConflictError):
        """Somewhere else."""

    assert errors.status_of(StaleWitnessError("x")) == 409


def test_problems_carry_no_secret() -> None:
    """What an error found is redacted before it leaves."""
    problem = errors.problem_of(tree.ToolError("cannot log in", found="postgres://shop:hunter2@db/shop"), "req-1")
    assert "hunter2" not in problem.model_dump_json()
    assert (problem.status, problem.code, problem.instance) == (502, "tool.failed", "req-1")


def test_retry_after_is_told_when_trying_again_helps() -> None:
    """Transient errors and refusing stores say when to come back."""

    class SlowError(tree.UpstreamError):
        """Takes its time."""

        retry_after = 4.2

    assert errors.headers_of(SlowError("x")) == {"Retry-After": "5"}
    assert errors.headers_of(tree.StorageError("x")) == {"Retry-After": "2"}
    assert errors.headers_of(tree.NotFoundError("x")) == {}


async def test_machines_get_a_problem_document(person: httpx.AsyncClient) -> None:
    """An unknown incident answers with the media type and members of RFC 9457."""
    answer = await person.get("/api/incidents/inc-unknown")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["type"] == "urn:firebreak:problem:request.not_found"
    assert body["instance"] == answer.headers["x-request-id"]


async def test_people_get_a_page(browser: httpx.AsyncClient) -> None:
    """The same error is a page with its words where a browser asks."""
    answer = await browser.get("/incidents/inc-unknown")
    assert answer.status_code == 404
    assert "There is no such incident." in answer.text


async def test_unknown_paths_and_methods_are_problems_too(person: httpx.AsyncClient) -> None:
    """What the framework refuses looks like everything else."""
    missing = await person.get("/api/nothing-here")
    wrong = await person.put("/api/incidents")
    assert (missing.status_code, missing.json()["code"]) == (404, "request.not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "request.method_not_allowed")
    assert wrong.headers["allow"]
    described = (await person.get("/openapi.json")).json()["paths"]["/api/ledger"]["get"]["responses"]
    assert set(described["default"]["content"]) == {"application/problem+json"}


async def test_a_wrong_body_says_which_field(person: httpx.AsyncClient) -> None:
    """Validation errors name the field and what was found."""
    answer = await person.post("/api/approvals/apr-90b1", json={"decision": "perhaps"})
    assert answer.status_code == 422
    assert "decision" in answer.json()["expected"]
    assert "perhaps" in answer.json()["found"]


async def test_an_unexpected_exception_gives_nothing_away(ports: Ports, app: object) -> None:
    """A bug answers 500 without its message."""
    responder = ports.responder
    assert isinstance(responder, FakeResponder)
    responder.failure = RuntimeError("password=hunter2")  # type: ignore[assignment]
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    headers = {"Authorization": "Bearer operator-token-for-tests"}
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
        answer = await client.get("/api/incidents")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.json()["code"] == "firebreak.failed"
