"""What a cluster holds against what is declared to be needed: pure, and never a guess in favour of a repair."""

from __future__ import annotations

from typing import Any

import pytest

from domain.clock import ManualClock
from domain.cluster import Need
from domain.errors import ToolError
from domain.inventory import Binding, Inventory, Service
from tools.config_versions import from_env
from tools.kubernetes.needs import binds, declared_of, differing, fits, grants, lets_in
from tools.target import Target

DB, WEB = {"app": "db"}, {"app": "web"}


def policy(*ingress: dict[str, Any], labels: dict[str, str] = DB, **spec: Any) -> dict[str, Any]:
    return {"spec": {"podSelector": {"matchLabels": labels}, "ingress": list(ingress), **spec}}


def rule(*ports: int, **peer: Any) -> dict[str, Any]:
    return {"from": [peer], "ports": [{"port": port} for port in ports]}


WEBS = {"podSelector": {"matchLabels": WEB}}


@pytest.mark.parametrize(
    ("policies", "open_"),
    [
        ([], True),
        ([policy(labels={"app": "other"})], True),
        ([policy(policyTypes=["Egress"])], True),
        ([policy()], False),
        ([policy(rule(5432, **WEBS))], True),
        ([policy(rule(5433, **WEBS))], False),
        ([policy(), policy(rule(**WEBS))], True),
        ([policy(rule(5432, podSelector={"matchLabels": DB}))], False),
        ([policy({})], True),
        ([policy(rule(5432, ipBlock={"cidr": "10.0.0.0/8"}))], True),
        ([policy(rule(5432, namespaceSelector={}, podSelector={"matchLabels": DB}))], True),
    ],
)
def test_network_policies(policies: list[dict[str, Any]], open_: bool) -> None:
    """They add up; what cannot be judged counts as open."""
    assert lets_in(policies, DB, WEB, 5432) is open_


@pytest.mark.parametrize(
    ("given", "granted"),
    [
        ({}, True),
        ({"verbs": ["get"]}, False),
        ({"verbs": ["*"]}, True),
        ({"resources": ["*"], "apiGroups": ["*"]}, True),
        ({"resourceNames": ["one"]}, False),
        ({"apiGroups": ["apps"]}, False),
    ],
)
def test_permissions(given: dict[str, Any], granted: bool) -> None:
    """Every verb on every object of the resource."""
    found = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"], **given}
    assert grants([found], Need(resource="configmaps", verbs=("get", "list"))) is granted


def test_bindings_selectors_and_settings() -> None:
    """A binding names this role and account; an empty selector finds nothing; a key that lacks differs."""
    reference = {"kind": "Role", "name": "reader"}
    subjects = [{"kind": "ServiceAccount", "name": "web"}, {"kind": "User", "name": "db"}]
    bound = {"roleRef": reference, "subjects": subjects}
    assert [binds(bound, "reader", name) for name in ("web", "db")] == [True, False]
    assert not binds(None, "reader", "web")
    assert [fits(s, WEB) for s in ({}, WEB, DB)] == [False, True, False]
    assert differing({"data": {"A": "1", "B": "2"}}, {"A": "1", "B": "3", "C": "4"}) == ["B", "C"]
    assert differing(None, {"A": "1"}) == ["A"]


def test_options_that_cannot_be_read_are_named() -> None:
    """The error says which option and what was expected."""
    options = {"callers": {"network_policy": "p", "port": 0, "workloads": ["web"]}}
    service = Service(name="db", kind="api", bindings={"kubernetes": Binding(via="kubernetes", options=options)})
    given: Any = {"service": service, "inventory": Inventory(services=[service]), "env": {}, "root": None}
    with pytest.raises(ToolError) as caught:
        declared_of(Target(versions=from_env({}), clock=ManualClock(), **given))
    assert "options.callers.port" in caught.value.found
