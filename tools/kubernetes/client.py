"""The Kubernetes client library behind plain JSON objects, so that nothing of an object is lost when it is put back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes
from urllib3.exceptions import HTTPError

from domain.errors import ConfigError, ToolError
from domain.redaction import redact
from domain.remote import KubernetesAccess
from tools.kubernetes.kinds import Kind
from tools.kubernetes.refusals import refused, unanswered
from tools.kubernetes.route import Route
from tools.remote import resolved

Object = dict[str, Any]

CONNECT_S, READ_S = 5.0, 15.0
MOST_OBJECTS = 1000
MERGE = "application/merge-patch+json"
MANAGER = "firebreak"
"""Under this name the API server notes which fields we changed."""


class ClusterClient:
    """One namespace, with the rights of the TARGET's kubeconfig. Calls run in threads: the library blocks.

    `changing` False: with those of its reader, where it names one. `env` holds what key references of `through` name.
    """

    def __init__(self, access: KubernetesAccess, root: Path, *, changing: bool, env: Mapping[str, str]) -> None:
        self.namespace = access.namespace
        settings = _settings(access, root, changing)
        self._route = Route(access.through, settings.host, root=root, env=env) if access.through else None
        if self._route is not None:
            settings.proxy = None
            settings.tls_server_name = settings.tls_server_name or self._route.name
        self._api: Any = kubernetes.client.ApiClient(settings)

    async def get(self, kind: Kind, name: str, sub: str = "") -> Object | None:
        """An object as it is, None when there is none. Raises AuthError, ToolUnavailableError, ToolError."""
        try:
            return await self._json("GET", kind.path(self.namespace, name, sub))
        except ToolError as error:
            if error.code == "kubernetes.not_found":
                return None
            raise

    async def list(self, kind: Kind, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Objects of a kind, those with all these labels; at most MOST_OBJECTS."""
        query = {"limit": str(MOST_OBJECTS)}
        if labels:
            query["labelSelector"] = ",".join(f"{key}={value}" for key, value in labels.items())
        found = await self._json("GET", kind.path(self.namespace), query)
        head = {"apiVersion": kind.api_version, "kind": kind.name}
        return [{**head, **item} for item in found.get("items") or []]

    async def create(self, kind: Kind, body: Object, *, dry: bool = False) -> Object:
        """Raises ToolError (kubernetes.conflict) when it is there already. `dry`: the server checks and keeps nothing."""
        return await self._json("POST", kind.path(self.namespace), _how(dry), body)

    async def replace(self, kind: Kind, body: Object, *, dry: bool = False) -> Object:
        """Put an object back whole; its resourceVersion must still be the current one."""
        return await self._json("PUT", kind.path(self.namespace, body["metadata"]["name"]), _how(dry), body)

    async def patch(self, kind: Kind, name: str, body: Object, *, sub: str = "", dry: bool = False) -> Object:
        """A JSON merge patch (RFC 7386)."""
        return await self._json("PATCH", kind.path(self.namespace, name, sub), _how(dry), body, MERGE)

    async def delete(self, kind: Kind, name: str, uid: str, *, dry: bool = False) -> None:
        """Delete the object with exactly this uid, never its successor of the same name."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        query = {"dryRun": "All"} if dry else {}
        await self._json("DELETE", kind.path(self.namespace, name), query, body)

    async def log(self, pod: str, kind: Kind, lines: int) -> str:
        """The last lines of a pod's log."""
        raw = await self._call("GET", kind.path(self.namespace, pod, "log"), {"tailLines": str(lines)})
        return raw.decode(errors="replace")

    async def may(self, verb: str, kind: Kind, sub: str = "") -> bool:
        """Whether our credential may do this in the namespace (SelfSubjectAccessReview)."""
        asked = {
            "namespace": self.namespace if kind.namespaced else "",
            "verb": verb,
            "group": kind.group,
            "resource": kind.plural,
        }
        found = await self.review(
            "SelfSubjectAccessReview", {"resourceAttributes": asked | ({"subresource": sub} if sub else {})}
        )
        return bool(found.get("allowed"))

    async def review(self, kind: str, spec: Object) -> Object:
        """The status of an access review; asking changes nothing."""
        version = "authorization.k8s.io/v1"
        body = {"apiVersion": version, "kind": kind, "spec": spec}
        found = await self._json("POST", f"/apis/{version}/{kind.lower()}s", {}, body)
        status: Object = found.get("status") or {}
        return status

    async def read(self, path: str) -> Object:
        """Any document of discovery: `/version`, `/apis`."""
        return await self._json("GET", path)

    async def aclose(self) -> None:
        """Close connections, and the way through an SSH host."""
        await asyncio.to_thread(self._api.rest_client.close)
        if self._route is not None:
            await self._route.aclose()

    async def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Object | None = None, kind: str = ""
    ) -> Object:
        raw = await self._call(method, path, query or {}, body, kind or "application/json")
        try:
            found: Object = json.loads(raw)
        except ValueError as error:
            raise ToolError("the API server's answer is not JSON", expected="JSON", found=repr(raw[:80])) from error
        return found

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        asked: dict[str, Any] = {"query_params": list(query.items()), "header_params": headers, "body": body}
        if self._route is not None:
            asked["_host"] = await self._route.url()
            headers["Host"] = self._route.host
        return await asyncio.to_thread(self._send, method, path, asked)

    def _send(self, method: str, path: str, asked: Mapping[str, Any]) -> bytes:
        words = self._api.param_serialize(method, path, auth_settings=["BearerToken"], **asked)
        try:
            answer = self._api.call_api(*words, _request_timeout=(CONNECT_S, READ_S))
            raw: bytes = answer.read() or b""
        except (HTTPError, kubernetes.client.ApiException) as error:  # the latter is how the library tells TLS errors
            raise unanswered(method, path, error) from error
        if not 200 <= answer.status <= 299:
            raise refused(answer.status, raw, method, path)
        return raw


def _how(dry: bool) -> dict[str, str]:
    return {"fieldManager": MANAGER, **({"dryRun": "All"} if dry else {})}


def _settings(access: KubernetesAccess, root: Path, changing: bool) -> Any:
    """The library's configuration as the kubeconfig says. Raises ConfigError."""
    reader = None if changing else access.reader
    path = resolved(reader or access.kubeconfig, root)
    if not path.is_file():
        raise ConfigError(
            "there is no kubeconfig",
            expected=f"a file {path}",
            found="nothing",
            hint=f"correct `kubernetes.{'reader' if reader else 'kubeconfig'}` in the TARGET file",
            code="remote.kubeconfig",
        )
    settings = kubernetes.client.Configuration()
    settings.retries = False
    try:
        kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
            str(path),
            context=(not reader and access.context) or None,
            client_configuration=settings,
            persist_config=False,
        )
    except Exception as error:  # the library raises what its YAML, its files and its plugins raise
        raise ConfigError(
            f"the kubeconfig {path} cannot be used",
            expected=f"a context {access.context!r}" if access.context else "a current context",
            found=redact(str(error))[:200],
            code="remote.kubeconfig",
        ) from error
    return settings
