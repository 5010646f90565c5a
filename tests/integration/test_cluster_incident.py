"""An incident in a cluster: read over the API, planned with a trusted skill, carried out by the guard, verified, told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.perception.engine import diagnose
from chaos.cluster.patient import rolled_out
from domain.incident import IncidentStatus
from domain.inventory import HttpProbe, Inventory
from graph.gather import LiveGather
from graph.services import Services
from graph.skills.incident import IncidentSkills
from skills.report import RunStatus
from skills.store import Standing, Trust
from tests.fakes.cluster.server import ClusterServer, running_cluster
from tests.fakes.cluster.shop import Shop
from tests.fakes.cluster.theatre import Theatre, theatre
from tests.fakes.house import House
from tests.fakes.web_services import FakeTelemetry
from tests.fakes.world import World, alert
from tools.kubernetes.dump import LivePlatform
from tools.probes.runner import ProbeRunner

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with running_cluster() as found:
        yield found


@contextmanager
def front(shop: Shop) -> Iterator[str]:
    """What users call: it answers as long as every pod of web serves behind its service."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            endpoints = shop.get("Endpoints", "web").get("subsets") or [{}]
            fine = rolled_out(shop.get("Deployment", "web")) and endpoints[0].get("addresses")
            self.send_response(200 if fine else 503)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


class ClusterHouse(House):
    """The graph over a namespace: real probes, perception, guard and skills."""

    stage: Theatre
    inventory: Inventory

    @property
    def services(self) -> Services:
        stage, clock = self.stage, self.stage.bench.clock
        root = stage.shop.folder
        probes = ProbeRunner(self.inventory, {}, root=root, clock=clock)
        platform = LivePlatform(self.inventory, root, clock, {})
        return replace(
            super().services,
            inventory=self.inventory,
            gather=LiveGather(self.inventory, FakeTelemetry(), probes, clock, platform=platform),
            diagnose=diagnose,
            probes=probes,
            guard=stage.scene.agent,
            skilled=IncidentSkills(replace(stage.bench, probes=probes)),
            clock=clock,
        )


def house(stage: Theatre, url: str) -> ClusterHouse:
    """With a check of what users get, which an inventory would name."""
    check = HttpProbe(name="shop", url=url, user_facing=True)
    services = [s.model_copy(update={"probes": [check]} if s.name == "web" else {}) for s in stage.inventory.services]
    found = ClusterHouse(World())
    found.stage, found.inventory = stage, stage.inventory.model_copy(update={"services": services})
    return found


def trust(stage: Theatre, name: str) -> None:
    package, skill = stage.bench.shelf.procedure(name)
    now = stage.bench.clock.now()
    known = {"skill": name, "version": skill.version, "digest": package.digest, "by": "ada", "at": now}
    stage.bench.store.stand(Standing.model_validate({**known, "trust": Trust.TRUSTED}))


BROKEN = [
    ("image_pull@web", "automatic-rollback", ["rollback_deployment"]),
    ("rbac_denied@web", "minimal-permission-repair", ["repair_role"]),
    ("network_policy@db", "network-policy-repair", ["allow_network_path"]),
    ("wrong_settings@web", "", ["restore_settings", "restart_workload"]),
]
"""(fault, the trusted skill, what is done); without a skill the planner finds loose actions for what is read."""


@pytest.mark.parametrize(("fault", "skill", "actions"), BROKEN)
async def test_an_incident_in_a_cluster(
    fault: str, skill: str, actions: list[str], cluster: ClusterServer, tmp_path: Path
) -> None:
    """It is resolved, by the trusted skill where there is one; plan, timeline and brief name it, and its record keeps it."""
    async with theatre(Shop.made(cluster, tmp_path)) as stage:
        with front(stage.shop) as url:
            if skill:
                trust(stage, skill)
            await stage.injector.inject(fault, lease_s=600)
            served = house(stage, url)
            given = {"incident": "inc-1", "run": "run-1", "alerts": [alert(service="web")]}
            answer = await served.run(given, verify_s=0.1, patience_s=5.0)
        told = "\n".join(f"{e.event} {e.text}" for e in answer["timeline"])
        assert answer["status"] is IncidentStatus.RESOLVED, told
        assert [r.action for r in answer["results"]] == actions, told
        assert answer["verifications"][-1].cause_repaired is True, told
        assert answer["plan"].source.startswith(f"skill {skill} " if skill else "rules"), told
        brief = " ".join(s.text for s in answer["brief"].actions)
        assert ("never run" in brief and skill in brief) if skill else "By skill" not in brief
        assert stage.scene.store.verify().verified
        kept = stage.bench.store.runs(skill) if skill else []
        assert [r.status for r in kept] == [RunStatus.SUCCEEDED] * bool(skill), told
        assert all(s.holds for r in kept for s in (*r.visible, *r.hidden)), told
