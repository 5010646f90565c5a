"""The patient as chaos sees it: from outside, over what its `stack.json` and `firebreak.yaml` say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from chaos.errors import PatientError
from domain.clock import Clock
from domain.inventory import Inventory, Service
from domain.value import Value


class StackProcess(BaseModel):
    """One process as the control endpoint reports it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    pid: int | None = None
    state: str = ""
    port: int | None = None
    url: str | None = None
    restarts: int = 0


class StackFacts(BaseModel):
    """What `stack.json` says; fields that chaos does not need are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    control_url: str
    control_token: str
    admin_dsn: str
    shop_url: str
    processes: list[StackProcess] = []
    data_dirs: dict[str, str] = {}
    config_files: dict[str, str] = {}
    proxies: dict[str, dict[str, Any]] = {}
    """Proxy name → admin endpoint."""


class StackStatus(BaseModel):
    """The control endpoint's live answer."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    processes: list[StackProcess] = []
    release: dict[str, Any] = {}
    route: dict[str, Any] = {}
    pool_size: int | None = None

    def process(self, name: str) -> StackProcess | None:
        """The process of that name, or None."""
        return next((p for p in self.processes if p.name == name), None)


class Visit(Value):
    """One user's walk through the shop: browse, order, read the order back."""

    ok: bool
    ms: float
    """Slowest single request in milliseconds."""
    text: str


class Identity(Value):
    """A process that cannot be mistaken for another: pid and start time (clock ticks or seconds, as the system says)."""

    pid: int
    started: float


class Shop(Protocol):
    """The shop as its users see it."""

    async def visit(self) -> Visit:
        """Browse, order, read back. Never raises: a shop that does not answer is a failed visit."""
        ...

    async def metrics(self, service: str) -> Mapping[str, float]:
        """Sum per sample name of a service's exposition endpoint; empty when it does not answer."""
        ...


class Control(Protocol):
    """The stack's control endpoint."""

    async def status(self) -> StackStatus:
        """Raises PatientError."""
        ...

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """POST with the control token. Raises PatientError with the answer's text."""
        ...


class Database(Protocol):
    """The database server, as its administrator."""

    async def rows(self, statement: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Result rows; an empty list for statements without a result. Raises PatientError."""
        ...


class Proxies(Protocol):
    """The admin ports of the TCP proxies."""

    async def get(self, proxy: str) -> dict[str, Any]:
        """Present behaviour. Raises PatientError."""
        ...

    async def set(self, proxy: str, behaviour: Mapping[str, Any]) -> None:
        """New behaviour. Raises PatientError."""
        ...


class Machine(Protocol):
    """Processes of this machine."""

    def identity(self, pid: int) -> Identity | None:
        """None when there is no such process."""
        ...

    def alive(self, identity: Identity) -> bool:
        """Whether exactly this process still runs."""
        ...

    def state(self, pid: int) -> str:
        """R, S, T, Z, D or empty."""
        ...

    def signal(self, identity: Identity, name: str) -> bool:
        """Send a signal by name; false when exactly this process is gone."""
        ...

    async def spawn(self, workload: str) -> Identity:
        """Start `python -m chaos.workload <workload>`; it does nothing before it is told to."""
        ...

    async def tell(self, identity: Identity, orders: Mapping[str, Any]) -> None:
        """Give a freshly spawned workload its orders."""
        ...

    async def stop(self, identity: Identity) -> None:
        """Terminate, then kill; no error when it is gone."""
        ...


@asynccontextmanager
async def _nowhere(service: Service) -> AsyncIterator[Any]:
    raise PatientError(f"{service.name} is in no cluster of this site", expected="an inventory of clusters")
    yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything a fault may touch."""

    home: Path
    """Firebreak's home; workloads keep their state files in `<home>/chaos/`."""
    stack_home: Path
    shop: Shop
    control: Control
    database: Database
    proxies: Proxies
    machine: Machine
    clock: Clock
    config: Path | None = None
    """Someone's own inventory; None: the one that the stack wrote."""
    reach: Callable[[Service], AbstractAsyncContextManager[Any]] = _nowhere
    """Opens the namespace of a service (chaos.cluster.patient.Reach)."""

    def facts(self) -> StackFacts:
        """`stack.json`, read anew. Raises PatientError."""
        return read_facts(self.stack_home)

    def inventory(self) -> Inventory:
        """Whose faults these are. Raises PatientError."""
        return read_inventory(self.config or self.stack_home / "firebreak.yaml")

    def data_dir(self, service: str) -> Path:
        """Where a service keeps its files."""
        found = self.facts().data_dirs.get(service)
        if not found:
            raise PatientError(f"stack.json names no data directory of {service}")
        return _beside(self.stack_home, found)

    def config_file(self, service: str) -> Path:
        """The service's configuration file."""
        found = self.facts().config_files.get(service)
        if not found:
            raise PatientError(f"stack.json names no configuration file of {service}")
        return _beside(self.stack_home, found)

    def work_dir(self) -> Path:
        """Where workloads write what they are doing."""
        path = self.home / "chaos"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


def _beside(home: Path, found: str) -> Path:
    path = Path(found)
    return path if path.is_absolute() else home / path


def read_facts(stack_home: Path) -> StackFacts:
    """Parse `stack.json`. Raises PatientError."""
    path = stack_home / "stack.json"
    try:
        return StackFacts.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise PatientError(
            "the stack's description cannot be read",
            expected=f"{path} as written by the running stack",
            found=str(error).splitlines()[0],
            hint="start the stack with `firebreak up`",
        ) from error


def read_inventory(path: Path) -> Inventory:
    """Parse `firebreak.yaml`. Raises PatientError."""
    try:
        return Inventory.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, ValidationError, yaml.YAMLError) as error:
        raise PatientError(
            "the inventory cannot be read",
            expected=f"a valid {path}",
            found=str(error).splitlines()[0],
            hint="run `firebreak config check`",
        ) from error
