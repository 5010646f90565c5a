"""Platform objects that do not fit together: each contradiction names its object and its class; agreement is healthy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.perception import diagnose
from agents.perception.platform.capacity import quantity
from agents.perception.platform.objects import matches
from domain.bundle import Bundle, LogLine
from domain.diagnosis import DiagnosisVerdict
from tests.unit.agents.perception.cluster_world import cluster, event, meta, objects, pod

Objects = dict[str, dict[str, Any]]


def _template(found: Objects, app: str) -> dict[str, Any]:
    template: dict[str, Any] = found[f"Deployment/{app}"]["spec"]["template"]
    return template


def _container(found: Objects, app: str) -> dict[str, Any]:
    container: dict[str, Any] = _template(found, app)["spec"]["containers"][0]
    return container


def _status(found: Objects, app: str, **state: Any) -> None:
    found[pod(app)]["status"]["containerStatuses"][0] |= {"ready": False, **state}


def selector(o: Objects) -> None:
    o["Service/cart"]["spec"]["selector"] = {"app": "carts"}


def target_port(o: Objects) -> None:
    o["Service/cart"]["spec"]["ports"][0]["targetPort"] = 7071


def named_port(o: Objects) -> None:
    o["Service/cart"]["spec"]["ports"][0]["targetPort"] = "grpc"


def ingress(o: Objects) -> None:
    o["Ingress/front"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"] = 8080


def image(o: Objects) -> None:
    _status(o, "cart", state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}})


def memory(o: Objects) -> None:
    _status(
        o,
        "cart",
        restartCount=6,
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
    )


def loop(o: Objects) -> None:
    _status(
        o,
        "cart",
        restartCount=6,
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        lastState={"terminated": {"reason": "Error", "exitCode": 1}},
    )


def command(o: Objects) -> None:
    _status(o, "cart", state={"waiting": {"reason": "RunContainerError", "message": 'exec: "servr": not found'}})


def liveness(o: Objects) -> None:
    _container(o, "cart")["livenessProbe"]["tcpSocket"]["port"] = 9999


def readiness_path(o: Objects) -> None:
    o["Event/x"] = event(
        "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404", "cart-7c9d8b6f5-x2x4z"
    )


def config_map(o: Objects) -> None:
    _container(o, "cart")["env"][1]["valueFrom"]["configMapKeyRef"]["name"] = "setting"


def secret_key(o: Objects) -> None:
    _container(o, "cart")["env"][2]["valueFrom"]["secretKeyRef"]["key"] = "password"


def secret_told(o: Objects) -> None:
    del o["Secret/tokens"]
    _status(
        o, "cart", state={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "tokens" not found'}}
    )


def volume(o: Objects) -> None:
    _template(o, "cart")["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    o["PVC"] = {
        "kind": "PersistentVolumeClaim",
        "metadata": meta("data"),
        "spec": {"storageClassName": "fast"},
        "status": {"phase": "Pending"},
    }
    o["SC"] = {"kind": "StorageClass", "metadata": {"name": "standard"}}


def scheduling(o: Objects) -> None:
    o["Event/x"] = event("FailedScheduling", "0/1 nodes are available: 1 Insufficient memory.", "cart-7c9d8b6f5-x2x4z")


def taint(o: Objects) -> None:
    o[pod("cart")]["status"]["conditions"] = [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: only}.",
        }
    ]


def quota(o: Objects) -> None:
    o["Event/x"] = event(
        "FailedCreate", 'pods "cart-1" is forbidden: exceeded quota: small', "cart-7c9d8b6f5", "ReplicaSet"
    )


def full_quota(o: Objects) -> None:
    o["RQ"] = {
        "kind": "ResourceQuota",
        "metadata": meta("small"),
        "status": {"hard": {"pods": "2"}, "used": {"pods": "2"}},
    }
    o["Deployment/cart"]["status"]["readyReplicas"] = 0


def zero(o: Objects) -> None:
    o["Deployment/cart"]["spec"]["replicas"] = 0


def host(o: Objects) -> None:
    _container(o, "cart")["env"][0] = {"name": "REDIS_ADDR", "value": "redi:6379"}


def wrong_port(o: Objects) -> None:
    o["ConfigMap/settings"]["data"]["redis-host"] = "redis:6380"
    for app in ("web", "redis"):
        _container(o, app)["env"].pop(1)


def policy(o: Objects) -> None:
    o["NP"] = {
        "kind": "NetworkPolicy",
        "metadata": meta("deny"),
        "spec": {"podSelector": {"matchLabels": {"app": "cart"}}, "policyTypes": ["Ingress"]},
    }


def policy_of_others(o: Objects) -> None:
    policy(o)
    o["NP"]["spec"]["ingress"] = [{"from": [{"podSelector": {"matchLabels": {"app": "frontend"}}}]}]


def account(o: Objects) -> None:
    _template(o, "cart")["spec"]["serviceAccountName"] = "cart-reader"
    o["Role"] = {"kind": "Role", "metadata": meta("reader")}
    o["RB"] = {
        "kind": "RoleBinding",
        "metadata": meta("b"),
        "roleRef": {"kind": "Role", "name": "raeder"},
        "subjects": [{"kind": "ServiceAccount", "name": "cart-reader", "namespace": "shop"}],
    }


def scaler(o: Objects) -> None:
    o["HPA"] = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta("cart"),
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "cart"}, "maxReplicas": 2},
        "status": {"conditions": [{"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}]},
    }


def slow(o: Objects) -> None:
    _container(o, "cart")["resources"]["limits"]["cpu"] = "10m"


CASES: list[tuple[Callable[[Objects], None], str]] = [
    (selector, "selector_mismatch"),
    (target_port, "target_port_mismatch"),
    (named_port, "target_port_mismatch"),
    (image, "image_pull"),
    (memory, "oom_killed"),
    (loop, "crash_loop"),
    (command, "bad_command"),
    (liveness, "probe_misconfigured"),
    (readiness_path, "probe_misconfigured"),
    (config_map, "missing_config_map"),
    (secret_key, "missing_secret"),
    (secret_told, "missing_secret"),
    (volume, "volume_pending"),
    (scheduling, "insufficient_resources"),
    (taint, "untolerated_taint"),
    (quota, "quota_exceeded"),
    (full_quota, "quota_exceeded"),
    (zero, "scaled_to_zero"),
    (host, "wrong_host"),
    (wrong_port, "wrong_port"),
    (policy, "network_policy"),
    (policy_of_others, "network_policy"),
    (account, "rbac_denied"),
    (scaler, "autoscaler_at_limit"),
    (slow, "cpu_limit"),
]


@pytest.mark.parametrize(("breaks", "kind"), CASES, ids=[b.__name__ for b, _ in CASES])
def test_a_contradiction_names_object_and_class(breaks: Callable[[Objects], None], kind: str) -> None:
    """The cart is named, with the class, on top, and the statement names what contradicts."""
    found = objects()
    breaks(found)
    diagnosis = diagnose(cluster(found))
    assert diagnosis.verdict is DiagnosisVerdict.FAULT
    assert (diagnosis.hypotheses[0].service, diagnosis.hypotheses[0].fault_class) == ("cart", kind)
    assert diagnosis.hypotheses[0].evidence


def test_objects_in_agreement_are_healthy() -> None:
    """Nothing contradicts: nobody is accused."""
    diagnosis = diagnose(cluster(objects()))
    assert diagnosis.verdict is DiagnosisVerdict.HEALTHY
    assert diagnosis.hypotheses == []


def test_an_ingress_to_a_port_that_is_not_there() -> None:
    """The service behind the ingress is named."""
    found = objects()
    ingress(found)
    top = diagnose(cluster(found)).hypotheses[0]
    assert (top.service, top.fault_class) == ("web", "ingress_backend")


def test_a_node_without_contact_is_named_by_its_victims_where_it_may_not_be_named() -> None:
    """Names that the incident does not know are not used."""
    found = objects()
    found["Node/node-1"]["status"]["conditions"][0] |= {
        "status": "Unknown",
        "message": "Kubelet stopped posting node status.",
    }
    assert diagnose(cluster(found)).hypotheses[0].fault_class == "node_not_ready"
    assert diagnose(cluster(found, services=())).hypotheses[0].service == "node-1"


def test_what_the_api_refuses_is_read_in_logs() -> None:
    """Forbidden calls of a service account."""
    text = 'pods is forbidden: User "system:serviceaccount:shop:cart" cannot list resource "pods" in API group ""'
    line = LogLine(time=1_700_000_000.0, service="cart", message=text, level="ERROR")
    assert diagnose(cluster(objects(), logs=(line,))).hypotheses[0].fault_class == "rbac_denied"


def test_policies_add_up() -> None:
    """A second policy that lets callers in."""
    found = objects()
    policy(found)
    found["NP2"] = {
        "kind": "NetworkPolicy",
        "metadata": meta("allow"),
        "spec": {"podSelector": {"matchLabels": {"app": "cart"}}, "ingress": [{"from": [{"podSelector": {}}]}]},
    }
    assert diagnose(cluster(found)).verdict is DiagnosisVerdict.HEALTHY


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2", 2.0), ("1Gi", 2.0**30), ("10k", 1e4), ("odd", None), (None, None)]
)
def test_quantities(text: object, value: float | None) -> None:
    """As Kubernetes writes them."""
    assert quantity(text) == value


def test_set_based_selectors() -> None:
    """In, NotIn, Exists, DoesNotExist."""
    rule = {
        "matchExpressions": [
            {"key": "app", "operator": "In", "values": ["a", "b"]},
            {"key": "x", "operator": "DoesNotExist"},
        ]
    }
    assert matches(rule, {"app": "a"})
    assert not matches(rule, {"app": "c"})
    assert not matches(rule, {"app": "a", "x": "1"})


def _spoil(one: Any, data: st.DataObject) -> None:
    """Replace one field somewhere inside by something else."""
    keys = list(one) if isinstance(one, dict) else list(range(len(one)))
    key = data.draw(st.sampled_from(keys))
    if isinstance(one[key], dict | list) and one[key] and not data.draw(st.booleans()):
        _spoil(one[key], data)
    else:
        one[key] = data.draw(st.sampled_from([None, 3, "x", [], {}, [None], [3], {"a": None}]))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_odd_objects_are_survived(data: st.DataObject) -> None:
    """Any field replaced by anything: an answer, never a traceback."""
    found = objects()
    _spoil(found[data.draw(st.sampled_from(sorted(found)))], data)
    platform: list[dict[str, Any]] = json.loads(json.dumps(list(found.values())))
    assert diagnose(Bundle(id="odd", platform=tuple(platform))).incident == "odd"
