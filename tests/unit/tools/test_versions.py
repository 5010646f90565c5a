"""Memory per version: a process's own word about its version goes before the place where it was asked."""

from __future__ import annotations

import pytest

from domain.inventory import Binding, Service
from tools import versions
from tools.http import Answer

PAGES = {
    "http://main/metrics": 'release_info{version="v2"} 1\npython_info{version="3.11"} 1\nprocess_resident_memory_bytes 9e7\n',
    "http://spare/metrics": "process_resident_memory_bytes 8e7\n",
}


async def test_after_a_release_the_new_version_runs_where_the_old_one_did(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetched(url: str, *, timeout_s: float) -> Answer:
        page = PAGES.get(url)
        return Answer(status=200 if page else 0, text=page or "", ms=1.0, error="")

    monkeypatch.setattr(versions, "fetch", fetched)
    scrapes = {"v1": "http://main/metrics", "v3": "http://spare/metrics", "v4": "http://gone/metrics"}
    api = Service(name="api", kind="api", bindings={"release": Binding(via="control", options={"scrapes": scrapes})})
    assert await versions.memory_by_version(api) == {"v2": 9e7, "v3": 8e7}
    assert await versions.memory_by_version(api.model_copy(update={"bindings": {}})) == {}
