"""Who gets requests, and how many are made: the front proxy's backends and the load generator's rate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from stack.home import Identity, write_atomic
from stack.problem import ProblemError
from stack.supervisor.settled import Release
from stack.wire import fetch

Backend = dict[str, float]
"""`port` and `weight`, as the proxy wants them."""


def read_load(path: Path) -> float:
    """Requests per second the load generator is told to make; 0 when nobody told it anything readable."""
    try:
        return float(json.loads(path.read_text())["rps"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def write_load(path: Path, rps: float) -> None:
    """Tell the load generator; it reads the file at SIGHUP."""
    write_atomic(path, json.dumps({"rps": rps}))


def backends(ports: Mapping[str, int], release: Release, only: str | None = None) -> list[Backend]:
    """Where requests go: by the release's weights, or to one process alone. Pure."""
    if only:
        return [{"port": ports[only], "weight": 100}]
    if release.split:
        return [
            {"port": ports["api"], "weight": release.weights["v1"]},
            {"port": ports["api-v2"], "weight": release.weights["v2"]},
        ]
    return [{"port": ports["api"], "weight": 100}]


async def tell_proxy(identity: Identity, rows: list[Backend]) -> None:
    """Give the front proxy its backends. Raises ProblemError when it does not take them."""
    headers = {"Authorization": f"Bearer {identity.proxy_token}"}
    url = f"{identity.url('proxy-api-admin')}/backends"
    try:
        answer = await fetch("POST", url, body={"backends": rows}, headers=headers, timeout_s=2.0)
    except (OSError, TimeoutError, ValueError) as error:
        raise ProblemError(503, "proxy.unreachable", f"proxy-api does not take orders: {error}") from error
    if answer.status != 200:
        raise ProblemError(502, "proxy.refused", f"proxy-api answered {answer.status}")
