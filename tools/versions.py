"""How much memory each version of a service uses, where the versions run side by side and say so."""

from __future__ import annotations

from collections.abc import Mapping

from domain.inventory import Service
from tools.http import fetch
from tools.telemetry.exposition import samples, series_key

MEMORY = "process_resident_memory_bytes"
"""Name that Prometheus client libraries give it."""
NAMED = ("release_info", "build_info")
"""Where processes say which version they are."""


async def memory_by_version(service: Service) -> Mapping[str, float]:
    """Version → resident bytes, from `options.scrapes` of the release binding; without those that do not answer.

    A process that names its version itself (`release_info` or `build_info` with a `version`) is believed before the
    binding: after a release the new version runs where the old one did.
    """
    release = service.bindings.get("release")
    found: dict[str, float] = {}
    for version, url in ((release.options.get("scrapes") if release else None) or {}).items():
        answer = await fetch(str(url), timeout_s=1.0)
        if answer.status == 200:
            used = next((value for name, value in samples(answer.text) if name == MEMORY), None)
            found |= {_version(answer.text) or str(version): used} if used is not None else {}
    return found


def _version(page: str) -> str:
    keys = (series_key(text) for text, _ in samples(page))
    said = (dict(key.labels).get("version", "") for key in keys if key is not None and key.name in NAMED)
    return next((version for version in said if version), "")
