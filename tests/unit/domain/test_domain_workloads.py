"""When a rollout has ended, by kind of workload."""

from __future__ import annotations

from typing import Any

import pytest

from domain.workloads import complete, held_back, ready_pods, wanted_pods
from tools.kubernetes.workload import facts_of, workload_named

STATEFUL = {"replicas": 2, "readyReplicas": 2, "currentRevision": "q-1", "updateRevision": "q-1"}
DAEMON = {
    "desiredNumberScheduled": 3,
    "currentNumberScheduled": 3,
    "updatedNumberScheduled": 3,
    "numberReady": 3,
    "numberAvailable": 3,
}
DEPLOYED = {"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2, "readyReplicas": 2}


def workload(kind: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "queue", "generation": 4},
        "spec": {"replicas": 2, **spec},
        "status": {"observedGeneration": 4, **status},
    }


@pytest.mark.parametrize(
    ("kind", "ended", "unfinished"),
    [
        ("StatefulSet", STATEFUL, {"updateRevision": "q-2"}),
        ("StatefulSet", STATEFUL, {"readyReplicas": 1}),
        ("StatefulSet", STATEFUL, {"replicas": 3}),
        ("DaemonSet", DAEMON, {"updatedNumberScheduled": 2}),
        ("DaemonSet", DAEMON, {"numberAvailable": 2}),
        ("Deployment", DEPLOYED, {"replicas": 3}),
        ("Deployment", DEPLOYED, {"updatedReplicas": 1}),
    ],
)
def test_one_count_that_is_behind_is_no_end(kind: str, ended: dict[str, Any], unfinished: dict[str, Any]) -> None:
    """All counts together are an end; a single one that lags, or a controller that has not looked, is none."""
    assert complete(workload(kind, ended))
    assert not complete(workload(kind, ended | unfinished))
    assert not complete(workload(kind, ended | {"observedGeneration": 3}))


def test_a_daemon_set_wants_what_its_nodes_want() -> None:
    """Its number stands in the status, as there is none in the specification."""
    assert wanted_pods(workload("DaemonSet", DAEMON)) == 3
    assert ready_pods(workload("DaemonSet", DAEMON)) == 3


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"paused": True}, "paused"),
        ({"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ({"updateStrategy": {"rollingUpdate": {"partition": 2}}}, "partition 2"),
        ({"updateStrategy": {"rollingUpdate": {"partition": 0}}}, ""),
        ({}, ""),
    ],
)
def test_what_keeps_a_template_from_pods_is_named(spec: dict[str, Any], words: str) -> None:
    """Paused, only on deletion, or from some ordinal on; nothing otherwise."""
    found = held_back(workload("StatefulSet", STATEFUL, **spec))
    assert (words in found) if words else not found


def test_the_revision_is_the_newest_with_the_current_template() -> None:
    """An old template that came back has a new number; one that the controller has not kept yet has none."""

    def kept(number: int, image: str) -> dict[str, Any]:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
        data = {"spec": {"template": {**template, "$patch": "replace"}}}
        return {"metadata": {"name": f"q-{number}"}, "revision": number, "data": data}

    template = kept(1, "one")["data"]["spec"]["template"]
    current = workload("StatefulSet", STATEFUL, template={k: v for k, v in template.items() if k != "$patch"})
    assert facts_of(current, [kept(2, "two"), kept(3, "one")])["revision"] == 3
    assert facts_of(current, [kept(2, "two")])["revision"] == 0


def test_a_word_names_kind_and_workload() -> None:
    """Without a kind a deployment is meant, and the word of a deployment stays its plain name."""
    assert (str(workload_named("web")), workload_named("deployment/web").word) == ("deployment web", "web")
    assert (str(workload_named("statefulset/db")), workload_named("statefulset/db").word) == (
        "statefulset db",
        "statefulset/db",
    )
    assert workload_named("daemonset/agent").kept_as.plural == "controllerrevisions"
