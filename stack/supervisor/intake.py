"""What operators may ask for, checked before anything is done. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stack.problem import invalid
from stack.supervisor.configuration import DB_ROUTES
from stack.supervisor.settled import VERSIONS

MAX_RPS = 500.0
POOL_MIN, POOL_MAX = 1, 40
PROVIDERS = ("primary", "fallback")
CHANGE_KINDS = ("commit", "deploy", "flag", "config", "migration")
_REVISION = re.compile(r"[A-Za-z0-9_]{1,32}")


def only(body: Mapping[str, Any], *known: str) -> None:
    """Raises ProblemError for a field nobody knows."""
    for name in body:
        if name not in known:
            raise invalid(f"unknown field {name!r}", expected=", ".join(known) or "an empty object", found=name)


def text(body: Mapping[str, Any], name: str, default: str = "") -> str:
    """A short text field."""
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > 500:
        raise invalid(f"{name} is a text", expected="at most 500 characters", found=value)
    return value


def one_of(body: Mapping[str, Any], name: str, words: tuple[str, ...], default: str | None = None) -> str:
    """A field that is one of a few words."""
    value = body.get(name, default)
    if value not in words:
        raise invalid(f"wrong {name}", expected=" or ".join(words), found=value)
    return str(value)


def quantity(body: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """A number within bounds."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise invalid(f"wrong {name}", expected=f"a number from {low:g} to {high:g}", found=value)
    return float(value)


def whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    value = quantity(body, name, low, high)
    if value != int(value):
        raise invalid(f"wrong {name}", expected=f"a whole number from {low} to {high}", found=value)
    return int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A restart, which may be part of a deploy."""

    deploy: bool
    version: str
    summary: str
    author: str


def restart(body: Mapping[str, Any]) -> Restart:
    """{"deploy": bool, "version", "summary", "author"}; `marker` or `kind` "deploy" say the same."""
    only(body, "deploy", "marker", "kind", "version", "summary", "author")
    deploy = body.get("deploy", False)
    if not isinstance(deploy, bool):
        raise invalid("deploy is a switch", expected="true or false", found=deploy)
    for name in ("marker", "kind"):
        deploy = deploy or one_of(body, name, ("", "deploy"), "") == "deploy"
    return Restart(
        deploy=deploy,
        version=text(body, "version"),
        summary=text(body, "summary"),
        author=text(body, "author", "control"),
    )


def release(body: Mapping[str, Any]) -> tuple[str, dict[str, float]]:
    """(version, weights). Without weights all traffic goes to the version."""
    only(body, "version", "weights", "author", "summary")
    version = one_of(body, "version", VERSIONS)
    raw = body.get("weights")
    if raw is None:
        return version, {name: 100.0 if name == version else 0.0 for name in VERSIONS}
    if not isinstance(raw, Mapping) or set(raw) - set(VERSIONS):
        raise invalid("wrong weights", expected='{"v1": number, "v2": number}', found=raw)
    weights = {name: quantity(raw, name, 0, 10_000) if name in raw else 0.0 for name in VERSIONS}
    if weights[version] <= 0:
        raise invalid("the released version needs traffic", expected=f"a weight above 0 for {version}", found=raw)
    return version, weights


def route(body: Mapping[str, Any]) -> str:
    """A database link."""
    only(body, "route", "author")
    return one_of(body, "route", DB_ROUTES)


def pool(body: Mapping[str, Any]) -> int:
    """A pool size for the api."""
    only(body, "service", "size", "author")
    one_of(body, "service", ("api",), "api")
    return whole(body, "size", POOL_MIN, POOL_MAX)


def upstream(body: Mapping[str, Any]) -> str:
    """A payment provider for the api."""
    only(body, "service", "provider", "dependency", "author")
    one_of(body, "service", ("api",), "api")
    one_of(body, "dependency", ("payments",), "payments")
    return one_of(body, "provider", PROVIDERS)


def revision(body: Mapping[str, Any]) -> str:
    """A schema revision; whether it exists is for the migrations to say."""
    only(body, "revision", "author")
    value = text(body, "revision")
    if not _REVISION.fullmatch(value):
        raise invalid("wrong revision", expected="a revision such as 0003", found=value)
    return value


def load(body: Mapping[str, Any]) -> float:
    """Requests per second."""
    only(body, "rps", "author")
    return quantity(body, "rps", 0, MAX_RPS)


def change(body: Mapping[str, Any]) -> dict[str, str]:
    """A marker that someone else's tool wants recorded."""
    only(body, "kind", "service", "version", "summary", "author")
    return {
        "kind": one_of(body, "kind", CHANGE_KINDS),
        "service": text(body, "service"),
        "version": text(body, "version"),
        "summary": text(body, "summary"),
        "author": text(body, "author", "control"),
    }
