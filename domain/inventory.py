"""What Firebreak looks after: `firebreak.yaml` as values (spec: Inventory)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from domain.value import UtcTime, Value


class Environment(StrEnum):
    """Where a service lives. Production when unsaid."""

    SANDBOX = "sandbox"
    STAGING = "staging"
    PRODUCTION = "production"


class Mode(StrEnum):
    """How far Firebreak may go with a service, from nothing to acting by the tiers."""

    OBSERVE = "observe"
    SHADOW = "shadow"
    ASK = "ask"
    ACT = "act"


class Criticality(StrEnum):
    """How much users suffer when the service is down."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class HttpProbe(Value):
    """An outside check: this URL must answer so."""

    kind: Literal["http"] = "http"
    name: str
    url: str
    method: Literal["GET", "POST"] = "GET"
    json_body: dict[str, Any] | None = None
    expect_status: int = 200
    expect_text: str = ""
    """Substring that must be in the body; empty means any body."""
    max_ms: float = Field(default=1000.0, gt=0)
    """Tolerance: slower than this many milliseconds counts as failed."""
    user_facing: bool = False
    """True: this is what a user does; recovery is judged by these."""


class TcpProbe(Value):
    """An outside check: something accepts connections on host:port."""

    kind: Literal["tcp"] = "tcp"
    name: str
    host: str = "127.0.0.1"
    port: int = Field(gt=0, lt=65536)
    max_ms: float = Field(default=500.0, gt=0)


Probe = Annotated[HttpProbe | TcpProbe, Field(discriminator="kind")]


class Slo(Value):
    """A service level objective in short form (an OpenSLO document reduces to this)."""

    name: str
    sli: Literal["availability", "latency_p95", "error_ratio", "saturation", "freshness"]
    target: float
    """availability and error_ratio: share of good events (0.99); latency_p95: seconds; saturation: share in use;
    freshness: seconds."""
    window_s: int = Field(default=3600, gt=0)
    """Compliance window in seconds."""


class Telemetry(Value):
    """Where a service's signals are found, and how its metrics are named when the conventions do not fit."""

    scrape: str = ""
    """URL of an exposition endpoint."""
    logs: list[str] = []
    """Log files (absolute, or relative to the inventory file)."""
    spans: list[str] = []
    """Span files, one JSON object per line: a span, or an OTLP document (the OpenTelemetry Collector's file exporter). A
    file of several services is named once; its spans are told apart by `service.name`."""
    changes: list[str] = []
    """JSONL files of change records (deploys, migrations), one Change per line."""
    selector: dict[str, str] = {}
    """Labels that select this service's series in a Prometheus."""
    loki: dict[str, str] = {}
    """Labels that select this service's streams in a Loki; empty: the connector's label with the service's name."""
    container: str = ""
    """Its container in Docker; empty: its name here."""
    unit: str = ""
    """Its systemd unit in a journal; empty: `NAME.service`."""
    traced_as: str = ""
    """Its `service.name` in traces; empty: its name here."""
    roles: dict[str, str] = {}
    """Metric-role overrides: latency, errors, traffic, saturation → metric name."""


class Binding(Value):
    """How one aspect of a service is reached. The words of `via` are the technologies in tools/."""

    via: Literal["control", "process", "postgres", "redis", "file", "http", "directory", "ssh", "kubernetes"]
    """control: an HTTP control endpoint; process: a pid file; postgres: a database role or server;
    redis: a cache; file: a configuration file; directory: a place on disk; ssh and kubernetes: a TARGET file."""
    url: str = ""
    path: str = ""
    """File or directory, absolute or relative to the inventory file."""
    token_env: str = ""
    """Name of the environment variable that holds the bearer token."""
    dsn_env: str = ""
    """Name of the environment variable that holds the administrator's DSN (only the action server has it)."""
    options: dict[str, Any] = {}
    """Details that one technology needs; the tool documents them."""


class Service(Value):
    """One thing in the inventory."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    kind: str
    """api, frontend, database, cache, worker, upstream, proxy, host …"""
    environment: Environment = Environment.PRODUCTION
    hosts: list[str] = []
    owner: str = ""
    criticality: Criticality = Criticality.MEDIUM
    depends_on: list[str] = []
    mode: Mode = Mode.OBSERVE
    chaos: bool = False
    """Whether faults may be injected here."""
    probes: list[Probe] = []
    slos: list[Slo] = []
    telemetry: Telemetry = Telemetry()
    alert_match: dict[str, str] = {}
    """Labels that say an alert is about this service."""
    bindings: dict[str, Binding] = {}
    """Aspect → how: process, config, release, traffic, database, cache, disk, upstream, pool, migration, credential."""
    runbooks: list[str] = []
    repository: str = ""
    """A Git checkout with its source (absolute, or relative to this file): what a deploy changed is read there."""
    source: list[str] = []
    """Parts of the repository that are this service's; empty: all of it."""
    github: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)?$")] = ""
    """Its repository at GitHub (owner/name): each of that one's pull requests gets a contract."""
    rollout: Literal["by_hand", "on_merge"] = "by_hand"
    """on_merge: a merged pull request whose contract is approved is rolled out under it, as the version that the first
    twelve characters of the merge commit name."""
    golden: list[str] = []
    """Files or folders that this service is gone back to and that no agent may change, relative to this file."""


class Person(Value):
    """A named identity and what it may do."""

    name: str
    roles: list[Literal["viewer", "responder", "approver", "admin"]] = ["viewer"]
    github: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,60})?$")] = ""
    """Login at GitHub, for what this person says on pull requests."""


Variable = Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9_]*)?$")]
"""Name of an environment variable (upper case); the secret itself never stands in the inventory."""


class Connector(Value):
    """A telemetry source beside the embedded collector."""

    kind: Literal["prometheus", "loki", "journald", "docker", "tempo", "jaeger", "alertmanager"]
    url: str = ""
    """Address of its HTTP API, without user and password; journald and docker have none."""
    token_env: Variable = ""
    """Environment variable with a bearer token."""
    basic_env: Variable = ""
    """Environment variable with `user:password`."""
    tenant: str = ""
    """Sent as X-Scope-OrgID."""
    ca_file: str = ""
    """Certificates (PEM) to trust for https, instead of the machine's."""
    label: str = "service_name"
    """Loki: the label that names a service, where its `telemetry.loki` says nothing else."""
    path: str = ""
    """journald: a journal file, or a directory of them; empty: the machine's own journal."""
    host: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.@:-]*)?$")] = ""
    """journald, docker: an ssh destination (`ops@web-1`, or a name of ~/.ssh/config) to read it on; empty: this machine."""

    @model_validator(mode="after")
    def _reachable(self) -> Connector:
        if self.kind in ("journald", "docker"):
            return self
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"a {self.kind} connector needs a url that starts with http:// or https://")
        if "@" in self.url.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError("user and password do not stand in a url; put them in a variable and name it in basic_env")
        return self


class Maintenance(Value):
    """A time in which work is planned: alerts about these services are noted and open no incident."""

    start: UtcTime
    end: UtcTime
    services: list[str] = []
    """Empty: all of them."""
    reason: str = ""

    @model_validator(mode="after")
    def _forward(self) -> Maintenance:
        if self.end <= self.start:
            raise ValueError("a maintenance window needs an end after its start")
        return self


class Webhook(Value):
    """Someone who is told what happens, over HTTP with Standard Webhooks signatures."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    url: Annotated[str, Field(max_length=2000)]
    secret_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    """Environment variable with the signing secret (`whsec_…`); the secret itself never stands here."""
    events: Annotated[list[str], Field(min_length=1)] = ["*"]
    """Types that are wanted; `*` matches anything: `dev.firebreak.approval_required`, `dev.cdevents.incident.*`."""
    private: bool = False
    """Allows http and addresses inside your own network; otherwise only https to public addresses."""


class ModelConfig(Value):
    """Which model endpoint to use, if any; overrides the settings."""

    base_url: str = ""
    model: str = ""


class Inventory(Value):
    """The whole file."""

    version: Literal["1"] = "1"
    system: str = "default"
    services: list[Service] = Field(min_length=1)
    connectors: list[Connector] = []
    people: list[Person] = []
    policy: str = ""
    """Name of a shipped policy or path of a policy file; empty means the default policy."""
    model: ModelConfig = ModelConfig()
    webhooks: list[Webhook] = []
    maintenance: list[Maintenance] = []

    def service(self, name: str) -> Service | None:
        """The service of that name, or None."""
        return next((s for s in self.services if s.name == name), None)

    def names(self) -> list[str]:
        """All service names, in file order."""
        return [s.name for s in self.services]

    def dependants(self, name: str) -> list[str]:
        """Names of the services that reach `name` over depends_on, directly or not; nearest first."""
        found: list[str] = []
        frontier = [name]
        while frontier:
            target = frontier.pop(0)
            for service in self.services:
                if target in service.depends_on and service.name not in found and service.name != name:
                    found.append(service.name)
                    frontier.append(service.name)
        return found
