"""Readings of a cluster become causes with conditions, so that a planner can act on them."""

from __future__ import annotations

from typing import Any

import pytest

from agents.perception.engine import diagnose
from domain.bundle import Bundle, Reading
from domain.conditions import Condition, findings

C = Condition
ROLE = {
    "role": "r",
    "role_binding": "b",
    "service_account": "web",
    "resource": "pods",
    "verbs": ["get"],
    "api_group": "",
}
REPLACED = [{"container": "app", "image": "b", "former": "a"}]
READINGS: list[tuple[str, dict[str, Any], str, list[Condition]]] = [
    ("workload_state", {"missing_replicas": 2, "replicas": 0}, "scaled_to_zero", [C.REPLICAS_MISSING]),
    ("workload_state", {"missing_replicas": 1, "replicas": 2}, "scaled_down", [C.REPLICAS_MISSING]),
    ("workload_state", {"stuck": ["web-1"], "waiting": {"ErrImagePull": 1}}, "pod_stuck", [C.POD_STUCK]),
    ("workload_state", {"replaced": REPLACED, "waiting": {"ErrImagePull": 1}}, "image_pull", [C.ROLLOUT_STUCK]),
    ("service_endpoints", {"selects": False, "name": "web"}, "selector_mismatch", [C.SELECTOR_MISSES]),
    ("workload_settings", {"config_map": "s", "keys": ["A"]}, "wrong_settings", [C.SETTINGS_DIFFER]),
    ("workload_permissions", {**ROLE, "lacking": 1, "bound": True}, "rbac_denied", [C.PERMISSION_MISSING]),
    (
        "workload_permissions",
        {**ROLE, "lacking": 1, "bound": False},
        "rbac_denied",
        [C.PERMISSION_MISSING, C.ROLE_UNBOUND],
    ),
    ("network_path", {"network_policy": "p", "port": 1}, "network_policy", [C.PATH_CLOSED]),
]


def reading(probe: str, ok: bool, **values: Any) -> Reading:
    return Reading(probe=probe, service="web", time=1.0, ok=ok, text=f"{probe} of web", values=values)


@pytest.mark.parametrize(("probe", "values", "fault", "conditions"), READINGS)
def test_a_reading_that_differs_is_a_cause(
    probe: str, values: dict[str, Any], fault: str, conditions: list[Condition]
) -> None:
    """It names the service, the class, the conditions, and cites the reading."""
    top = diagnose(Bundle(id="inc-1", services=("web",), readings=(reading(probe, False, **values),))).hypotheses[0]
    assert (top.service, top.fault_class) == ("web", fault)
    assert [f.condition for f in findings(top.details, top.service)] == conditions
    assert top.evidence


def test_pods_that_read_a_wrong_setting_have_to_be_replaced() -> None:
    """Only when they do not serve."""
    wrong = reading("workload_settings", False, config_map="s", keys=["A"])
    down = reading("workload_state", False)
    top = diagnose(Bundle(id="inc-1", services=("web",), readings=(wrong, down))).hypotheses[0]
    assert [f.condition for f in findings(top.details, "web")] == [C.SETTINGS_DIFFER, C.PROCESS_UNRESPONSIVE]


@pytest.mark.parametrize(
    ("probe", "values"),
    [
        ("workload_state", {"waiting": {"CrashLoopBackOff": 1}}),
        ("workload_state", {"waiting": {"ErrImagePull": 1}, "replaced": []}),
        ("service_endpoints", {"selects": True, "ready": 0}),
    ],
)
def test_what_no_repair_is_known_for_is_left_to_others(probe: str, values: dict[str, Any]) -> None:
    """A crash, an image that no release brought, pods that are not ready: other rules tell of these."""
    found = diagnose(Bundle(id="inc-1", services=("web",), readings=(reading(probe, False, **values),)))
    assert not [f for h in found.hypotheses for f in findings(h.details, h.service)]
