"""Actions and readings of a cluster over the real client library, and the API server of the tests under the real clients."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from typer.testing import CliRunner

from agents.perception.engine import diagnose
from cli.main import app
from domain.action import ActionCall, DryRun, Effect, Outcome, Verdict
from domain.bundle import Bundle
from domain.clock import ManualClock
from domain.errors import ConfigError, ToolError
from domain.inventory import Binding, Environment, Inventory, Mode, Service
from domain.runner import Command
from tests.fakes.cluster.access import service_account
from tests.fakes.cluster.hands import hands, in_cluster
from tests.fakes.cluster.server import SILENCE_S, ClusterServer, running_cluster
from tests.fakes.cluster.shop import Shop, deployment
from tests.fakes.guard import Scene, actor, plan, step
from tools.kubernetes import client
from tools.kubernetes.dump import LivePlatform
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import connect
from tools.probes.runner import ProbeRunner
from tools.registry import ActionRegistry
from tools.remote import load_target
from tools.runners.choose import reading_runner

pytestmark = pytest.mark.integration
LIBRARY: Any = kubernetes
"""Its annotations ask for models where plain objects do."""
PATH = {"to_labels": {"app": "db"}, "from_labels": {"app": "web"}, "port": 5432}


def api_of(kubeconfig: Path) -> Any:
    """The typed client's connection."""
    settings = LIBRARY.client.Configuration()
    LIBRARY.config.load_kube_config(str(kubeconfig), client_configuration=settings)
    return LIBRARY.client.ApiClient(settings)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with running_cluster() as found:
        yield found


@pytest.fixture
def shop(cluster: ClusterServer, tmp_path: Path) -> Iterator[Shop]:
    yield Shop.made(cluster, tmp_path)
    cluster.deaf = False


def registry_of(target: Path, **options: Any) -> ActionRegistry:
    """The executor over three web pods, or as `options` say."""
    return hands(in_cluster(target, **{"replicas": 3, **options}), target.parent)


def call(action: str, **args: Any) -> ActionCall:
    return ActionCall(action=action, target="web", args=args)


async def check(target: Path, *words: str) -> Any:
    """`firebreak target check`, which runs a loop of its own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["target", "check", str(target), *words]))


async def test_a_restart_does_not_cure_a_wrong_configuration(shop: Shop) -> None:
    """The naive fix fails; configuration and then a restart cure, since pods read it when they start."""
    shop.change("ConfigMap", "settings", lambda c: c["data"].update(DB_HOST="database"))
    host = {"name": "DB_HOST", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "DB_HOST"}}}
    shop.change("NetworkPolicy", "closed", lambda p: p["spec"].update(ingress=[{}]))
    shop.change("Deployment", "web", lambda d: d["spec"]["template"]["spec"]["containers"][0].update(env=[host]))
    registry = registry_of(shop.write_target())
    assert (await registry.execute(call("restart_workload"), idempotency_key="k1")).outcome is Outcome.FAILED
    mended = call("patch_config_map", config_map="settings", key="DB_HOST", value="db")
    assert (await registry.execute(mended, idempotency_key="k2")).outcome is Outcome.SUCCEEDED
    assert shop.get("Deployment", "web")["status"]["conditions"][1]["reason"] != "NewReplicaSetAvailable"
    assert (await registry.execute(call("restart_workload"), idempotency_key="k3")).outcome is Outcome.SUCCEEDED


async def test_a_closed_path_is_opened_for_one_port_only(shop: Shop) -> None:
    """The rule lets web pods reach the database again, and the undo closes the path as it was."""
    shop.change("NetworkPolicy", "closed", lambda p: p["spec"].update(ingress=[]))
    env = [{"name": "DB_HOST", "value": "db"}]
    shop.change("Deployment", "web", lambda d: d["spec"]["template"]["spec"]["containers"][0].update(env=env))
    assert shop.get("Deployment", "web")["status"]["updatedReplicas"] == 1, "the new pod never becomes ready"
    registry, opened = registry_of(shop.write_target()), call("allow_network_path", network_policy="closed", **PATH)
    done = await registry.execute(opened, idempotency_key="k1")
    assert done.outcome is Outcome.SUCCEEDED
    assert shop.get("Deployment", "web")["status"]["updatedReplicas"] == 2
    assert done.undo is not None
    assert (await registry.execute(done.undo, idempotency_key="k2")).outcome is Outcome.SUCCEEDED
    assert shop.get("NetworkPolicy", "closed")["spec"]["ingress"] == []
    other = call("allow_network_path", network_policy="closed", **{**PATH, "to_labels": {"app": "web"}})
    assert (await registry.dry_run(other)).answer is DryRun.CANNOT_TELL, "a policy about other pods stays as it is"


async def test_a_missing_permission_is_given_and_no_more(shop: Shop) -> None:
    """Role and binding together let the pods read what they need; nothing of them names secrets or everything."""
    env = [{"name": "NEEDS_PERMISSION", "value": "get configmaps"}]
    shop.change("Deployment", "web", lambda d: d["spec"]["template"]["spec"]["containers"][0].update(env=env))
    registry = registry_of(shop.write_target())
    role = call("repair_role", role="reader", resource="configmaps", verbs=["get"])
    bind = call("repair_role_binding", role_binding="readers", role="reader", service_account="web")
    assert (await registry.execute(role, idempotency_key="k1")).outcome is Outcome.SUCCEEDED
    assert shop.get("Deployment", "web")["status"]["updatedReplicas"] == 1
    assert (await registry.execute(bind, idempotency_key="k2")).outcome is Outcome.SUCCEEDED
    assert shop.get("Deployment", "web")["status"]["updatedReplicas"] == 2
    for wrong in ({"resource": "secrets"}, {"resource": "*"}, {"verbs": ["*"]}, {"verbs": ["escalate"]}):
        args = {"role": "reader", "resource": "pods", "verbs": ["get"], **wrong}
        with pytest.raises(ToolError, match="wrong"):
            registry.check(call("repair_role", **args))


async def test_a_broken_release_is_rolled_back_and_forth(shop: Shop) -> None:
    """An image that cannot be pulled fails, its undo restores, and a rollback by revision can itself be taken back."""
    registry = registry_of(shop.write_target())
    broken = call("patch_image", container="app", image="shop/web:missing")
    failed = await registry.execute(broken, idempotency_key="k1")
    assert failed.outcome is Outcome.FAILED
    assert sum(p["status"]["containerStatuses"][0]["ready"] for p in shop.pods("web")) == 2, "the old pods serve on"
    back = await registry.execute(call("rollback_deployment"), idempotency_key="k2")
    assert back.outcome is Outcome.SUCCEEDED, back.summary
    assert len(shop.pods("web")) == 2
    assert failed.undo is not None
    assert (await registry.dry_run(failed.undo)).answer is DryRun.NO_CHANGE
    stranger = call("patch_image", container="app", image="elsewhere/web:1")
    assert (await registry.dry_run(stranger)).answer is DryRun.CANNOT_TELL
    known = registry_of(shop.write_target(), images=["elsewhere/web"])
    assert (await known.dry_run(stranger)).answer is DryRun.WOULD_CHANGE


async def test_the_dry_run_asks_the_server(shop: Shop) -> None:
    """What the server would refuse is said before anything is done, and nothing is kept of asking."""
    token = "reader-" + shop.namespace
    shop.cluster.users[token] = service_account(shop.namespace, "reader")
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}
    shop.put("Role", {"metadata": {"name": "look"}, "rules": [everything]})
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": shop.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"}
    shop.put("RoleBinding", {"metadata": {"name": "look"}, "roleRef": reference, "subjects": [subject]})
    registry, before = registry_of(shop.write_target(token)), shop.objects()
    found = await registry.dry_run(call("scale_workload"))
    assert found.answer is DryRun.CANNOT_TELL
    assert "forbidden" in found.summary
    assert (await registry.execute(call("scale_workload"), idempotency_key="k1")).outcome is Outcome.FAILED
    assert shop.objects() == before
    assert any("dryRun=All" in r for r in shop.cluster.requests)
    checked = await check(shop.write_target(token), "--json")
    profile = json.loads(checked.stdout)["profiles"][0]
    assert checked.exit_code == 0, checked.output
    assert profile["permissions"] == ["get *.*", "list *.*"]
    assert profile["versions"] == {"kubernetes": "v1.34.0-test"}
    assert "deployments.apps" in profile["api_resources"]


async def test_a_lost_answer_is_looked_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change whose answer never came is read back, not sent again."""
    registry = registry_of(shop.write_target())
    shop.cluster.deaf = True
    monkeypatch.setattr(client, "READ_S", SILENCE_S / 4)
    scaled = await registry.execute(call("scale_workload"), idempotency_key="k1")
    assert scaled.outcome is Outcome.SUCCEEDED, "the state tells that it is there"
    assert "no answer came back" in scaled.summary
    sent = [r for r in shop.cluster.requests if shop.namespace in r and r.startswith("PATCH") and "dryRun" not in r]
    assert len(sent) == 1


async def test_an_unknown_credential_and_an_unreachable_server_are_told_apart(shop: Shop) -> None:
    """The access check names what is wrong and ends with a finding."""
    refused = await check(shop.write_target("nobody"))
    assert refused.exit_code == 3
    assert "does not allow" in refused.output
    target = shop.write_target()
    config = shop.folder / "kubeconfig"
    config.write_text(config.read_text().replace(shop.cluster.url, "https://127.0.0.1:1"))
    unreachable = await check(target)
    assert unreachable.exit_code == 3
    assert "does not answer" in unreachable.output
    config.write_text("{}")
    with pytest.raises(ConfigError, match="kubeconfig"):
        connect(load_target(target), changing=True, env={})
    config.unlink()
    with pytest.raises(ConfigError, match="kubeconfig"):
        connect(load_target(target), changing=True, env={})


async def test_a_change_of_somebody_else_is_not_overwritten(shop: Shop) -> None:
    """A whole object goes back only in the version in which it was read; a pod only with its own uid."""
    connected = connect(load_target(shop.write_target()), changing=True, env={})
    read = await connected.get(KINDS["ConfigMap"], "settings")
    shop.change("ConfigMap", "settings", lambda c: c["data"].update(MODE="other"))
    assert read is not None
    with pytest.raises(ToolError) as caught:
        await connected.replace(KINDS["ConfigMap"], read)
    assert caught.value.code == "kubernetes.conflict"
    assert "modified" in caught.value.found
    with pytest.raises(ToolError) as caught:
        await connected.delete(KINDS["Pod"], shop.pods("web")[0]["metadata"]["name"], "another-uid")
    assert "Precondition" in caught.value.found
    await connected.aclose()


async def test_a_pod_without_a_controller_is_not_deleted(shop: Shop) -> None:
    """Nothing would make it again."""
    spec = deployment("alone", "shop/web:1")["spec"]["template"]
    shop.put("Pod", {"metadata": {"name": "alone", **spec["metadata"]}, "spec": spec["spec"]})
    registry = registry_of(shop.write_target())
    assert (await registry.dry_run(call("recreate_pod", pod="alone"))).answer is DryRun.CANNOT_TELL
    assert (await registry.dry_run(call("recreate_pod", pod="gone-1"))).answer is DryRun.NO_CHANGE


def everything(shop: Shop) -> dict[str, ActionCall]:
    """A call of every action on a cluster."""
    role = {"role": "reader", "resource": "configmaps", "verbs": ["get"]}
    return {
        name: call(name, **args)
        for name, args in {
            "restart_workload": {},
            "scale_workload": {},
            "patch_image": {"container": "app", "image": "shop/web:2"},
            "recreate_pod": {"pod": shop.pods("web")[0]["metadata"]["name"]},
            "patch_config_map": {"config_map": "settings", "key": "MODE", "value": "fast"},
            "allow_network_path": {"network_policy": "closed", **PATH},
            "repair_role": role,
            "repair_role_binding": {"role_binding": "readers", "role": "reader", "service_account": "web"},
        }.items()
    }


@pytest.mark.parametrize(
    ("environment", "wanted"), [(Environment.SANDBOX, Verdict.ALLOW), (Environment.PRODUCTION, Verdict.DENY)]
)
async def test_the_guard_judges_actions_on_a_cluster(shop: Shop, environment: Environment, wanted: Verdict) -> None:
    """An operator may do them in a sandbox and none of them in production; no shipped rule closes one by its name."""
    guard = scene(shop, environment)
    calls = everything(shop)
    judged = await guard.agent.judge(plan(*(step(name.replace("_", "-"), c) for name, c in calls.items())), actor())
    assert {j.verdict for j in judged} == {wanted}, [
        r.text for j in judged for r in j.reasons if r.verdict is not wanted
    ]
    assert {j.dry_run.answer for j in judged if j.dry_run} <= {DryRun.WOULD_CHANGE}


async def test_the_guard_carries_out_and_takes_back(shop: Shop) -> None:
    """Through the only door: one step applied, written down before and after, and undone."""
    guard = scene(shop, Environment.SANDBOX)
    await guard.agent.judge(plan(everything(shop)["scale_workload"]), actor())
    done = await guard.agent.apply("plan-1", "s1", actor())
    assert done.outcome is Outcome.SUCCEEDED, done.summary
    assert shop.get("Deployment", "web")["spec"]["replicas"] == 3
    back = await guard.agent.compensate("plan-1", "s1", actor())
    assert back.outcome is Outcome.SUCCEEDED, back.summary
    assert shop.get("Deployment", "web")["spec"]["replicas"] == 2
    assert guard.store.verify().verified


def scene(shop: Shop, environment: Environment) -> Scene:
    """A guard whose executor reaches the shop."""
    binding = Binding(
        via="kubernetes", path=str(shop.folder / "target.yaml"), options={"workload": "web", "replicas": 3}
    )
    service = Service(name="web", kind="api", environment=environment, mode=Mode.ACT, bindings={"kubernetes": binding})
    executor: Any = registry_of(shop.write_target())
    return Scene(inventory=Inventory(services=[service]), executor=executor, clock=ManualClock())


async def test_perception_reads_the_live_cluster(shop: Shop) -> None:
    """Objects come without their secrets, a fault in them is the first hypothesis, and the probe says who serves."""
    image = "shop/web:missing"
    shop.change("Deployment", "web", lambda d: d["spec"]["template"]["spec"]["containers"][0].update(image=image))
    binding = Binding(via="kubernetes", path=str(shop.write_target()), options={"workload": "web"})
    inventory = Inventory(services=[Service(name="web", kind="api", bindings={"kubernetes": binding})])
    platform = await LivePlatform(inventory, shop.folder, ManualClock(), {})()
    assert not platform.gaps
    assert "hunter22" not in json.dumps(platform.objects)
    assert {"Pod", "Deployment", "NetworkPolicy", "Role"} <= {o["kind"] for o in platform.objects}
    found = diagnose(Bundle(id="inc-1", services=("web",), platform=platform.objects))
    assert (found.hypotheses[0].service, found.hypotheses[0].fault_class) == ("web", "image_pull")
    told = await ProbeRunner(inventory, {}, root=shop.folder).run(["workload_state"])
    assert told[0].ok is False
    assert told[0].values["waiting"] == {"ImagePullBackOff": 1}
    assert "2 of 2 pods of web serve" in told[0].text
    (shop.folder / "kubeconfig").unlink()
    gone = await LivePlatform(inventory, shop.folder, ManualClock(), {})()
    assert "kubeconfig" in gone.gaps[0].data_gap
    told = await ProbeRunner(inventory, {}, root=shop.folder).run(["workload_state"])
    assert told[0].ok is None


async def test_only_the_action_server_needs_the_changing_credential(shop: Shop) -> None:
    """Probes and reading commands use the reader's kubeconfig; the other one may be out of reach for them."""
    target = shop.write_target()
    document = json.loads(target.read_text())
    document["kubernetes"] |= {"kubeconfig": "elsewhere", "reader": "kubeconfig"}
    target.write_text(json.dumps(document))
    binding = Binding(via="kubernetes", path=str(target), options={"workload": "web"})
    inventory = Inventory(services=[Service(name="web", kind="api", bindings={"kubernetes": binding})])
    assert (await ProbeRunner(inventory, {}, root=shop.folder).run(["workload_state"]))[0].ok is True
    refused = await registry_of(target).dry_run(call("scale_workload"))
    assert refused.answer is DryRun.CANNOT_TELL
    assert "elsewhere" in refused.summary


async def test_a_service_is_read_where_it_lives(shop: Shop) -> None:
    """Reading commands of a skill go to the cluster of the service that they are about; other services have no runner."""
    binding = Binding(via="kubernetes", path=str(shop.write_target()))
    runner = reading_runner(Service(name="web", kind="api", bindings={"kubernetes": binding}), {}, shop.folder)
    assert runner is not None
    look, steps = runner.run, count()

    async def asked(*words: str) -> tuple[int | None, str]:
        ran = await look(Command(argv=("kubectl", *words), effect=Effect.READ), f"step-{next(steps)}")
        return ran.exit_code, ran.stdout + ran.stderr + ran.reason

    assert json.loads((await asked("get", "deploy/web", "-o", "json"))[1])["status"]["readyReplicas"] == 2
    assert len(json.loads((await asked("get", "pods", "-l", "app=web", "-o", "json"))[1])["items"]) == 2
    assert "hunter22" not in (await asked("get", "secrets", "-o", "json"))[1]
    assert await asked("auth", "can-i", "patch", "deployments") == (0, "yes\n")
    assert (await asked("rollout", "status", "deployment/web"))[0] == 0
    assert "serving" in (await asked("logs", "deployment/web"))[1]
    assert (await asked("get", "pod", "none", "-o", "json"))[0] == 1
    for refused in (
        ("get", "pods"),
        ("get", "pods", "-n", "kube-system", "-o", "json"),
        ("top", "pods"),
        ("get", "pods", "-A"),
    ):
        assert (await asked(*refused))[0] is None
    await runner.aclose()
    assert reading_runner(Service(name="web", kind="api"), {}, shop.folder) is None


def test_the_typed_client_accepts_every_shape(shop: Shop) -> None:
    """The library's own models are strict: a wrong shape of the tests' server would raise here."""
    api = api_of(shop.write_target().parent / "kubeconfig")
    core, apps = LIBRARY.client.CoreV1Api(api), LIBRARY.client.AppsV1Api(api)
    shop.change(
        "Deployment", "web", lambda d: d["spec"]["template"]["spec"]["containers"][0].update(image="shop/web:crashing")
    )
    pods = core.list_namespaced_pod(shop.namespace, label_selector="app=web").items
    assert {p.status.phase for p in pods} == {"Running"}
    assert apps.read_namespaced_deployment_scale("web", shop.namespace).spec.replicas == 2
    assert "panic" in "".join(core.read_namespaced_pod_log(p.metadata.name, shop.namespace) for p in pods)
    assert core.list_namespaced_event(shop.namespace).items[0].reason == "BackOff"
    assert core.list_node().items[0].status.allocatable["memory"] == "8Gi"
    assert LIBRARY.client.NetworkingV1Api(api).read_namespaced_network_policy("closed", shop.namespace).spec.ingress
    eviction = {"metadata": {"name": pods[0].metadata.name}}
    core.create_namespaced_pod_eviction(pods[0].metadata.name, shop.namespace, eviction)
    watch = LIBRARY.watch.Watch()
    shop.change("ConfigMap", "settings", lambda c: c["data"].update(MODE="watched"))
    seen = watch.stream(core.list_namespaced_config_map, shop.namespace, resource_version="1", timeout_seconds=5)
    assert next(iter(seen))["object"].metadata.name == "settings"
    watch.stop()
    with pytest.raises(LIBRARY.client.ApiException, match="AlreadyExists"):
        core.create_namespaced_config_map(shop.namespace, {"metadata": {"name": "settings"}})
    api.rest_client.close()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl is installed")
def test_the_real_kubectl_works_on_the_tests_server(shop: Shop, tmp_path: Path) -> None:
    """Discovery, patches, rollouts, scale, logs and access reviews, as its users know them."""
    shop.write_target()

    def kubectl(*words: str) -> str:
        argv = ["kubectl", "--kubeconfig", str(tmp_path / "kubeconfig"), "--cache-dir", str(tmp_path / "cache"), *words]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        return ran.stdout + ran.stderr

    assert "deployment.apps/web" in kubectl("get", "deploy,pods,svc", "-o", "name")
    assert "image updated" in kubectl("set", "image", "deployment/web", "app=shop/web:missing")
    assert "rolled back" in kubectl("rollout", "undo", "deployment/web")
    assert "scaled" in kubectl("scale", "deployment/web", "--replicas=3")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    assert "serving" in kubectl("logs", "deployment/web")
    assert "yes" in kubectl("auth", "can-i", "patch", "deployments")
    assert "NotFound" in kubectl("get", "pod", "none")


@pytest.fixture(params=["tests' server", "real cluster"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """(TARGET file, image) of a fresh namespace with a deployment `web`: here, and in the cluster of KUBECONFIG."""
    if request.param == "real cluster" and not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    if request.param == "real cluster":
        config = Path(os.environ["KUBECONFIG"])
    else:
        cluster: ClusterServer = request.getfixturevalue("cluster")
        config = cluster.kubeconfig(tmp_path)
    api = api_of(config)
    namespace, image = f"firebreak-test-{uuid.uuid4().hex[:8]}", "registry.k8s.io/pause:3.9"
    LIBRARY.client.CoreV1Api(api).create_namespace({"metadata": {"name": namespace}})
    body = deployment("web", image)
    body["spec"]["template"]["spec"].pop("serviceAccountName")
    LIBRARY.client.AppsV1Api(api).create_namespaced_deployment(namespace, body)
    access = {"kubeconfig": str(config), "namespace": namespace}
    file = tmp_path / "target.yaml"
    file.write_text(json.dumps({"version": "1", "name": "anywhere", "kubernetes": access}))
    try:
        yield file, image
    finally:
        LIBRARY.client.CoreV1Api(api).delete_namespace(namespace)
        api.rest_client.close()


@pytest.mark.timeout(600)
async def test_actions_and_their_undo_on_any_cluster(anywhere: tuple[Path, str]) -> None:
    """Scale, another image, and a rollback, each taken back: on the tests' server and on a real cluster alike."""
    target, image = anywhere
    binding = Binding(via="kubernetes", path=str(target), options={"workload": "web"})
    service = Service(name="web", kind="api", bindings={"kubernetes": binding})
    env = {"FIREBREAK_HOME": str(target.parent / "home")}
    registry = ActionRegistry(Inventory(services=[service]), env, root=target.parent)
    changes = [
        call("scale_workload", replicas=1),
        call("patch_image", container="app", image=image.replace("3.9", "3.10")),
        call("rollback_deployment"),
    ]
    for number, change in enumerate(changes):
        done = await registry.execute(change, idempotency_key=f"do-{number}")
        assert done.outcome is Outcome.SUCCEEDED, done.summary
    assert done.undo is not None
    assert (await registry.execute(done.undo, idempotency_key="undo")).outcome is Outcome.SUCCEEDED
    connected = connect(load_target(target), changing=True, env={})
    found = await connected.get(KINDS["Deployment"], "web")
    await connected.aclose()
    assert found is not None
    assert found["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":3.10")
