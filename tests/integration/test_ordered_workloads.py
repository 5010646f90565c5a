"""Stateful sets and daemon sets under the actions and probes of workloads, on the tests' API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.action import ActionCall, ActionResult, DryRun, Effect, Outcome
from domain.bundle import Reading
from domain.runner import Command
from tests.fakes.cluster.hands import hands, in_cluster
from tests.fakes.cluster.server import ClusterServer, running_cluster
from tests.fakes.cluster.shop import Object, Shop, deployment
from tools.probes.runner import ProbeRunner
from tools.registry import ActionRegistry
from tools.remote import load_target
from tools.runners.choose import cluster_runner

pytestmark = pytest.mark.integration
BROKEN = "shop/queue:missing"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with running_cluster() as found:
        yield found


@pytest.fixture
def shop(cluster: ClusterServer, tmp_path: Path) -> Shop:
    """A shop with a queue of two ordered pods, and an agent on every node."""
    shop = Shop.made(cluster, tmp_path)
    for name in ("queue", "agent"):
        shop.put("ServiceAccount", {"metadata": {"name": name}})
    queue = deployment("queue", "shop/queue:1")
    shop.put("StatefulSet", {**queue, "spec": {**queue["spec"], "serviceName": "queue"}})
    agent = deployment("agent", "shop/agent:1")
    shop.put("DaemonSet", {**agent, "spec": {k: v for k, v in agent["spec"].items() if k != "replicas"}})
    return shop


def over(shop: Shop, workload: str, **options: Any) -> ActionRegistry:
    return hands(in_cluster(shop.write_target(), workload=workload, **options), shop.folder)


async def do(registry: ActionRegistry, action: str, **args: Any) -> ActionResult:
    call = ActionCall(action=action, target="web", args=args)
    return await registry.execute(call, idempotency_key=f"{action} {args}")


async def state(shop: Shop, workload: str, **options: Any) -> Reading:
    inventory = in_cluster(shop.write_target(), workload=workload, **options)
    (found,) = await ProbeRunner(inventory, {}, root=shop.folder).run(["workload_state"])
    return found


def uids(shop: Shop, app: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in shop.pods(app)}


def release(shop: Shop, kind: str, name: str, image: str) -> None:
    def change(thing: Object) -> None:
        thing["spec"]["template"]["spec"]["containers"][0]["image"] = image

    shop.change(kind, name, change)


@pytest.mark.parametrize(("word", "app", "pods"), [("statefulset/queue", "queue", 2), ("daemonset/agent", "agent", 1)])
async def test_a_rolling_restart_replaces_every_pod(shop: Shop, word: str, app: str, pods: int) -> None:
    """All pods are others afterwards, and as many serve as before."""
    before = uids(shop, app)
    done = await do(over(shop, word), "restart_workload")
    assert done.outcome is Outcome.SUCCEEDED, done.summary
    assert len(before) == pods == len(uids(shop, app))
    assert not before & uids(shop, app)
    told = await state(shop, word)
    assert told.ok
    assert (told.values["ready"], told.values["revision"], told.values["workload"]) == (pods, 2, word)


async def test_replicas_are_restored_and_taken_back(shop: Shop) -> None:
    """A stateful set gets back its normal number, in the order of its pods; the undo knows the kind."""
    shop.change("StatefulSet", "queue", lambda s: s["spec"].update(replicas=0))
    assert (await state(shop, "statefulset/queue", replicas=3)).values["missing_replicas"] == 3
    registry = over(shop, "statefulset/queue", replicas=3)
    done = await do(registry, "scale_workload")
    assert done.outcome is Outcome.SUCCEEDED, done.summary
    assert [pod["metadata"]["name"] for pod in shop.pods("queue")] == ["queue-0", "queue-1", "queue-2"]
    assert done.undo is not None
    assert done.undo.args == {"workload": "statefulset/queue", "replicas": 0}
    assert (await registry.execute(done.undo, idempotency_key="back")).outcome is Outcome.SUCCEEDED
    assert not shop.pods("queue")


async def test_a_daemon_set_has_no_number_to_restore(shop: Shop) -> None:
    """It has a pod for each node, so the dry run cannot tell what is wanted, and nothing is sent."""
    answer = await over(shop, "daemonset/agent").dry_run(
        ActionCall(action="scale_workload", target="web", args={"replicas": 3})
    )
    assert answer.answer is DryRun.CANNOT_TELL
    assert "each node" in answer.summary


@pytest.mark.parametrize(
    ("kind", "name", "former"), [("StatefulSet", "queue", "shop/queue:1"), ("DaemonSet", "agent", "shop/agent:1")]
)
async def test_a_broken_release_goes_back_by_controller_revisions(
    shop: Shop, kind: str, name: str, former: str
) -> None:
    """The former template serves again; the undo brings back what was broken, and does not wait for it to serve."""
    word = f"{kind.lower()}/{name}"
    release(shop, kind, name, BROKEN)
    told = await state(shop, word)
    assert told.ok is False
    assert told.values["replaced"] == [{"container": "app", "image": BROKEN, "former": former}]
    registry = over(shop, word)
    back = await do(registry, "rollback_deployment")
    assert back.outcome is Outcome.SUCCEEDED, back.summary
    assert (await state(shop, word)).ok
    assert back.undo is not None
    assert back.undo.args == {"workload": word, "revision": 2, "serving": False}
    again = await registry.execute(back.undo, idempotency_key="again")
    assert again.outcome is Outcome.SUCCEEDED, again.summary
    assert shop.get(kind, name)["spec"]["template"]["spec"]["containers"][0]["image"] == BROKEN


async def test_an_ordered_set_that_waits_in_vain_goes_on(shop: Shop) -> None:
    """Sending the good template is not enough: the set waits for the pod of the bad one, which has to go. A good pod stays."""
    release(shop, "StatefulSet", "queue", BROKEN)
    (kept,) = (pod["metadata"]["uid"] for pod in shop.pods("queue") if pod["metadata"]["name"] == "queue-0")
    release(shop, "StatefulSet", "queue", "shop/queue:1")
    assert (await state(shop, "statefulset/queue")).ok is False, "by hand, the template alone"
    release(shop, "StatefulSet", "queue", BROKEN)
    done = await do(over(shop, "statefulset/queue"), "patch_image", container="app", image="shop/queue:1")
    assert done.outcome is Outcome.SUCCEEDED, done.summary
    assert (await state(shop, "statefulset/queue")).ok
    assert kept in uids(shop, "queue")


@pytest.mark.parametrize(
    ("strategy", "words"),
    [({"type": "OnDelete"}, "OnDelete"), ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, "partition 1")],
)
async def test_a_set_whose_pods_a_template_does_not_reach_is_left_alone(
    shop: Shop, strategy: Object, words: str
) -> None:
    """A restart or a rollback would end without its effect; the dry run says why."""
    shop.change("StatefulSet", "queue", lambda s: s["spec"].update(updateStrategy=strategy))
    release(shop, "StatefulSet", "queue", "shop/queue:2")
    before = uids(shop, "queue")
    for action in ("restart_workload", "rollback_deployment"):
        done = await do(over(shop, "statefulset/queue"), action)
        assert done.outcome is Outcome.FAILED
        assert words in done.summary
    assert uids(shop, "queue") == before


async def test_reading_commands_know_the_kinds(shop: Shop) -> None:
    """`rollout status` and `logs` by kind and name, as kubectl says them."""
    runner = cluster_runner(load_target(shop.write_target()), {})

    async def said(*argv: str) -> str:
        ran = await runner.run(Command(argv=("kubectl", *argv), effect=Effect.READ), "-".join(argv).replace("/", "-"))
        return ran.stdout or ran.stderr or ran.reason

    assert "statefulset queue successfully rolled out: 2 of 2" in await said("rollout", "status", "statefulset/queue")
    assert "serving" in await said("logs", "ds/agent")
    release(shop, "StatefulSet", "queue", BROKEN)
    shop_said = await said("rollout", "status", "sts/queue")
    assert "has not ended: 1 of 2" in shop_said
    await runner.aclose()
