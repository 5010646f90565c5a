"""A namespace of a cluster, with a credential of its own that may break things there. Implements chaos.cluster.patient.Cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kubernetes
import yaml
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from chaos.cluster.edit import Object
from chaos.cluster.patient import Cluster, Reach
from chaos.errors import ChaosError, InjectionRefusedError, PatientError
from domain.inventory import Service
from domain.redaction import redact
from domain.remote import KubernetesAccess, RemoteTarget

TIMES = (5.0, 15.0)
"""Seconds until connected, and until answered."""
PATHS = {
    "Pod": ("api/v1", "pods"),
    "Service": ("api/v1", "services"),
    "Endpoints": ("api/v1", "endpoints"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
}
"""Kind → where the API has it."""


def reaching(root: Path) -> Reach:
    """Namespaces as the TARGET files of an inventory name them; `root` is the inventory's folder."""

    @asynccontextmanager
    async def reach(service: Service) -> AsyncIterator[Cluster]:
        file = root / service.bindings["kubernetes"].path
        cluster = await asyncio.to_thread(lambda: Namespace(*_access(file)))
        try:
            yield cluster
        finally:
            await cluster.aclose()

    return reach


class Namespace:
    """Calls run in threads: the library blocks."""

    def __init__(self, access: KubernetesAccess, kubeconfig: Path) -> None:
        self._namespace = access.namespace
        settings = kubernetes.client.Configuration()
        settings.retries = False
        try:
            kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), client_configuration=settings, persist_config=False
            )
        except Exception as error:  # the library raises what its YAML, its files and its plugins raise
            found = redact(str(error))[:200]
            raise ChaosError("the kubeconfig cannot be used", expected=str(kubeconfig), found=found) from error
        self._api: Any = kubernetes.client.ApiClient(settings)

    async def get(self, kind: str, name: str) -> Object | None:
        found = await self._ask("GET", kind, name)
        return {**found, "kind": kind} if found else None

    async def list(self, kind: str) -> list[Object]:
        found = await self._ask("GET", kind)
        return [{**item, "kind": kind} for item in (found or {}).get("items") or []]

    async def put(self, thing: Object) -> None:
        if await self._ask("PUT", thing["kind"], thing["metadata"]["name"], thing) is None:
            raise PatientError("the object has gone", expected=f"{thing['kind']} {thing['metadata']['name']}")

    async def create(self, thing: Object) -> None:
        version = PATHS[thing["kind"]][0].removeprefix("apis/").removeprefix("api/")
        await self._ask("POST", thing["kind"], body={**thing, "apiVersion": version})

    async def delete(self, kind: str, name: str) -> None:
        await self._ask("DELETE", kind, name)

    async def aclose(self) -> None:
        """Close connections."""
        await asyncio.to_thread(self._api.rest_client.close)

    async def _ask(self, method: str, kind: str, name: str = "", body: Object | None = None) -> Object | None:
        root, plural = PATHS[kind]
        path = f"/{root}/namespaces/{self._namespace}/{plural}" + (f"/{name}" if name else "")
        return await asyncio.to_thread(self._send, method, path, body)

    def _send(self, method: str, path: str, body: Object | None) -> Object | None:
        """The answer; None for 404. Raises PatientError, ChaosError where it is not allowed."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        words = self._api.param_serialize(method, path, header_params=headers, body=body, auth_settings=["BearerToken"])
        try:
            answer = self._api.call_api(*words, _request_timeout=TIMES)
            raw = answer.read() or b"{}"
        except (HTTPError, kubernetes.client.ApiException) as error:  # the latter is how the library tells TLS errors
            raise PatientError("the API server does not answer", found=redact(str(error))[:200]) from error
        if answer.status == 404:
            return None
        if not 200 <= answer.status <= 299:
            kind = ChaosError if answer.status in (401, 403, 422) else PatientError
            raise kind(f"the API server refuses {method} {path}", found=redact(raw[:200].decode(errors="replace")))
        found: Object = json.loads(raw)
        return found


def _access(file: Path) -> tuple[KubernetesAccess, Path]:
    """Raises ChaosError for a TARGET that cannot be read, InjectionRefusedError for one that allows no chaos."""
    try:
        access = RemoteTarget.model_validate(yaml.safe_load(file.read_text())).kubernetes
    except (OSError, ValidationError, yaml.YAMLError) as error:
        found = str(error).splitlines()[0]
        hint = "firebreak target check FILE names every mistake"
        raise ChaosError("the TARGET file cannot be read", expected=str(file), found=found, hint=hint) from error
    if access is None or access.chaos is None:
        raise InjectionRefusedError(
            "nothing may be broken in this cluster",
            expected=f"`kubernetes.chaos` in {file}: the kubeconfig of a credential that may",
            found="none",
            hint="name one, in a namespace that is yours to break",
        )
    return access, file.parent / Path(access.chaos).expanduser()
