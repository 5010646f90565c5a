"""Where one stack lives on disk, and what it is known by: ports, tokens and passwords that outlive a restart."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import SystemRandom

PROXIES = ("proxy-db", "proxy-db-b", "proxy-cache", "proxy-payments", "proxy-api")
"""The TCP links; each has a listening port and an admin port."""

PORTS = (
    "control",
    "frontend",
    "api",
    "api-v2",
    "payments",
    "worker",
    "postgres",
    "cache",
    *PROXIES,
    *(f"{name}-admin" for name in PROXIES),
)
"""One block of neighbouring ports per stack, in this order. Holding the first claims the whole block."""

PASSWORDS = ("admin", "shop_api", "shop_worker", "shop_monitor", "payments_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Paths of one stack. All absolute."""

    root: Path

    @property
    def run(self) -> Path:
        """Pid files and state that only the stack itself reads."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    @property
    def spans(self) -> Path:
        """One JSONL file of finished spans per service."""
        return self.root / "spans"

    @property
    def config(self) -> Path:
        """`<service>.env` and `<service>.secret`."""
        return self.root / "config"

    @property
    def api_data(self) -> Path:
        """The api's data directory, a small file system of its own."""
        return self.root / "data" / "api"

    @property
    def postgres_data(self) -> Path:
        """The database cluster."""
        return self.root / "data" / "postgres"

    @property
    def cache_data(self) -> Path:
        """The cache's append-only file."""
        return self.root / "data" / "cache"

    @property
    def snapshots(self) -> Path:
        """Dumps of the database."""
        return self.root / "snapshots"

    @property
    def migrations(self) -> Path:
        """Migrations of a release that is only tried here, beside the shop's own."""
        return self.root / "migrations"

    @property
    def description(self) -> Path:
        """`stack.json`."""
        return self.root / "stack.json"

    @property
    def inventory(self) -> Path:
        """`firebreak.yaml`."""
        return self.root / "firebreak.yaml"

    @property
    def changes(self) -> Path:
        """`changes.jsonl`."""
        return self.root / "changes.jsonl"

    @property
    def identity_file(self) -> Path:
        """Ports, tokens, passwords; 0600."""
        return self.root / "identity.json"

    def log(self, process: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{process}.log"

    def env_file(self, service: str) -> Path:
        """The configuration file of a service."""
        return self.config / f"{service}.env"

    def secret_file(self, service: str) -> Path:
        """The file that holds a service's database password and nothing else."""
        return self.config / f"{service}.secret"

    def create(self) -> None:
        """Make every directory. Idempotent."""
        # The database runs as another user when we are root: it must be able to pass through.
        for path in (
            self.root,
            self.run,
            self.logs,
            self.spans,
            self.config,
            self.api_data,
            self.snapshots,
            self.migrations,
        ):
            path.mkdir(parents=True, exist_ok=True)
        for path in (self.cache_data, self.run, self.snapshots):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)


def at(directory: str | Path) -> Home:
    """The home in that directory."""
    return Home(root=Path(directory).expanduser().resolve())


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What must stay the same when the supervisor is replaced."""

    ports: Mapping[str, int]
    control_token: str
    read_token: str
    proxy_token: str
    passwords: Mapping[str, str]

    def url(self, port: str) -> str:
        """http URL of one of PORTS."""
        return f"http://127.0.0.1:{self.ports[port]}"


def load_identity(home: Home) -> Identity | None:
    """The recorded identity, or None when there is none or it is unreadable."""
    try:
        found = Identity(**json.loads(home.identity_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if set(PORTS) <= set(found.ports) and set(PASSWORDS) <= set(found.passwords) else None


def new_identity(ports: Mapping[str, int], former: Identity | None = None) -> Identity:
    """Fresh ports with the former secrets, or fresh ones."""
    if former:
        return Identity(**{**asdict(former), "ports": dict(ports)})
    return Identity(
        ports=dict(ports),
        control_token=secrets.token_urlsafe(24),
        read_token=secrets.token_urlsafe(24),
        proxy_token=secrets.token_urlsafe(24),
        passwords={name: secrets.token_urlsafe(18) for name in PASSWORDS},
    )


def save_identity(home: Home, identity: Identity) -> None:
    """Write it so that only the owner can read it."""
    write_private(home.identity_file, json.dumps(asdict(identity), indent=1))


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically with mode 0600."""
    write_atomic(path, text, mode=0o600)


def write_atomic(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file in one step; a reader sees the old or the new one, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def listen(port: int) -> socket.socket | None:
    """A bound listening-ready TCP socket on loopback, or None when the port is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
        # Two sockets may bind with SO_REUSEADDR; only one may listen.
        found.listen(128)
    except OSError:
        found.close()
        return None
    return found


def free(port: int) -> bool:
    """Whether nobody listens there now."""
    found = listen(port)
    if found:
        found.close()
    return found is not None


def claim_block(names: Sequence[str] = PORTS) -> tuple[dict[str, int], socket.socket]:
    """Free ports below the ephemeral range and the socket that holds the first of them.

    Ephemeral ports are avoided because an outgoing connection may take one while its owner restarts.
    Raises RuntimeError when no block is free.
    """
    low, high = 15_000, min(_ephemeral_start(), 32_000)
    if high - low < 2_000:
        low, high = 40_000, 60_000
    blocks = list(range(low, high - len(names), len(names)))
    SystemRandom().shuffle(blocks)
    for first in blocks:
        held = listen(first)
        if held is None:
            continue
        if all(free(port) for port in range(first + 1, first + len(names))):
            return {name: first + i for i, name in enumerate(names)}, held
        held.close()
    raise RuntimeError(f"no {len(names)} neighbouring free ports between {low} and {high}")


def _ephemeral_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
