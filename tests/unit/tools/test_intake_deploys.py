"""Deploys as GitHub, PagerDuty and CDEvents announce them, and whose they are."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alert import Change
from domain.errors import IntakeError
from domain.inventory import Inventory
from tools.intake import detect, normalise
from tools.intake.normalise import resolve_change

PAYLOADS = Path(__file__).parents[2] / "data" / "payloads"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANGE_EVENT = {
    "routing_key": "R0UT1NGK3YS3CRET",
    "payload": {
        "summary": "Build Success - Increase snapshot create timeout to 30 seconds",
        "timestamp": "2026-03-01T11:50:00Z",
        "source": "acme-build-pipeline-tool-default-i-9999",
        "custom_details": {"service": "api", "version": "7", "build_number": 1142},
    },
    "links": [{"href": "https://ci.example.com/1142", "text": "build"}],
}


def changes(body: Any) -> list[Change]:
    return normalise("change", {}, json.dumps(body).encode(), NOW, "d1").changes


def sample(name: str) -> Any:
    return json.loads((PAYLOADS / name).read_bytes())


def test_a_github_deployment_is_a_deploy_with_its_commit() -> None:
    """The commit leads to the diff; the same deployment's success is the same change; what is not out yet is none."""
    body = sample("github_deployment.json")
    (begun,) = changes(body)
    assert (begun.id, begun.kind, begun.service) == ("github-deployment-145988746", "deploy", "Hello-World")
    assert (begun.commit[:7], begun.author, begun.summary) == ("f95f852", "Codertocat", "master to production")
    assert begun.time == datetime(2019, 5, 15, 15, 20, 53, tzinfo=UTC)
    (done,) = changes({**body, "deployment_status": {"state": "success", "created_at": "2019-05-15T15:30:00Z"}})
    assert (done.id, done.time.minute) == (begun.id, 30)
    assert changes({**body, "deployment_status": {"state": "in_progress"}}) == []
    assert changes({"zen": "Keep it logically awesome.", "hook_id": 1}) == []
    named = {**body["deployment"], "payload": {"service": "api"}}
    assert [c.service for c in changes({**body, "deployment": named})] == ["api"]


def test_other_tools_deploys_are_changes_too() -> None:
    """PagerDuty's change event without its key, and a CDEvents deployment; other CDEvents change no service."""
    (built,) = changes(CHANGE_EVENT)
    assert (built.service, built.version, built.time.minute) == ("api", "7", 50)
    assert "R0UT1NGK3Y" not in built.model_dump_json()
    body = sample("cdevents_service_deployed.json")
    (deployed,) = changes(body)
    assert (deployed.service, deployed.version[:13]) == ("mySubject123", "pkg:oci/myapp")
    assert deployed.summary.startswith("deployed pkg:oci/myapp")
    body["context"]["type"] = "dev.cdevents.pipelinerun.finished.0.2.0"
    assert changes(body) == []


@pytest.mark.parametrize("name", ["github_deployment.json", "cdevents_service_deployed.json"])
def test_their_shape_is_recognised(name: str) -> None:
    """`firebreak intake test` needs no source for them."""
    assert detect((PAYLOADS / name).read_bytes()) == "change"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"deployment": {"id": 1}}, "deployment.sha"),
        ({"deployment": 7}, "deployment"),
        ({"routing_key": "x", "payload": {}}, "payload.summary"),
        ({"context": {"type": "dev.cdevents.service.deployed.0.3.0"}}, "context.id"),
    ],
)
def test_what_lacks_its_promise_is_refused(body: Any, where: str) -> None:
    """The error says where."""
    with pytest.raises(IntakeError, match=where):
        changes(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["deployment", "deployment_status", "repository", "payload", "context", "subject"]),
    json_values,
    st.sampled_from(["deployment", "routing_key", "context", "zen"]),
)
def test_anything_is_read_or_refused(key: str, value: Any, other: str) -> None:
    """Whatever stands in a foreign event, the answer is a list of changes or an IntakeError."""
    with contextlib.suppress(IntakeError):
        changes({other: {"type": "dev.cdevents.service.deployed"} if other == "context" else "x", key: value})


def test_a_repository_leads_to_its_services() -> None:
    """By name, whatever its case; else every service whose checkout has the repository's name, each as a change of its own."""
    rows = [("api", "/srv/shop.git"), ("web", "/src/Shop"), ("db", "")]
    services = [{"name": n, "kind": "api", "repository": r} for n, r in rows]
    inventory = Inventory.model_validate({"services": services})

    def resolved(service: str) -> list[tuple[str, str]]:
        change = Change(id="c", kind="deploy", time=NOW, service=service)
        return [(c.id, c.service) for c in resolve_change(change, inventory)]

    assert resolved("API") == [("c", "api")]
    assert resolved("shop") == [("c:api", "api"), ("c:web", "web")]
    assert (resolved("mobile"), resolved("")) == ([("c", "mobile")], [("c", "")])
