"""A contract exported for Argo Rollouts."""

from __future__ import annotations

import re

import yaml

from contracts.argo import ARGS, exported
from domain.clock import ManualClock
from domain.contract import Canary
from tests.fakes.rollouts import contract


def test_guardrails_and_stages_become_argos_own_documents() -> None:
    """Each request metric with both conditions, so that no data is neither; stages as weights and pauses."""
    template, rollout = yaml.safe_load_all(exported(contract(ManualClock(), id="con_A/1")))
    assert template["metadata"]["name"] == "firebreak-con-a-1"
    metrics = {m["name"]: m for m in template["spec"]["metrics"]}
    assert set(metrics) == {"error-rate", "latency-p95"}
    assert metrics["error-rate"]["successCondition"].endswith("result[0] <= 2")
    assert metrics["error-rate"]["failureCondition"].endswith("result[0] > 2")
    assert metrics["error-rate"]["failureLimit"] == 0
    assert metrics["latency-p95"]["provider"]["prometheus"]["query"].startswith("1000 * histogram_quantile(0.95")
    used = set(re.findall(r"{{args\.(\w+)}}", yaml.safe_dump(template)))
    assert used == set(ARGS) == {arg["name"] for arg in template["spec"]["args"]}
    canary = rollout["spec"]["strategy"]["canary"]
    assert canary["steps"] == [
        {"setWeight": 10},
        {"pause": {"duration": "120s"}},
        {"setWeight": 50},
        {"pause": {"duration": "120s"}},
    ]
    assert canary["analysis"]["templates"] == [{"templateName": "firebreak-con-a-1"}]


def test_without_stages_there_are_no_steps() -> None:
    """A low risk goes out at once there, too."""
    _, rollout = yaml.safe_load_all(exported(contract(ManualClock(), canary=Canary(required=False))))
    assert rollout["spec"]["strategy"] == {"canary": {}}
