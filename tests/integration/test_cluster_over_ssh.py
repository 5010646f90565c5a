"""A cluster that only an SSH host reaches: real OpenSSH servers in front of the tests' API server."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from typer.testing import CliRunner

from cli.main import app
from domain.action import ActionCall, Effect, Outcome
from domain.clock import ManualClock
from domain.errors import AuthError, FirebreakError, ToolUnavailableError
from domain.inventory import Inventory
from domain.runner import Command
from tests.fakes.cluster.hands import hands, in_cluster
from tests.fakes.cluster.server import DNS_NAME, ClusterServer, running_cluster
from tests.fakes.cluster.shop import Shop
from tests.fakes.ssh_servers import SSHD, Site, keygen, running_ssh_site
from tools.kubernetes.client import ClusterClient
from tools.kubernetes.dump import LivePlatform
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import connect
from tools.probes.cluster.workload import WORKLOAD_STATE
from tools.probes.probe import BOUND_S, FAR_S
from tools.probes.runner import ProbeRunner
from tools.remote import load_target
from tools.runners.choose import cluster_runner
from tools.ssh.line import Line

pytestmark = [pytest.mark.integration, pytest.mark.skipif(SSHD is None, reason="no sshd is installed")]


@dataclass
class Far:
    """A shop whose TARGET leads through a jump host and a host to the API server."""

    shop: Shop
    site: Site

    def write_target(self, *, server: str = "", cluster: dict[str, Any] | None = None, **through: Any) -> Path:
        """`server` and `cluster` replace words of the kubeconfig, `through` those of the way."""
        config = json.loads(self.shop.cluster.kubeconfig(self.site.folder, namespace=self.shop.namespace).read_text())
        config["clusters"][0]["cluster"] |= {"server": server or self.shop.cluster.url, **(cluster or {})}
        (self.site.folder / "kubeconfig").write_text(json.dumps(config))
        route = {**self.site.route(), **through}
        access = {"kubeconfig": "kubeconfig", "namespace": self.shop.namespace, "through": route}
        file = self.site.folder / "cluster.yaml"
        file.write_text(json.dumps({"version": "1", "name": "far-shop", "kubernetes": access}))
        return file

    def client(self, **more: Any) -> ClusterClient:
        return connect(load_target(self.write_target(**more)), changing=True, env={})

    async def trouble(self, **more: Any) -> FirebreakError:
        """The error with which a look at a changed TARGET ends."""
        client = self.client(**more)
        with pytest.raises(FirebreakError) as caught:
            await client.get(KINDS["Deployment"], "web")
        await client.aclose()
        return caught.value


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with running_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def open_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_ssh_site(tmp_path_factory.mktemp("ssh"), forwarding=True) as found:
        yield found


@pytest.fixture(autouse=True)
def no_way_around(cluster: ClusterServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process cannot reach the API server's port by itself; sshd, another process, can."""
    connected = urllib3.util.connection.create_connection

    def guarded(address: tuple[str, int], *words: Any, **more: Any) -> socket.socket:
        assert address[1] != urlsplit(cluster.url).port, "went to the API server directly"
        return connected(address, *words, **more)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", guarded)


@pytest.fixture
def far(cluster: ClusterServer, open_site: Site, tmp_path: Path) -> Far:
    return Far(Shop.made(cluster, tmp_path), open_site)


def under(url: str, name: str) -> str:
    """The same port by another name."""
    return f"https://{name}:{urlsplit(url).port}"


async def test_a_change_goes_through_jump_host_and_host(far: Far) -> None:
    """Action, reading command and dump use the way; the guard's executor sees what it would see from near."""
    target = far.write_target()
    inventory = in_cluster(target)
    scaled = ActionCall(action="scale_workload", target="web", args={"replicas": 3})
    done = await hands(inventory, far.shop.folder).execute(scaled, idempotency_key="k1")
    assert done.outcome is Outcome.SUCCEEDED, done.summary
    assert len(far.shop.pods("web")) == 3
    runner = cluster_runner(load_target(target), {})
    argv = ("kubectl", "get", "deployment", "web", "-o", "json")
    ran = await runner.run(Command(argv=argv, effect=Effect.READ), "look")
    await runner.aclose()
    assert json.loads(ran.stdout)["spec"]["replicas"] == 3, ran.reason
    platform = await LivePlatform(inventory, target.parent, ManualClock(), {})()
    assert not platform.gaps
    assert {"Deployment", "Pod"} <= {o["kind"] for o in platform.objects}


async def test_the_forward_is_closed_at_the_end(far: Far) -> None:
    """One port for all questions of a client; a lost line opens another; afterwards nothing listens any more."""
    client = far.client()
    assert await asyncio.gather(*(client.get(KINDS["Deployment"], name) for name in ("web", "db", "web")))
    assert client._route is not None
    first = await client._route.url()
    line = await client._route._forward._line.connection()
    line.abort()
    await line.wait_closed()
    assert await client.get(KINDS["Deployment"], "web")
    second = await client._route.url()
    assert await client._route.url() == second
    await client.aclose()
    for url in (first, second):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", urlsplit(url).port)), "nobody listens"


async def test_the_servers_name_is_checked_as_if_it_were_near(far: Far) -> None:
    """What the certificate must say is the kubeconfig's name, not that of the loopback port; Host stays as well."""
    url = far.shop.cluster.url
    by_name = far.client(server=under(url, "localhost"), cluster={"tls-server-name": DNS_NAME})
    assert await by_name.get(KINDS["Deployment"], "web")
    await by_name.aclose()
    assert "certificate" in (await far.trouble(server=under(url, "localhost"))).found
    assert "certificate" in (await far.trouble(cluster={"tls-server-name": "other.test-cluster"})).found
    assert far.shop.cluster.hosts == {urlsplit(url).netloc, urlsplit(under(url, "localhost")).netloc}


async def test_every_way_that_is_shut_says_why(far: Far, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Unknown host key, nothing behind the host, a host that forwards nothing, and no SSH server at all."""
    (far.site.folder / "only_host").write_text(far.site.host.host_key())
    jump = {**far.site.route()["jump"], "known_hosts": "only_host"}
    assert (await far.trouble(jump=jump)).code == "remote.host_key"
    nothing = await far.trouble(server="https://127.0.0.1:1")
    assert isinstance(nothing, ToolUnavailableError)
    assert "does not reach 127.0.0.1:1" in nothing.message
    assert isinstance(await far.trouble(port=1, jump=None), ToolUnavailableError)
    with running_ssh_site(tmp_path_factory.mktemp("shut")) as shut:
        refused = await Far(far.shop, shut).trouble()
    assert isinstance(refused, AuthError)
    assert refused.code == "remote.forward"
    assert "permitopen" in refused.hint


async def test_probes_of_one_look_share_the_way(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jump host and host let us in once for all of them, and a reading has the patience that two servers take."""
    inventory, hops = in_cluster(far.write_target(), service="web"), 0
    connected = Line._connected

    async def counted(line: Line, *words: Any) -> Any:
        nonlocal hops
        hops += 1
        return await connected(line, *words)

    monkeypatch.setattr(Line, "_connected", counted)
    names = ["workload_state", "service_endpoints", "cluster_events"]
    found = await ProbeRunner(inventory, {}, root=far.site.folder).run(names)
    assert [reading.ok for reading in found] == [True] * 3, found
    assert hops == 2
    near = in_cluster(far.shop.write_target(), service="web")
    assert [_patience(each, far.site.folder) for each in (inventory, near)] == [FAR_S, BOUND_S]


def _patience(inventory: Inventory, root: Path) -> float:
    (target,) = ProbeRunner(inventory, {}, root=root)._targets(None)
    return WORKLOAD_STATE.patience_s(target)


async def test_a_host_that_refuses_is_not_knocked_at_again_and_again(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at everything asks for all kinds side by side; a key that is refused is shown once for all of them."""
    keygen(far.site.folder / "stranger")
    target, knocks = far.write_target(jump=None, key={"file": "stranger"}), 0
    connected = Line.connection

    async def counted(line: Line) -> Any:
        nonlocal knocks
        knocks += 1
        return await connected(line)

    monkeypatch.setattr(Line, "connection", counted)
    platform = await LivePlatform(in_cluster(target), target.parent, ManualClock(), {})()
    assert "does not let us in" in platform.gaps[0].data_gap
    assert (len(platform.gaps), knocks) == (1, 1)


def test_the_access_check_goes_the_same_way(far: Far) -> None:
    """`firebreak target check` tells version and permissions through the host, and what is wrong when it is shut."""
    well = CliRunner().invoke(app, ["target", "check", str(far.write_target())])
    assert well.exit_code == 0, well.output
    assert "v1.34.0-test" in well.output
    ill = CliRunner().invoke(app, ["target", "check", str(far.write_target(known_hosts="none"))])
    assert ill.exit_code == 3
    assert "host key" in ill.output
