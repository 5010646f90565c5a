"""The HTTP face: paths, tokens, watches, and answers in the shapes that clients check."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.fakes.cluster.access import User, escalates, may, rules_of
from tests.fakes.cluster.controllers import Controllers
from tests.fakes.cluster.kinds import BY_PATH, GROUPS, RESOURCES, REVIEWS, Resource
from tests.fakes.cluster.patches import BadPatch, patched
from tests.fakes.cluster.protobuf import MAGIC, review_of
from tests.fakes.cluster.store import Object, Refusal, Store
from tests.fakes.loopback import on_loopback

SILENCE_S = 1.0
DNS_NAME = "api.test-cluster"
"""Stands on the server's certificate beside the loopback address; no resolver knows it."""
VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0-test", "platform": "linux/amd64"}
NODE_INFO = (
    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
    *("kubeletVersion", "machineID", "operatingSystem", "osImage", "systemUUID"),
)
ADMIN = "admin-token-of-the-test-cluster"


@dataclass
class ClusterServer:
    """What a test holds: the objects, the users, and what was asked."""

    store: Store = field(default_factory=Store)
    users: dict[str, User] = field(default_factory=lambda: {ADMIN: User("admin", admin=True)})
    """Token → user."""
    requests: list[str] = field(default_factory=list)
    """`PATCH /apis/…?dryRun=All`, in order."""
    hosts: set[str] = field(default_factory=set)
    """By which names it was asked (header Host)."""
    stopping: bool = False
    """True: watches end."""
    deaf: bool = False
    """True: changes are carried out, and the answer comes when nobody waits for it any more."""
    url: str = ""
    authority: bytes = b""

    def __post_init__(self) -> None:
        self.controllers = Controllers(self.store)
        node = {
            "metadata": {"name": "node-1", "labels": {"kubernetes.io/os": "linux"}},
            "status": {
                "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": dict.fromkeys(NODE_INFO, "test"),
            },
        }
        self.put("Node", "", node)
        self.put("Namespace", "", {"metadata": {"name": "default"}})

    def put(self, kind: str, namespace: str, body: Object) -> Object:
        """Make an object, as an administrator would."""
        resource = next(r for r in RESOURCES if r.kind == kind)
        with self.store.lock:
            return self.store.create(resource, namespace, body)

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """A copy of an object. Raises KeyError."""
        with self.store.lock:
            found = self.store.find(kind, namespace, name)
            if found is None:
                raise KeyError(name)
            copy: Object = json.loads(json.dumps(found))
            return copy

    def kubeconfig(self, folder: Path, token: str = ADMIN, namespace: str = "default") -> Path:
        """A kubeconfig file for one user."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority-data": base64.b64encode(self.authority).decode(),
                    },
                }
            ],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(document))
        path.chmod(0o600)
        return path


@contextmanager
def running_cluster() -> Iterator[ClusterServer]:
    """Serve until the block ends."""
    cluster = ClusterServer()
    with tempfile.TemporaryDirectory() as folder:
        cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        cluster.authority = _certify(cert, key)
        with on_loopback(_app(cluster), ssl_certfile=cert, ssl_keyfile=key) as url:
            cluster.url = url.replace("http:", "https:")
            try:
                yield cluster
            finally:
                cluster.stopping = True


def _certify(cert: Path, key: Path) -> bytes:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-cluster")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(DNS_NAME)]
    address = x509.SubjectAlternativeName(names)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    key.write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    body = made.public_bytes(serialization.Encoding.PEM)
    cert.write_bytes(body)
    return body


def _app(cluster: ClusterServer) -> Starlette:
    async def handle(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        cluster.requests.append(f"{request.method} {request.url.path}{query}")
        cluster.hosts.add(request.headers["host"])
        body = await request.body()
        try:
            return await run_in_threadpool(_Call(cluster, request, body).answer)
        except Refusal as error:
            return _refused(error)
        except BadPatch as error:
            return _refused(Refusal(422, "Invalid", str(error)))

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", handle, methods=methods)])


def _refused(error: Refusal) -> JSONResponse:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body = {**status, "message": error.text, "reason": error.reason, "code": error.status}
    return JSONResponse(body, error.status)


class _Call:
    """One request."""

    def __init__(self, cluster: ClusterServer, request: Request, body: bytes) -> None:
        self.cluster, self.store, self.request = cluster, cluster.store, request
        self.raw = body
        self.dry = request.query_params.get("dryRun") == "All"
        self.user = self._user()

    def answer(self) -> Response:
        parts = self.request.url.path.strip("/").split("/")
        if (document := self._discovery(parts)) is not None:
            return JSONResponse(document)
        match parts:
            case ["api", version, *rest]:
                group = ""
            case ["apis", group, version, *rest]:
                pass
            case _:
                raise Refusal(404, "NotFound", "the server could not find the requested resource")
        if group == "authorization.k8s.io":
            return JSONResponse(self._review(rest[-1]), 201)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        resource = BY_PATH.get((group, version, rest[0]))
        if resource is None:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        name, sub = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
        with self.store.lock:
            answer = self._serve(resource, namespace, name, sub)
        if self.cluster.deaf and self.request.method != "GET" and not self.dry:
            time.sleep(SILENCE_S)
        return answer

    def _user(self) -> User:
        token = self.request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.cluster.users:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        return self.cluster.users[token]

    def _discovery(self, parts: list[str]) -> Object | None:
        match parts:
            case ["version"]:
                return VERSION
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                groups = []
                for group in GROUPS:
                    version = {"groupVersion": f"{group}/v1", "version": "v1"}
                    groups.append({"name": group, "versions": [version], "preferredVersion": version})
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
            case ["api", "v1"]:
                group = ""
            case ["apis", group, "v1"]:
                pass
            case _:
                return None
        rows = [row for r in RESOURCES if r.group == group for row in r.listed()]
        if group == "authorization.k8s.io":
            kinds = {
                "selfsubjectaccessreviews": "SelfSubjectAccessReview",
                "selfsubjectrulesreviews": "SelfSubjectRulesReview",
            }
            rows = [
                {"name": n, "singularName": "", "namespaced": False, "kind": k, "verbs": ["create"]}
                for n, k in kinds.items()
            ]
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/v1".strip("/"),
            "resources": rows,
        }

    def _review(self, which: str) -> Object:
        if which not in REVIEWS:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        body = review_of(self.raw, which) if self.raw.startswith(MAGIC) else self._body()
        with self.store.lock:
            if which == "selfsubjectrulesreviews":
                rules = list(rules_of(self.store, self.user, body["spec"]["namespace"]))
                status: Object = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
            else:
                asked = body["spec"].get("resourceAttributes") or {}
                resource = "/".join(filter(None, (asked.get("resource", ""), asked.get("subresource", ""))))
                words = (asked.get("verb", ""), asked.get("group", ""), resource, asked.get("namespace", ""))
                status = {"allowed": may(self.store, self.user, *words, asked.get("name", ""))}
        return {**body, "status": status}

    def _serve(self, resource: Resource, namespace: str, name: str, sub: str) -> Response:
        method, query = self.request.method, self.request.query_params
        watching = query.get("watch") in ("true", "1")
        verb = {"GET": "get" if name else "watch" if watching else "list", "POST": "create", "PUT": "update"}.get(
            method, method.lower()
        )
        self._permit(verb, resource, namespace, name, sub)
        if sub:
            return self._sub(resource, namespace, name, sub)
        match verb:
            case "get":
                return JSONResponse(self.store.get(resource, namespace, name))
            case "list":
                return JSONResponse(self._list(resource, namespace))
            case "watch":
                return self._watch(resource, namespace)
            case "create":
                body = self._body()
                self._no_escalation(resource, namespace, body)
                return JSONResponse(self.store.create(resource, namespace, body, dry=self.dry), 201)
            case "update" | "patch":
                body = self._body() if verb == "update" else self._patched(self.store.get(resource, namespace, name))
                self._no_escalation(resource, namespace, body)
                return JSONResponse(self.store.replace(resource, namespace, name, body, dry=self.dry))
            case _:
                self._preconditions(self.store.get(resource, namespace, name))
                self.store.delete(resource, namespace, name, dry=self.dry)
                return JSONResponse({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _permit(self, verb: str, resource: Resource, namespace: str, name: str, sub: str) -> None:
        what = f"{resource.plural}/{sub}" if sub else resource.plural
        if not may(self.store, self.user, verb, resource.group, what, namespace, name):
            where = f' in API group "{resource.group}"' + (f' in the namespace "{namespace}"' if namespace else "")
            text = (
                f'{resource.key} "{name}" is forbidden: User "{self.user.name}" cannot {verb} resource "{what}"{where}'
            )
            raise Refusal(403, "Forbidden", text)

    def _no_escalation(self, resource: Resource, namespace: str, body: Object) -> None:
        rules = body.get("rules") if resource.kind == "Role" else None
        if resource.kind == "RoleBinding":
            role = self.store.find(body["roleRef"]["kind"], namespace, body["roleRef"]["name"])
            rules = (role or {}).get("rules")
        if rules and escalates(self.store, self.user, namespace, rules):
            words = "is attempting to grant RBAC permissions not currently held"
            text = f'{resource.key} is forbidden: user "{self.user.name}" {words}'
            raise Refusal(403, "Forbidden", text)

    def _sub(self, resource: Resource, namespace: str, name: str, sub: str) -> Response:
        thing = self.store.get(resource, namespace, name)
        match sub, self.request.method:
            case "log", "GET":
                text = self.cluster.controllers.kubelet.log(thing)
                tail = self.request.query_params.get("tailLines")
                return PlainTextResponse("".join(text.splitlines(keepends=True)[-int(tail) :]) if tail else text)
            case "eviction", "POST":
                self.store.delete(resource, namespace, name, dry=self.dry)
                return JSONResponse({"kind": "Status", "apiVersion": "v1", "status": "Success"}, 201)
            case "scale", "GET":
                return JSONResponse(_scale(thing))
            case "scale", "PUT" | "PATCH":
                wanted = self._body() if self.request.method == "PUT" else self._patched(_scale(thing))
                spec = {**thing["spec"], "replicas": wanted["spec"]["replicas"]}
                meta = {**thing["metadata"], "resourceVersion": wanted["metadata"].get("resourceVersion")}
                body = {**thing, "spec": spec, "metadata": meta}
                return JSONResponse(_scale(self.store.replace(resource, namespace, name, body, dry=self.dry)))
            case _:
                raise Refusal(404, "NotFound", f"no {sub} of {resource.plural} here")

    def _preconditions(self, thing: Object) -> None:
        wanted = (self._body() or {}).get("preconditions") or {}
        for key in ("uid", "resourceVersion"):
            if wanted.get(key) not in (None, thing["metadata"][key]):
                raise Refusal(409, "Conflict", f"Precondition failed: {key} in precondition: {wanted[key]}")

    def _list(self, resource: Resource, namespace: str) -> Object:
        rows = [o for o in self.store.all(resource.kind, namespace or None) if self._wanted(o)]
        kind = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        return {**kind, "metadata": {"resourceVersion": str(self.store.version)}, "items": rows}

    def _wanted(self, thing: Object) -> bool:
        query = self.request.query_params
        labels = thing["metadata"].get("labels") or {}
        return all(_selects(part, lambda k: labels.get(k)) for part in _split(query.get("labelSelector"))) and all(
            _selects(part, lambda k: _at(thing, k)) for part in _split(query.get("fieldSelector"))
        )

    def _watch(self, resource: Resource, namespace: str) -> Response:
        seen = int(self.request.query_params.get("resourceVersion") or self.store.version)
        limit = float(self.request.query_params.get("timeoutSeconds") or 5)

        def events() -> Iterator[bytes]:
            nonlocal seen
            ends = datetime.datetime.now().timestamp() + limit
            while not self.cluster.stopping and (left := ends - datetime.datetime.now().timestamp()) > 0:
                with self.store.lock:
                    rows = list(self.store.since(seen, resource.key))
                    if not rows:
                        self.store.changed.wait(min(left, 0.2))
                        continue
                for number, what, thing in rows:
                    seen = number
                    if namespace in ("", thing["metadata"].get("namespace", "")) and self._wanted(thing):
                        yield json.dumps({"type": what, "object": thing}).encode() + b"\n"

        return StreamingResponse(events(), media_type="application/json")

    def _patched(self, current: Object) -> Any:
        return patched(current, self._body(), self.request.headers.get("content-type", ""))

    def _body(self) -> Any:
        try:
            return json.loads(self.raw) if self.raw else {}
        except ValueError as error:
            raise Refusal(400, "BadRequest", f"the body is not JSON: {error}") from error


def _scale(thing: Object) -> Object:
    meta = {key: thing["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    replicas = thing["spec"].get("replicas", 1)
    status = {"replicas": (thing.get("status") or {}).get("replicas", 0)}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": replicas},
        "status": status,
    }


def _split(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def _selects(part: str, value_of: Any) -> bool:
    if "!=" in part:
        key, _, value = part.partition("!=")
        return bool(value_of(key) != value)
    key, mark, value = part.replace("==", "=").partition("=")
    return bool(value_of(key) == value) if mark else value_of(key) is not None


def _at(thing: Object, path: str) -> str:
    found: Any = thing
    for part in path.split("."):
        found = (found or {}).get(part) if isinstance(found, dict) else None
    return str(found) if found is not None else ""
