"""Which version may be given to users here: one that the service has, and that does not serve them yet."""

from __future__ import annotations

from domain.errors import ConfigError
from domain.inventory import Service


def fresh_version(service: Service, wanted: str, former: str) -> str:
    """`wanted`, checked: not empty, not `former`, and among the `versions` of the release binding when those are named.

    Raises ConfigError: a guard that is asked for a version nobody has could only wake a person.
    """
    there = [str(name) for name in service.bindings["release"].options.get("versions") or ()]
    if wanted and wanted != former and (not there or wanted in there):
        return wanted
    fresh = [name for name in there if name != former]
    raise ConfigError(
        f"{service.name} has no version {wanted}"
        if wanted and wanted != former
        else "no version is named that does not serve yet",
        expected=" or ".join(fresh) or "a version that does not serve yet",
        found=wanted or "none",
        hint=f"--version {fresh[0] if fresh else 'v2'} names it",
        code="request.invalid",
    )
