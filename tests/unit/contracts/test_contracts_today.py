"""A measured baseline in a draft: it fills what nobody said, is shown with window and source, and is no other contract."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from contracts.card import lines_of
from contracts.context import DeploymentContext, FileChange
from contracts.draft import draft_contract
from contracts.enforcement.observing import Request
from contracts.today import ENOUGH, measured, with_baseline
from domain.baseline import Baseline

WINDOW = (1_780_000_000.0, 1_780_000_900.0)
ABOUT = DeploymentContext(
    deployment_id="d", service_name="pay", changes=[FileChange(file_path="a.py", lines_changed=4)], current_p95=90.0
)


def requests(count: int) -> list[Request]:
    return [
        Request(
            at=WINDOW[0] + i, seconds=0.01 * (1 + i % 10), failed=i % 50 == 0, version="v1",
            marks=("GET /pay" if i % 4 else "POST /pay",),
        )
        for i in range(count)
    ]  # fmt: skip


def baseline() -> Baseline:
    found = measured(requests(900), "the collector's traces", WINDOW)
    assert found is not None
    return found


def test_requests_become_a_baseline_with_its_routes_heaviest_first() -> None:
    found = baseline()
    assert (found.requests, found.qps, found.error_percent) == (900, 1.0, 2.0)
    assert found.p95_ms == pytest.approx(100.0)
    assert [(r.route, r.requests) for r in found.routes] == [("GET /pay", 675), ("POST /pay", 225)]
    assert found.since == datetime.fromtimestamp(WINDOW[0], tz=UTC)


def test_a_young_service_is_measured_since_its_first_request() -> None:
    found = measured(requests(900), "x", (WINDOW[0] - 900, WINDOW[1]))
    assert found is not None
    assert (found.qps, found.since) == (1.0, datetime.fromtimestamp(WINDOW[0], tz=UTC))


def test_too_few_requests_are_no_baseline() -> None:
    assert measured(requests(ENOUGH - 1), "x", WINDOW) is None


def test_it_fills_what_nobody_said_and_no_more() -> None:
    """What somebody said stays; noise in the third digit is the same contract."""
    found = with_baseline(ABOUT, baseline())
    assert (found.current_error_rate, found.current_p95, found.current_p99, found.qps) == (2.0, 90.0, 100.0, 1.0)
    other = with_baseline(ABOUT, baseline().model_copy(update={"error_percent": 2.01, "requests": 905}))
    assert found.fingerprint() == other.fingerprint()


def test_the_card_says_what_was_measured_by_whom_and_when() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    contract = draft_contract(with_baseline(ABOUT, baseline()), id="con-1", at=at, findings=[])
    text = "\n".join(lines_of(contract))
    for words in ("today: 2.00 % fail", "900 requests", "by the collector's traces", "GET /pay: 675 requests"):
        assert words in text
    assert "today:" not in "\n".join(lines_of(draft_contract(ABOUT, id="con-1", at=at, findings=[])))


def test_an_address_that_says_nothing_is_refused_and_a_configured_one_is_told_of(tmp_path: Path) -> None:
    """Port 1 is nobody's."""
    context = tmp_path / "c.json"
    context.write_text(ABOUT.model_dump_json(exclude_none=True))
    run = CliRunner()
    refused = run.invoke(app, ["contract", "draft", str(context), "--baseline", "http://127.0.0.1:1"])
    assert refused.exit_code != 0
    inventory = tmp_path / "firebreak.yaml"
    inventory.write_text(
        'version: "1"\nservices: [{name: pay, kind: api}]\nconnectors: [{kind: prometheus, url: "http://127.0.0.1:1"}]\n'
    )
    told = run.invoke(app, ["contract", "draft", str(context), "--config", str(inventory)])
    assert told.exit_code == 0, told.output
    assert "no baseline" in told.output
