"""One suite for every runner: what the port promises holds here, over SSH through a jump host, and against a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from domain.action import Effect
from domain.runner import Command, Runner, RunOutcome
from tests.fakes.cluster.server import ClusterServer, running_cluster
from tests.fakes.cluster.shop import Shop
from tests.fakes.ssh_servers import SSHD, running_ssh_site
from tests.fakes.ssh_servers import Site as SshSite
from tools.remote import load_target
from tools.runners.choose import cluster_runner, ssh_runner
from tools.runners.local import local_runner

pytestmark = pytest.mark.integration


@dataclass(frozen=True, kw_only=True)
class World:
    """A runner with commands that mean something where it runs."""

    kind: str
    runner: Runner
    fresh: tuple[str, ...]
    """Reads something that differs at every look."""
    secret: tuple[str, ...]
    """Reads a text that holds the word `hunter22` as a password."""
    large: tuple[str, ...]
    """Reads more than 1,000 bytes."""
    odd: tuple[str, ...]
    """Fails, and says its odd argument back."""
    tick: Callable[[], object] = lambda: None
    """Makes the next look of `fresh` differ."""


ODD = "a b;touch x&$(touch x)'\"\\`*"


@pytest.fixture(scope="module")
def ssh_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshSite]:
    if SSHD is None:
        pytest.skip("no sshd is installed")
    with running_ssh_site(tmp_path_factory.mktemp("ssh")) as site:
        yield site


def _posix(kind: str, runner: Runner, folder: Path) -> World:
    (folder / "settings").write_text("user=shop password=hunter22\n")
    (folder / "large").write_text("".join(f"line {n}\n" for n in range(5000)))
    return World(
        kind=kind,
        runner=runner,
        fresh=("date", "+%N"),
        secret=("cat", str(folder / "settings")),
        large=("cat", str(folder / "large")),
        odd=("ls", ODD),
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with running_cluster() as found:
        yield found


def _in_cluster(shop: Shop, **access: Any) -> World:
    ticks = count()

    def tick() -> None:
        shop.change("ConfigMap", "settings", lambda c: c["data"].update(TICK=str(next(ticks))))

    settings = ("kubectl", "get", "configmap", "settings", "-o", "json")
    return World(
        kind="kubernetes",
        runner=cluster_runner(load_target(shop.write_target(**access)), {}),
        fresh=settings,
        secret=("kubectl", "get", "cm/settings", "-o", "json"),
        large=("kubectl", "get", "pods", "-o", "json"),
        odd=("kubectl", "get", ODD, "-o", "json"),
        tick=tick,
    )


@pytest.fixture(params=["local", "ssh", "kubernetes", "kubernetes over ssh"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "local":
        found = _posix("local", local_runner(tmp_path / "steps"), tmp_path)
    elif request.param == "kubernetes":
        found = _in_cluster(Shop.made(request.getfixturevalue("cluster"), tmp_path))
    elif request.param == "kubernetes over ssh":
        jump: SshSite = request.getfixturevalue("ssh_site")
        found = _in_cluster(Shop.made(request.getfixturevalue("cluster"), tmp_path), through=jump.forward())
    else:
        site: SshSite = request.getfixturevalue("ssh_site")
        found = _posix("ssh", ssh_runner(load_target(site.write_target()), {}), tmp_path)
    yield found
    await found.runner.aclose()


def read(*argv: str, **more: float) -> Command:
    return Command(argv=argv, effect=Effect.READ, **more)


@pytest.fixture
def step(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An id that no other test uses, also on a host that remembers."""
    return f"step-{tmp_path.name[-60:]}"


async def test_a_profile_says_what_is_there(world: World) -> None:
    """Reachable, under its own kind, with permissions and versions, and nothing is left out in silence."""
    profile = await world.runner.profile()
    assert profile.reachable
    assert profile.runner == world.kind
    assert profile.permissions == sorted(profile.permissions)
    assert profile.permissions
    assert profile.versions
    assert profile.nodes
    assert not profile.problems


async def test_the_same_step_never_runs_twice(world: World, step: str) -> None:
    """A second run under the id gives the first result, to another runner of the same place as well."""
    first = await world.runner.run(read(*world.fresh), step)
    assert first.ok, first.reason
    assert await world.runner.run(read(*world.fresh), step) == first
    assert await world.runner.settle(step) == first
    world.tick()
    assert await world.runner.run(read(*world.fresh), step) == first
    assert (await world.runner.run(read(*world.fresh), f"{step}-2")).stdout != first.stdout


async def test_another_command_under_a_used_id_is_refused(world: World, step: str) -> None:
    """An id belongs to one argument list."""
    await world.runner.run(read(*world.fresh), step)
    other = await world.runner.run(read(*world.secret), step)
    assert other.outcome is RunOutcome.REFUSED
    assert "another command" in other.reason


async def test_what_was_never_begun_is_none(world: World, step: str) -> None:
    """Settling starts nothing, and the step may be run afterwards."""
    assert await world.runner.settle(step) is None
    assert (await world.runner.run(read(*world.fresh), step)).ok


async def test_secrets_do_not_leave_the_runner(world: World, step: str) -> None:
    """Outputs are redacted."""
    ran = await world.runner.run(read(*world.secret), step)
    assert ran.ok, ran.reason
    assert "shop" in ran.stdout
    assert "hunter22" not in ran.stdout


async def test_outputs_keep_their_head_and_tail(world: World, step: str) -> None:
    """What is over the limit is left out in the middle, and `truncated` says so."""
    ran = await world.runner.run(read(*world.large, max_output_bytes=400), step)
    assert ran.ok
    assert ran.truncated
    assert "[left out]" in ran.stdout
    assert len(ran.stdout) < 500


async def test_arguments_arrive_as_they_are(world: World, step: str) -> None:
    """Nothing reads an argument as a line: metacharacters stay part of it."""
    ran = await world.runner.run(read(*world.odd), step)
    assert not ran.ok
    said = ran.stderr + ran.reason
    assert "a b;touch x&$(touch x)" in said.replace("'\"'\"'", "'").replace("\\", "")


@pytest.mark.parametrize(
    "argv", [("rm", "-rf", "/tmp/x"), ("sh", "-c", "true"), ("/bin/cat", "x"), ("kubectl", "delete", "pod", "x")]
)
async def test_a_read_that_is_not_known_to_read_is_refused(world: World, step: str, argv: tuple[str, ...]) -> None:
    """A declared effect is not believed."""
    ran = await world.runner.run(read(*argv), step)
    assert ran.outcome is RunOutcome.REFUSED
    assert await world.runner.settle(step) is None


async def test_changes_are_refused_outside_the_action_server(world: World, step: str) -> None:
    """A runner without the right to change says so and starts nothing."""
    ran = await world.runner.run(Command(argv=("touch", "x"), effect=Effect.REVERSIBLE), step)
    assert ran.outcome is RunOutcome.REFUSED
    assert await world.runner.settle(step) is None
