"""What a stack says of itself: its live state for whoever may read, and stack.json with what an operator needs besides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from stack.home import PROXIES, Identity
from stack.supervisor import traffic, volume
from stack.supervisor.claim import Site
from stack.supervisor.database import EXPECTED_REVISION
from stack.supervisor.fleet import Fleet
from stack.supervisor.process import Process
from stack.supervisor.settled import Release


def status(site: Site, fleet: Fleet, release: Release, *, ready: bool) -> dict[str, Any]:
    """The live state, without secrets."""
    return {
        "schema_version": "1",
        "home": str(site.home.root),
        "pid": os.getpid(),
        "ready": ready,
        "control_url": site.control_url,
        "shop_url": site.identity.url("frontend"),
        "inventory": str(site.home.inventory),
        "changes": str(site.home.changes),
        "processes": _rows(site.identity, fleet.processes, split=release.split),
        "data_dirs": {"api": str(site.volume.path), "postgres": str(site.home.postgres_data)},
        "data_fs": {"api": site.volume.kind, "bytes": volume.SIZE_BYTES},
        "config_files": site.configuration.files(),
        "release": {"version": release.version, "previous": release.previous, "weights": dict(release.weights)},
        "route": {"db": site.configuration.route()},
        "pool_size": site.configuration.pool_size(),
        "upstream": {"payments": site.configuration.provider()},
        "schema": {"expected": EXPECTED_REVISION},
        "load": {"rps": traffic.read_load(fleet.specs.load_file)},
        "postgres": {"external": site.where.external, "host": site.where.host, "port": site.where.port},
    }


def with_secrets(site: Site, found: Mapping[str, Any]) -> dict[str, Any]:
    """The state and everything secret that an operator of the stack needs."""
    return {
        **found,
        "control_token": site.identity.control_token,
        "read_token": site.identity.read_token,
        "admin_dsn": site.where.admin_dsn,
        "monitor_dsn": site.where.monitor_dsn,
        "proxies": {name: _proxy(site.identity, name) for name in PROXIES},
    }


def _rows(identity: Identity, processes: Mapping[str, Process], *, split: bool) -> list[dict[str, Any]]:
    """The spare process of the api is nobody's concern while it neither serves nor runs."""
    rows = [p.row() for name, p in processes.items() if name != "api-v2" or split or p.pid is not None]
    return [r | {"admin_url": identity.url(f"{r['name']}-admin")} if r["name"] in PROXIES else r for r in rows]


def _proxy(identity: Identity, name: str) -> dict[str, Any]:
    return {
        "admin_url": identity.url(f"{name}-admin"),
        "token": identity.proxy_token,
        "host": "127.0.0.1",
        "port": identity.ports[name],
    }
