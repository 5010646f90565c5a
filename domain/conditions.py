"""Observed conditions: the words in which perception says what is wrong now and actions say what they can remove.

Perception puts `details["conditions"]` (a list of `Finding` as plain JSON) into every hypothesis that rests on readings;
an action's specification lists the conditions it `removes`. The planner joins the two. No fault name is part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from domain.value import Value


class Condition(StrEnum):
    """What a reading can show to be wrong. Facts in brackets: what `Finding.facts` carries beside the reading's values."""

    PROCESS_NOT_RUNNING = "process.not_running"
    """process_state says stopped, crashed or backoff. [state, last_exit]"""
    PROCESS_CRASH_LOOPING = "process.crash_looping"
    """It starts and exits again and again. [restarts, last_exit]"""
    PROCESS_PAUSED = "process.paused"
    """os_state is T. [pid]"""
    PROCESS_UNRESPONSIVE = "process.unresponsive"
    """It runs, but its own health check does not answer. [pid]"""
    CONFIG_KEY_MISSING = "config.key_missing"
    """A key of the last good configuration is gone. [keys, last_good: version id]"""
    CONFIG_CHANGED = "config.changed"
    """A key has another value than in the last good version. [keys, last_good: version id]"""
    RELEASE_REGRESSED = "release.regressed"
    """Errors or latency stem from a new release. [version, previous]"""
    SESSION_BLOCKS_OTHERS = "session.blocks_others"
    """A database session holds locks that others wait for. [pids: the blockers' pids]"""
    SESSIONS_EXHAUSTED = "session.limit_reached"
    """No free database session is left. [sessions, max_connections, pids: idle ones]"""
    POOL_SATURATED = "pool.saturated"
    """All pooled connections are in use and requests wait. [size, in_use, waiting]"""
    LINK_SLOW = "link.slow"
    """A link's round trip is far above normal. [current: route name, routes: {name: {roundtrip_ms, error}}]"""
    LINK_DOWN = "link.down"
    """A link refuses or swallows connections. [current, routes]"""
    ROLE_CANNOT_LOGIN = "role.cannot_login"
    """A service's database role is refused: revoked, expired or another password. [role]"""
    ROLE_LACKS_RIGHTS = "role.lacks_rights"
    """The role logs in but a membership or grant is missing. [role, missing]"""
    SCHEMA_AHEAD_OR_DIRTY = "schema.ahead_or_dirty"
    """The schema is not what the code expects: half applied or newer. [current, expected]"""
    SCHEMA_BEHIND = "schema.behind"
    """Migrations are pending. [current, expected]"""
    DATA_DAMAGED = "data.damaged"
    """Rows are missing or wrong although the schema is right. [tables]"""
    DISK_FULL = "disk.full"
    """A service's data directory has no free space. [path, free_bytes, used_ratio]"""
    DEPENDENCY_REJECTING = "dependency.rejecting"
    """An upstream answers with refusals or errors (429, 5xx). [dependency, provider: the one in use]"""
    DEPENDENCY_DOWN = "dependency.down"
    """An upstream does not answer. [dependency, provider]"""
    LOCAL_STATE_TORN = "local_state.torn"
    """A local warm-start file cannot be read. [path]"""
    CACHE_UNREACHABLE = "cache.unreachable"
    """The cache does not answer."""
    CACHE_POISONED = "cache.poisoned"
    """The cache answers with entries that its readers cannot use. [keys]"""
    CACHE_FULL = "cache.full"
    """The cache evicts or refuses for lack of memory. [memory_bytes]"""
    QUEUE_GROWING = "queue.growing"
    """Work arrives faster than it is done. [depth, oldest_s]"""
    ROLLOUT_STUCK = "rollout.stuck"
    """The pods of a deployment's newest revision do not serve. [waiting: reasons, revision]"""
    REPLICAS_MISSING = "replicas.missing"
    """A deployment wants fewer pods than is normal. [replicas: now]"""
    POD_STUCK = "pod.stuck"
    """A pod does not serve while others of the very same template do. [pod]"""
    SELECTOR_MISSES = "selector.misses"
    """A service of the cluster does not select the pods behind it. [name]"""
    SETTINGS_DIFFER = "settings.differ"
    """A config map does not hold what is declared. [config_map, keys]"""
    PERMISSION_MISSING = "permission.missing"
    """A role does not allow what is declared to be needed. [role, api_group, resource, verbs]"""
    ROLE_UNBOUND = "role.unbound"
    """The role is not bound to the service account that needs it. [role, role_binding, service_account]"""
    PATH_CLOSED = "path.closed"
    """Network policies keep a declared caller out. [network_policy, to_labels, from_labels, port]"""


class Finding(Value):
    """One condition, seen by a reading, at one service."""

    condition: Condition
    service: str
    """Where it was seen (for a link or an upstream: the link or the upstream)."""
    target: str = ""
    """The service whose bindings can change it, when perception knows; else the planner looks at `service`, then its dependants."""
    facts: dict[str, Any] = {}
    """The reading's own values (spec: readings vocabulary) and the facts named at the condition. Never from free text."""
    evidence: list[str] = []


def findings(details: Mapping[str, Any], service: str) -> list[Finding]:
    """The findings of a hypothesis' details. A bare word counts as seen at `service`; unknown words are left out."""
    found: list[Finding] = []
    entries: list[Any] = list(details.get("conditions") or [])
    for entry in entries:
        raw: dict[str, Any] = {"condition": entry} if isinstance(entry, str) else dict(entry)
        raw.setdefault("service", service)
        raw.setdefault("facts", {k: v for k, v in details.items() if k != "conditions"})
        try:
            found.append(Finding.model_validate(raw))
        except ValidationError:
            continue
    return found
