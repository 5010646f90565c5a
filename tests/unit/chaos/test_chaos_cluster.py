"""Faults of a cluster: single fields, planned from what is declared, taken back where they still are as it left them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.cluster.catalogue import cluster_catalogue
from chaos.cluster.edit import Edit, value_at, with_value
from chaos.cluster.fault import ClusterFault, NoParameters
from chaos.cluster.patient import ClusterUsers
from chaos.errors import ChaosError, InjectionRefusedError, PatientError
from chaos.kubernetes import reaching
from chaos.site import Site
from domain.clock import ManualClock
from domain.inventory import Binding, Inventory, Service
from tests.fakes.chaos_site import World, fake_site

OPTIONS: dict[str, Any] = {"workload": "web", "service": "web", "replicas": 2}


def thing(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, **fields}


@dataclass
class Objects:
    """A namespace in memory; `refusals` writes fail first."""

    held: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refusals: int = 0

    async def get(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.held.get((kind, name))

    async def list(self, kind: str) -> list[dict[str, Any]]:
        return [o for (k, _), o in self.held.items() if k == kind]

    async def put(self, changed: dict[str, Any]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise PatientError("somebody else was faster")
        self.held[changed["kind"], changed["metadata"]["name"]] = changed

    async def create(self, made: dict[str, Any]) -> None:
        self.held[made["kind"], made["metadata"]["name"]] = made

    async def delete(self, kind: str, name: str) -> None:
        self.held.pop((kind, name), None)


def inventory(**options: Any) -> Inventory:
    binding = Binding(via="kubernetes", path="t.yaml", options={**OPTIONS, **options})
    return Inventory(services=[Service(name="web", kind="api", chaos=True, bindings={"kubernetes": binding})])


def site_of(objects: Objects, root: Path, described: Inventory) -> Site:
    file = root / "firebreak.yaml"
    file.write_text(yaml.safe_dump(json.loads(described.model_dump_json())))

    @asynccontextmanager
    async def reach(service: Service) -> AsyncIterator[Objects]:
        yield objects

    return replace(fake_site(World(clock=ManualClock()), root), config=file, reach=reach)


def web(
    replicas: int = 2, image: str = "registry:5000/shop/web:1", status: dict[str, int] | None = None
) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return thing("Deployment", "web", spec=spec, status=status or {})


async def _note(extra: dict[str, Any]) -> None:
    return None


async def broken(name: str, objects: Objects, root: Path, described: Inventory) -> tuple[Any, Site, dict[str, Any]]:
    site, fault = site_of(objects, root, described), cluster_catalogue(described)[name]
    undo = await fault.prepare(site, NoParameters())
    await fault.inject(site, NoParameters(), undo, _note)
    return fault, site, undo


async def test_a_fault_is_proven_and_taken_back(tmp_path: Path) -> None:
    """The field has another value, and afterwards the former; a write that was refused once is sent again."""
    objects = Objects({("Deployment", "web"): web()}, refusals=2)
    fault, site, undo = await broken("image_pull@web", objects, tmp_path, inventory())
    path = ("spec", "template", "spec", "containers", 0, "image")
    assert value_at(objects.held["Deployment", "web"], path) == "registry:5000/shop/web:missing"
    assert [o.ok for o in await fault.receipt(site, undo)] == [True]
    assert [o.ok for o in await fault.cleared(site, undo)] == [False]
    await fault.restore(site, undo)
    assert value_at(objects.held["Deployment", "web"], path) == "registry:5000/shop/web:1"
    assert [o.ok for o in await fault.cleared(site, undo)] == [True]
    assert await fault.retrigger(site, undo) == []


async def test_a_cure_stays(tmp_path: Path) -> None:
    """What somebody else has changed since is left alone, and what is gone too."""
    objects = Objects({("Deployment", "web"): web()})
    fault, site, undo = await broken("scaled_to_zero@web", objects, tmp_path, inventory())
    objects.held["Deployment", "web"]["spec"]["replicas"] = 5
    await fault.restore(site, undo)
    assert objects.held["Deployment", "web"]["spec"]["replicas"] == 5
    objects.held.clear()
    await fault.restore(site, undo)
    assert [o.ok for o in await fault.cleared(site, undo)] == [True]


@pytest.mark.parametrize("cured", [False, True])
async def test_an_object_that_was_deleted_is_made_again(cured: bool, tmp_path: Path) -> None:
    """As its owner wrote it; where somebody made one meanwhile, theirs stays."""
    selector = {"matchLabels": {"app": "web"}}
    opened = thing("NetworkPolicy", "open", spec={"podSelector": selector, "ingress": [{}]}, status={"x": 1})
    shut = thing("NetworkPolicy", "shut", spec={"podSelector": selector, "ingress": []})
    held = {("Deployment", "web"): web(), ("NetworkPolicy", "open"): opened, ("NetworkPolicy", "shut"): shut}
    objects, described = (
        Objects(dict(held)),
        inventory(callers={"network_policy": "p", "port": 1, "workloads": ["web"]}),
    )
    fault, site, undo = await broken("network_policy_deleted@web", objects, tmp_path, described)
    assert ("NetworkPolicy", "open") not in objects.held
    assert [o.ok for o in await fault.receipt(site, undo)] == [True]
    theirs = thing("NetworkPolicy", "open", spec={})
    if cured:
        objects.held["NetworkPolicy", "open"] = theirs
    await fault.restore(site, undo)
    expected = theirs if cured else {k: v for k, v in opened.items() if k != "status"}
    assert objects.held["NetworkPolicy", "open"] == expected
    assert [o.ok for o in await fault.cleared(site, undo)] == [True]
    with pytest.raises(ChaosError, match="close nothing"):
        await broken("network_policy_deleted@web", Objects({("Deployment", "web"): web()}), tmp_path, described)


async def test_what_cannot_be_broken_says_why(tmp_path: Path) -> None:
    """No such object, one pod alone, no rule to lose, and a refusal that does not end."""
    empty, alone = Objects(), Objects({("Deployment", "web"): web()})
    callers = inventory(callers={"network_policy": "p", "port": 1, "workloads": ["web"]})
    for name, objects, described, words in (
        ("image_pull@web", empty, inventory(), "nothing to break"),
        ("pod_stuck@web", alone, inventory(), "serve on"),
        ("network_policy@web", alone, callers, "no network policy"),
    ):
        with pytest.raises(ChaosError, match=words):
            await broken(name, objects, tmp_path, described)
    with pytest.raises(PatientError, match="faster"):
        await broken("scaled_to_zero@web", Objects({("Deployment", "web"): web()}, refusals=9), tmp_path, inventory())


def test_only_what_is_declared_can_be_broken() -> None:
    """A fault per service that allows it; options that cannot be read are named."""
    names = set(cluster_catalogue(inventory()))
    assert names == {f"{way}@web" for way in ("image_pull", "scaled_to_zero", "selector_mismatch", "pod_stuck")}
    closed = inventory().services[0].model_copy(update={"chaos": False})
    assert cluster_catalogue(Inventory(services=[closed])) == {}
    with pytest.raises(ChaosError) as caught:
        cluster_catalogue(inventory(settings={"config_map": "s"}))
    assert "settings" in caught.value.found


def test_a_workload_is_broken_under_its_name() -> None:
    """A deployment under either, a stateful set; of a daemon set nothing is on offer, and the faults of others are."""
    plain = set(cluster_catalogue(inventory(workload="deployment/web")))
    assert "image_pull@web" in plain
    assert plain == set(cluster_catalogue(inventory())) == set(cluster_catalogue(inventory(workload="statefulset/web")))
    assert not cluster_catalogue(inventory(workload="daemonset/web"))


async def test_an_ordered_set_is_let_go_on(tmp_path: Path) -> None:
    """With its template back it would wait for the pod of the broken one for ever: that one goes, the one that serves stays."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    pods = {
        ("Pod", name): thing("Pod", name, status=status)
        for name, status in (("web-0", ready), ("web-1", {}), ("other", {}))
    }
    for name in ("web-0", "web-1"):
        pods["Pod", name]["metadata"]["labels"] = {"app": "web"}
    objects = Objects({("StatefulSet", "web"): {**web(), "kind": "StatefulSet"}, **pods})
    described = inventory(workload="statefulset/web")
    fault, site, undo = await broken("image_pull@web", objects, tmp_path, described)
    await fault.restore(site, undo)
    assert {name for kind, name in objects.held if kind == "Pod"} == {"web-0", "other"}


async def test_users_of_a_cluster(tmp_path: Path) -> None:
    """A visit is good when every workload is rolled out and its service has endpoints."""
    endpoints = thing("Endpoints", "web", subsets=[{"addresses": [{"ip": "10.0.0.1"}]}])
    served = {"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}
    objects = Objects({("Deployment", "web"): web(status=served), ("Endpoints", "web"): endpoints})
    site = site_of(objects, tmp_path, inventory())
    users = ClusterUsers(site.inventory, site.reach)
    assert (await users.visit()).ok
    endpoints["subsets"] = []
    assert (await users.visit()).text == "web does not serve"
    with pytest.raises(PatientError, match="control endpoint"):
        await users.post("/processes/web/restart")
    assert await users.metrics("web") == {}


async def test_a_target_must_allow_it(tmp_path: Path) -> None:
    """Without a credential of its own for chaos nothing is opened, and a TARGET that cannot be read is named."""
    service = inventory().services[0]
    with pytest.raises(ChaosError, match="TARGET"):
        async with reaching(tmp_path)(service):
            pass
    target = {"version": "1", "name": "t", "kubernetes": {"kubeconfig": "k", "namespace": "n"}}
    (tmp_path / "t.yaml").write_text(json.dumps(target))
    with pytest.raises(InjectionRefusedError, match="nothing may be broken"):
        async with reaching(tmp_path)(service):
            pass
    target["kubernetes"]["chaos"] = "k"  # type: ignore[index]
    (tmp_path / "t.yaml").write_text(json.dumps(target))
    with pytest.raises(ChaosError, match="kubeconfig"):
        async with reaching(tmp_path)(service):
            pass


def test_a_field_is_set_and_removed() -> None:
    """Tables on the way are made; None removes; the object that was given stays as it is."""
    before = {"a": [{"b": 1}]}
    assert with_value(before, ("a", 0, "b"), 2) == {"a": [{"b": 2}]}
    assert with_value(before, ("x", "y"), 3) == {"a": [{"b": 1}], "x": {"y": 3}}
    assert with_value(with_value(before, ("x", "y"), 3), ("x", "y"), None) == {"a": [{"b": 1}], "x": {}}
    assert before == {"a": [{"b": 1}]}
    assert value_at(before, ("a", 1, "b")) is None
    assert Edit(kind="Pod", name="p", path=("a", 0)).words() == "Pod p: a.0"
    assert Edit(kind="Pod", name="p", path=()).words() == "Pod p: the object"


async def test_a_service_that_left_the_inventory(tmp_path: Path) -> None:
    """Its fault says so."""
    fault = cluster_catalogue(inventory())["image_pull@web"]
    assert isinstance(fault, ClusterFault)
    other = Inventory(services=[Service(name="other", kind="api")])
    with pytest.raises(ChaosError, match="has gone"):
        await fault.prepare(site_of(Objects(), tmp_path, other), NoParameters())
