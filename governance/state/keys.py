"""The keyspace of coordination, built here and nowhere else (spec: State keys). A key knows how long its value lives.

Nothing under these keys is evidence: claims, approvals, tiers, violations and the ledger live in the ledger's database.
A *task* is one incident's run, a *project* is what several agents work on together: both are named by the incident.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.errors import ConfigError

PREFIX = "fb"
"""The same that checkpoints carry: a shared server keeps other people's keys apart from ours."""
HEARTBEAT_S = 60.0
"""Life of a heartbeat."""
BEAT_EVERY_S = 30.0
"""How often a running agent sends one."""
LOCK_S = 60.0
"""Life of a lock; never longer than a heartbeat's, so that who is silent holds nothing. Renewed while its holder works."""
POINTER_S = 24 * 3600.0
"""Life of a pointer to an output; the body stays in the artifact store."""
RUN_S = 7 * 24 * 3600.0
"""Life of everything else that belongs to one run."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A name, the seconds its value lives after the last write (None: until it is deleted), and a list's length."""

    name: str
    ttl_s: float | None
    keep: int = 200
    """Newest items that a list keeps."""


def packet(agent: str) -> Key:
    """The agent's instruction packet."""
    return _key("agent", agent, "packet")


def state(agent: str) -> Key:
    """The agent's phase and status."""
    return _key("agent", agent, "state")


def errors(agent: str) -> Key:
    """List: what went wrong for the agent lately."""
    return _key("agent", agent, "errors")


def heartbeat(agent: str) -> Key:
    """The agent's last sign of life."""
    return _key("agent", agent, "heartbeat", ttl_s=HEARTBEAT_S)


def lock(agent: str) -> Key:
    """The lock that the agent holds: task and fencing token."""
    return _key("agent", agent, "lock", ttl_s=LOCK_S)


def output(agent: str, kind: str) -> Key:
    """Pointer to the agent's newest output of one type."""
    return _key("agent", agent, "output", kind, ttl_s=POINTER_S)


def active_agent(task: str) -> Key:
    """Who holds the task's lock."""
    return _key("task", task, "active_agent", ttl_s=LOCK_S)


def fence(task: str) -> Key:
    """The newest fencing token of the task."""
    return _key("task", task, "fence")


def artifacts(task: str) -> Key:
    """Set: digests of everything the task left in the artifact store."""
    return _key("task", task, "artifacts")


def agents(project: str) -> Key:
    """Set: the agents that were given a packet."""
    return _key("project", project, "agents")


def objective(project: str) -> Key:
    """What they work towards."""
    return _key("project", project, "objective")


def plan(project: str, name: str) -> Key:
    """One clarified plan."""
    return _key("project", project, "plan", name)


def acknowledged(project: str, name: str) -> Key:
    """Set: who acknowledged a clarified plan."""
    return _key("project", project, "plan", name, "acknowledged")


def broadcast(project: str) -> Key:
    """List: clarified plans by name, oldest first."""
    return _key("project", project, "broadcast")


def blackboard(task: str, section: str) -> Key:
    """List: findings that the agents of one incident share."""
    return _key("blackboard", task, section)


def messages(task: str, channel: str) -> Key:
    """List: what agents tell each other."""
    return _key("msg", task, channel)


def revocations() -> Key:
    """List: a cache of the durable revocations."""
    return _key("revocations", "ledger", ttl_s=None, keep=1000)


def handoff(task: str) -> Key:
    """Pointer to the newest handoff document."""
    return _key("handoff", task, "latest")


def history(agent: str) -> Key:
    """List: the agent's runs."""
    return _key("history", agent, "runs", ttl_s=None)


def _key(*parts: str, ttl_s: float | None = RUN_S, keep: int = 200) -> Key:
    for part in parts:
        if not _NAME.fullmatch(part):
            raise ConfigError(
                "a name cannot stand in the keyspace",
                expected="letters, digits, and @ . _ - (at most 200, starting with a letter or digit)",
                found=repr(part[:80]),
                hint="name agents and tasks by their ids",
            )
    return Key(name=":".join((PREFIX, *parts)), ttl_s=ttl_s, keep=keep)
