"""Objectives from OpenSLO documents and the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.context import DeploymentContext, Level
from contracts.live import as_today
from contracts.openslo import Objective, SloError, read_openslo, tightest
from contracts.surroundings import aimed, placed
from domain.clock import ManualClock
from domain.inventory import Criticality, Inventory, Service, Slo
from graph.contracts.placing import placing
from tools.telemetry.embedded import SqliteTelemetry

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "openslo.yaml"
ABOUT = DeploymentContext(deployment_id="d", service_name="payments")


def slo(indicator: dict[str, Any], **objective: Any) -> str:
    spec = {"service": "payments", "indicator": {"spec": indicator}, "objectives": [objective]}
    return yaml.safe_dump({"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": "o"}, "spec": spec})


def threshold(query: str) -> dict[str, Any]:
    return {"thresholdMetric": {"metricSource": {"spec": {"query": query}}}}


def test_the_example_gives_an_error_rate_and_a_p95() -> None:
    found, told = read_openslo(EXAMPLE.read_text())
    assert told == []
    assert tightest(found, "payments") == {"target_error_rate": 0.1, "target_p95": 250}
    assert tightest(found, "other") == {}


@pytest.mark.parametrize(
    ("indicator", "objective", "field", "value"),
    [
        ({"ratioMetric": {}}, {"target": 0.995}, "target_error_rate", 0.5),
        ({"ratioMetric": {}}, {"targetPercent": 99.9}, "target_error_rate", 0.1),
        (threshold("p99_seconds"), {"op": "lt", "value": 2, "target": 0.99}, "target_p99", 2000),
        (threshold("latency_ms"), {"op": "lte", "value": 300, "target": 0.95}, "target_p95", 300),
    ],
)
def test_what_reduces_to_a_target(
    indicator: dict[str, Any], objective: dict[str, Any], field: str, value: float
) -> None:
    (found,), told = read_openslo(slo(indicator, **objective))
    assert (found.field, told) == (field, [])
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("indicator", "objective", "said"),
    [
        ({"ratioMetric": {"good": "latency_bucket"}}, {"target": 0.9}, "a ratio about latency"),
        ({"ratioMetric": {}}, {"target": 99}, "no target between"),
        ({"ratioMetric": {}}, {"target": True}, "no target between"),
        ({}, {"target": 0.9}, "indicator is not here"),
        (threshold("x"), {"op": "lte", "value": 1, "target": 0.95}, "seconds or milliseconds"),
        (threshold("x_seconds"), {"op": "gte", "value": 1, "target": 0.95}, "no upper limit"),
        (threshold("x_seconds"), {"op": "lte", "value": 1, "target": 0.5}, "neither p95 nor p99"),
    ],
)
def test_what_does_not_is_told(indicator: dict[str, Any], objective: dict[str, Any], said: str) -> None:
    found, (told,) = read_openslo(slo(indicator, **objective))
    assert found == []
    assert said in told


@pytest.mark.parametrize("text", ["", "a: 1", "[", "apiVersion: v1\nkind: SLO\n"])
def test_what_is_no_openslo(text: str) -> None:
    with pytest.raises(SloError):
        read_openslo(text)


def test_objectives_tighten_and_never_loosen() -> None:
    strict = Objective(name="a", service="", field="target_p95", value=100)
    loose = Objective(name="b", service="payments", field="target_p95", value=900)
    own = ABOUT.model_copy(update={"target_p95": 250.0})
    assert aimed(own, [loose]).target_p95 == 250
    assert aimed(own, [loose, strict]).target_p95 == 100
    assert aimed(ABOUT, [loose]).target_p95 == 900


def test_the_inventory_knows_neighbours_dependants_and_targets() -> None:
    inventory = Inventory(
        services=[
            Service(
                name="payments",
                kind="api",
                depends_on=["db", "unheard"],
                slos=[
                    Slo(name="a", sli="availability", target=0.995),
                    Slo(name="l", sli="latency_p95", target=0.3),
                    Slo(name="f", sli="freshness", target=60),
                ],
            ),
            Service(name="db", kind="database", criticality=Criticality.HIGH),
            Service(name="shop", kind="frontend", depends_on=["payments"]),
        ]
    )
    found = placed(ABOUT, inventory)
    assert [(n.service_name, n.criticality) for n in found.dependencies] == [
        ("db", Level.HIGH),
        ("unheard", Level.MEDIUM),
    ]
    assert (found.dependants, found.target_error_rate, found.target_p95) == (["shop"], 0.5, 300)
    assert placed(ABOUT.model_copy(update={"service_name": "x"}), inventory).dependants == []


def row(sli: str, value: float | None, service: str = "payments") -> dict[str, Any]:
    return {"service": service, "sli": sli, "value": value}


def test_how_the_service_does_today_fills_what_nobody_said() -> None:
    board = [
        row("availability", 0.998),
        row("error_ratio", 0.999),
        row("latency_p95", 0.1804),
        row("latency_p95", 9, "shop"),
    ]
    found = as_today(ABOUT, board)
    assert (found.current_error_rate, found.current_p95) == (0.2, 180)
    said = ABOUT.model_copy(update={"current_error_rate": 3.0, "current_p95": 7.0})
    assert as_today(said, board) == said
    assert as_today(ABOUT, [row("availability", None), row("saturation", 0.5)]) == ABOUT


async def test_the_app_places_a_context_by_inventory_and_board(tmp_path: Path) -> None:
    """Without a collector today is not known, the inventory is."""
    inventory = Inventory(
        services=[Service(name="payments", kind="api", slos=[Slo(name="l", sli="latency_p95", target=0.3)])],
    )
    place = placing(SqliteTelemetry(tmp_path / "t.db"), inventory, ManualClock())
    found = await place(ABOUT)
    assert (found.target_p95, found.current_p95) == (300, None)
