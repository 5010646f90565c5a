"""The services' configuration files: written once, edited by the operator's endpoints, watched for edits by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from stack.home import PROXIES, Home, Identity, write_atomic, write_private
from stack.shop.settings import edit, parse, render
from stack.supervisor.changes import Changes, redacted_diff

POOL_SIZE = 5
DB_ROUTES = ("proxy-db", "proxy-db-b")
KEPT_VERSIONS = 20


def defaults(identity: Identity) -> dict[str, dict[str, object]]:
    """Service → keys and values of its file."""
    ports = identity.ports
    database = {"DB_HOST": "127.0.0.1", "DB_PORT": ports["proxy-db"], "DB_NAME": "shop"}
    payments = {
        "PAYMENTS_URL": f"http://127.0.0.1:{ports['proxy-payments']}",
        "PAYMENTS_API_KEY": identity.passwords["payments_key"],
    }
    cache = {"CACHE_URL": f"redis://127.0.0.1:{ports['proxy-cache']}/0"}
    return {
        "api": {
            **database,
            "DB_USER": "shop_api",
            "DB_POOL_SIZE": POOL_SIZE,
            "DB_POOL_TIMEOUT_S": 1.5,
            **cache,
            "CATALOGUE_TTL_S": 2,
            **payments,
            "PAYMENTS_TIMEOUT_S": 2,
            "PAYMENTS_PROVIDER": "primary",
            "LOG_LEVEL": "info",
        },
        "worker": {**database, "DB_USER": "shop_worker", **cache, **payments, "PAYMENTS_TIMEOUT_S": 3},
        "payments": {"API_KEYS": identity.passwords["payments_key"], "QUOTA_PER_S": 10, "QUOTA_BURST": 20},
        "frontend": {"API_URL": f"http://127.0.0.1:{ports['proxy-api']}", "API_TIMEOUT_S": 4},
    }


SERVICES = ("api", "frontend", "payments", "worker")
SECRETS = {"api": "shop_api", "worker": "shop_worker"}


class Configuration:
    """Files below config/."""

    def __init__(self, home: Home, identity: Identity, changes: Changes) -> None:
        self._home = home
        self._identity = identity
        self._changes = changes
        self._known: dict[str, str] = {}

    def create(self, *, moved: bool) -> None:
        """Write files that are missing; with new ports, put those into the ones that are there."""
        for service, values in defaults(self._identity).items():
            path = self._home.env_file(service)
            if not path.exists():
                write_private(path, render(values, title=f"Configuration of {service}. KEY=VALUE, read at start."))
            elif moved:
                addresses = {k: v for k, v in values.items() if k.endswith(("_URL", "_PORT"))}
                write_private(path, edit(path.read_text(), addresses))
        for service, role in SECRETS.items():
            path = self._home.secret_file(service)
            if not path.exists():
                write_private(path, self._identity.passwords[role] + "\n")
        self._known = {service: self._read(service) for service in SERVICES}
        for service, body in self._known.items():
            self._keep(service, body)

    def values(self, service: str) -> dict[str, str]:
        """What the file says now; empty when it cannot be read."""
        return parse(self._read(service))[0]

    def set(self, service: str, changes: Mapping[str, object], summary: str, author: str) -> bool:
        """Change keys; false when they already say so. Records a configuration change."""
        now = self.values(service)
        if all(now.get(key) == str(value) for key, value in changes.items()):
            return False
        before = self._read(service)
        after = edit(before, changes)
        write_atomic(self._home.env_file(service), after, mode=0o600)
        self._noted(service, before, after, summary, author)
        return True

    def notice_edits(self) -> list[str]:
        """Services whose file somebody else changed since we last looked; each is recorded."""
        found: list[str] = []
        for service in SERVICES:
            body = self._read(service)
            if body != self._known.get(service):
                name = f"config/{service}.env"
                self._noted(service, self._known.get(service, ""), body, f"{name} was edited", "unknown")
                found.append(service)
        return found

    def route(self) -> str | None:
        """The database link the api is configured to use, or None when it is neither."""
        port = self.values("api").get("DB_PORT", "")
        return next((name for name in DB_ROUTES if str(self._identity.ports[name]) == port), None)

    def pool_size(self) -> int | None:
        """Connections the api is configured to hold, or None when that is not a number."""
        raw = self.values("api").get("DB_POOL_SIZE", "")
        return int(raw) if raw.isdigit() else None

    def provider(self) -> str | None:
        """The payment provider in use, or None when unset."""
        return self.values("api").get("PAYMENTS_PROVIDER")

    def files(self) -> dict[str, str]:
        """Service → absolute path."""
        return {service: str(self._home.env_file(service)) for service in SERVICES}

    def _read(self, service: str) -> str:
        try:
            return self._home.env_file(service).read_text(errors="replace")
        except OSError:
            return ""

    def _noted(self, service: str, before: str, after: str, summary: str, author: str) -> None:
        name = f"config/{service}.env"
        self._known[service] = after
        version = self._keep(service, after)
        diff = redacted_diff(before, after, name)
        self._changes.append("config", service, summary, version=version, files=[name], diff=diff, author=author)

    def _keep(self, service: str, body: str) -> str:
        """Store a version beside the files; returns its name, the start of its SHA-256."""
        version = hashlib.sha256(body.encode()).hexdigest()[:12]
        folder: Path = self._home.config / ".versions" / service
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / version
        if not path.exists():
            write_private(path, body)
        for old in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)[:-KEPT_VERSIONS]:
            old.unlink(missing_ok=True)
        return version


assert set(DB_ROUTES) <= set(PROXIES)
