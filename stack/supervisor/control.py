"""The control endpoint: GET with the read token, POST with the control token, problem documents on refusal.

Asking for what already is so changes nothing and says `"changed": false`. A POST with an `Idempotency-Key` seen before is
answered as it was then, without being carried out again.
"""

from __future__ import annotations

import re
import signal
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from stack.problem import ProblemError
from stack.supervisor import intake, release
from stack.supervisor.process import Process
from stack.supervisor.snapshots import Snapshots
from stack.supervisor.supervisor import Supervisor
from stack.wire import Request, Response, answer, require

Result = dict[str, Any]
Handle = Callable[..., Awaitable[Result]]
REMEMBERED = 256
READY_S = 8.0


class Control:
    """Handles requests for one supervisor. One change at a time."""

    def __init__(self, stack: Supervisor) -> None:
        self._stack = stack
        self._snapshots = Snapshots(stack.site.home.snapshots, stack.site.administration)
        self._answers: OrderedDict[str, Response] = OrderedDict()
        self._reads = _compiled(
            {
                "/status": self.status,
                "/changes": self.changes,
                "/snapshots": self.snapshots,
                "/migrations": self.migration,
                "/release": self.release,
                "/processes/(?P<name>[^/]+)": self.process,
            }
        )
        self._writes = _compiled(
            {
                "/processes/(?P<name>[^/]+)/start": self.start,
                "/processes/(?P<name>[^/]+)/stop": self.stop,
                "/processes/(?P<name>[^/]+)/restart": self.restart,
                "/processes/(?P<name>[^/]+)/resume": self.resume,
                "/release": self.set_release,
                "/routes/db": self.set_route,
                "/pool": self.set_pool,
                "/upstream": self.set_upstream,
                "/migrations": self.migrate,
                "/snapshots": self.take_snapshot,
                "/snapshots/(?P<name>[^/]+)/restore": self.restore_snapshot,
                "/load": self.set_load,
                "/changes": self.add_change,
            }
        )

    async def __call__(self, request: Request) -> Response:
        if request.method == "GET" and request.path == "/healthz":
            return answer({"status": "ok", "ready": self._stack.ready})
        identity = self._stack.site.identity
        match request.method:
            case "GET":
                require(request, identity.read_token, identity.control_token)
                handle, names = _find(self._reads, request)
                return answer(await handle(request, **names))
            case "POST":
                if request.bearer == identity.read_token:
                    raise ProblemError(403, "auth.read_only", "this token may only read", expected="the control token")
                require(request, identity.control_token)
                handle, names = _find(self._writes, request)
                return await self._once(request, handle, names)
            case _:
                raise ProblemError(405, "http.method", f"{request.method} is not understood", expected="GET or POST")

    async def _once(self, request: Request, handle: Handle, names: dict[str, str]) -> Response:
        key = request.headers.get("idempotency-key", "")
        async with self._stack.working:
            known = self._answers.get(f"{request.path}\n{key}") if key else None
            if known is not None:
                return known
            response = answer(await handle(request.json(), request, **names))
            if self._stack.ready:
                self._stack.describe()
            if key:
                self._answers[f"{request.path}\n{key}"] = response
                while len(self._answers) > REMEMBERED:
                    self._answers.popitem(last=False)
            return response

    # -- reading -------------------------------------------------------------------------------------------------

    async def status(self, request: Request) -> Result:
        return self._stack.status()

    async def changes(self, request: Request) -> Result:
        limit = request.query.get("limit", "200")
        return {"changes": self._stack.site.changes.read(int(limit) if limit.isdigit() else 200)}

    async def snapshots(self, request: Request) -> Result:
        return {"snapshots": self._snapshots.list()}

    async def migration(self, request: Request) -> Result:
        current = await self._stack.site.administration.current()
        return {"current": current, "expected": self._stack.status()["schema"]["expected"]}

    async def release(self, request: Request) -> Result:
        return dict(self._stack.status()["release"])

    async def process(self, request: Request, name: str) -> Result:
        return self._process(name).row()

    # -- processes -----------------------------------------------------------------------------------------------

    async def start(self, body: Result, request: Request, name: str) -> Result:
        intake.only(body, "author")
        return await self._start(self._process(name))

    async def _start(self, process: Process) -> Result:
        changed = await process.start()
        self._stack.settle_stopped(process.name, False)
        if changed:
            self._mark("flag", process.name, f"{process.name} was started")
        return await self._outcome(process, changed)

    async def stop(self, body: Result, request: Request, name: str) -> Result:
        intake.only(body, "author")
        process = self._process(name)
        was_wanted = process.wanted
        changed = await process.stop() or was_wanted
        self._stack.settle_stopped(name, True)
        if changed:
            self._mark("flag", name, f"{name} was stopped")
        return process.row() | {"changed": changed}

    async def restart(self, body: Result, request: Request, name: str) -> Result:
        wish = intake.restart(body)
        process = self._process(name)
        self._stack.site.configuration.notice_edits()
        if wish.deploy:
            version = wish.version or self._stack.settled.release.version
            summary = wish.summary or f"{name} {version} was deployed"
            self._mark("deploy", name, summary, version=version, author=wish.author)
        else:
            self._mark("flag", name, wish.summary or f"{name} was restarted", author=wish.author)
        await process.stop()
        await process.start()
        self._stack.settle_stopped(name, False)
        return await self._outcome(process, True)

    async def resume(self, body: Result, request: Request, name: str) -> Result:
        intake.only(body, "author")
        process = self._process(name)
        if process.pid is None:
            raise ProblemError(409, "process.not_running", f"{name} does not run", found=str(process.state))
        changed = str(process.state) == "paused"
        process.signal(signal.SIGCONT)
        if changed:
            self._mark("flag", name, f"{name} was resumed")
        return await self._outcome(process, changed)

    async def _outcome(self, process: Process, changed: bool) -> Result:
        late = await self._stack.fleet.wait_ready([process.name], READY_S)
        if process.name == "proxy-api" and not late:
            await self._stack.set_backends()
        return process.row() | {"changed": changed, "ready": not late}

    def _process(self, name: str) -> Process:
        process = self._stack.fleet.processes.get(name)
        if process is None:
            known = ", ".join(self._stack.fleet.processes)
            raise ProblemError(404, "process.unknown", f"no process {name!r}", expected=known, found=name)
        return process

    # -- the api's ways ------------------------------------------------------------------------------------------

    async def set_release(self, body: Result, request: Request) -> Result:
        version, weights = intake.release(body)
        changed = await release.apply(self._stack, version, weights)
        if changed:
            share = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
            author = intake.text(body, "author", "control")
            summary = intake.text(body, "summary") or f"api {version} was released ({share})"
            self._mark("deploy", "api", summary, version=version, author=author)
        return dict(self._stack.status()["release"]) | {"changed": changed}

    async def set_route(self, body: Result, request: Request) -> Result:
        route = intake.route(body)
        port = self._stack.site.identity.ports[route]
        summary = f"the database is reached over {route}"
        changed = False
        for service in ("api", "worker"):
            changed |= self._configure(service, {"DB_PORT": port}, summary, body)
        return {"route": {"db": route}, "changed": changed}

    async def set_pool(self, body: Result, request: Request) -> Result:
        size = intake.pool(body)
        changed = self._configure("api", {"DB_POOL_SIZE": size}, f"pool of {size} connections", body)
        return {"service": "api", "size": size, "pool_size": size, "changed": changed}

    async def set_upstream(self, body: Result, request: Request) -> Result:
        provider = intake.upstream(body)
        summary = f"payments through the {provider} provider"
        changed = self._configure("api", {"PAYMENTS_PROVIDER": provider}, summary, body)
        return {"service": "api", "dependency": "payments", "provider": provider, "changed": changed}

    def _configure(self, service: str, values: dict[str, object], summary: str, body: Result) -> bool:
        self._stack.site.configuration.notice_edits()
        changed = self._stack.site.configuration.set(service, values, summary, intake.text(body, "author", "control"))
        for name in ("api", "api-v2") if service == "api" else (service,):
            # Also when the file said so already: the process may not have heard.
            self._stack.fleet.processes[name].signal(signal.SIGHUP)
        return changed

    # -- database ------------------------------------------------------------------------------------------------

    async def migrate(self, body: Result, request: Request) -> Result:
        revision = intake.revision(body)
        author = intake.text(body, "author", "control")
        try:
            done = await self._stack.site.administration.migrate(revision)
        except ProblemError as error:
            self._mark(
                "migration", "postgres", f"migration to {revision} failed: {error}", version=revision, author=author
            )
            raise
        changed = done["before"] != done["revision"]
        if changed:
            summary = f"migrated from {done['before']} to {done['revision']}"
            self._mark("migration", "postgres", summary, version=str(done["revision"]), author=author)
        return {"revision": done["revision"], "before": done["before"], "changed": changed}

    async def take_snapshot(self, body: Result, request: Request) -> Result:
        intake.only(body, "author")
        row = await self._snapshots.take()
        self._mark("flag", "postgres", f"snapshot {row['id']} was taken", version=str(row["id"]))
        return row | {"changed": True}

    async def restore_snapshot(self, body: Result, request: Request, name: str) -> Result:
        intake.only(body, "author")
        row = await self._snapshots.restore(name)
        self._mark("migration", "postgres", f"snapshot {name} was restored", version=name)
        return row | {"changed": True}

    # -- the rest ------------------------------------------------------------------------------------------------

    async def set_load(self, body: Result, request: Request) -> Result:
        rps = intake.load(body)
        changed = self._stack.set_load(rps)
        self._stack.fleet.processes["loadgen"].signal(signal.SIGHUP)
        if changed:
            self._mark("flag", "loadgen", f"load set to {rps:g} requests per second")
        return {"rps": rps, "changed": changed}

    async def add_change(self, body: Result, request: Request) -> Result:
        row = intake.change(body)
        kind, service, summary = row.pop("kind"), row.pop("service"), row.pop("summary")
        return self._stack.site.changes.append(kind, service, summary, **row) | {"changed": True}

    def _mark(self, kind: str, service: str, summary: str, *, version: str = "", author: str = "control") -> None:
        self._stack.site.changes.append(kind, service, summary, version=version, author=author)


Routes = list[tuple[re.Pattern[str], Handle]]


def _compiled(routes: dict[str, Handle]) -> Routes:
    return [(re.compile(pattern), handle) for pattern, handle in routes.items()]


def _find(routes: Routes, request: Request) -> tuple[Handle, dict[str, str]]:
    for pattern, handle in routes:
        found = pattern.fullmatch(request.path)
        if found:
            return handle, found.groupdict()
    raise ProblemError(404, "http.no_route", f"nothing at {request.method} {request.path}")
