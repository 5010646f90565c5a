"""Every documented operation of both APIs under generated requests: no 5xx, nothing that the schema does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation.hypothesis import setup

from governance.guard.server import build_action_server
from graph.settings import Settings
from tests.fakes.guard import TOKENS, Scene
from tests.fakes.web_server import serving_app
from tests.fakes.web_services import OPERATOR, ports, write_secrets
from web.build import build_app

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings(
        "ignore:The anyio.abc.BlockingPortal alias:DeprecationWarning"
    ),  # by an import of schemathesis
]

setup()  # what its pytest plugin does, which no other test needs
EXAMPLES = 8
"""Requests per operation; `benchmarks` would want hundreds, CI wants the shape."""
ENDLESS = ("/api/events", "/api/incidents/{incident_id}/events")
"""Streams never end by themselves inside one process."""
BEYOND_SCHEMA = {("POST", "/v1/judge"), ("POST", "/api/pipeline-runs")}
"""Plans and pipelines have rules between their parts that no JSON Schema can say (distinct ids, names that exist)."""


def action_server(folder: Path) -> tuple[FastAPI, str]:
    return build_action_server(Scene().guard), TOKENS["operator"][0]


def app(folder: Path) -> tuple[FastAPI, str]:
    write_secrets(folder)
    return build_app(ports(folder), Settings(home=folder)), OPERATOR


def left_out(method: str, path: str) -> list[Any]:
    """Checks that do not apply to an operation."""
    if (method, path) not in BEYOND_SCHEMA:
        return []
    load_all_checks()
    return [CHECKS.get_one("positive_data_acceptance")]


@pytest.mark.parametrize("build", [action_server, app])
@pytest.mark.parametrize("signed_in", [True, False])
def test_no_request_makes_an_api_fall_over(tmp_path: Path, build: Any, signed_in: bool) -> None:
    """With and without a credential, all checks of schemathesis."""
    api, token = build(tmp_path)
    shown = {"Authorization": f"Bearer {token if signed_in else 'guessed'}"}
    with serving_app(api) as url, requests.Session() as session:
        schema = schemathesis.openapi.from_dict(api.openapi())
        schema.config.update(base_url=url)
        found: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
        operations = [o for o in found if o.path not in ENDLESS]
        wrong = [text for operation in operations if (text := _fuzz(operation, session, shown))]
    assert len(operations) > 10
    assert wrong == []


def _fuzz(operation: Any, session: requests.Session, headers: dict[str, str]) -> str:
    """What went wrong, or empty."""
    without = left_out(operation.method.upper(), operation.path)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def request(case: Any) -> None:
        case.call_and_validate(session=session, headers=headers, excluded_checks=without)

    try:
        request()
    except (Exception, BaseExceptionGroup) as error:
        return f"{operation.method} {operation.path}: {str(error)[:600]}"
    return ""
