"""The port behind the keyspace: documents, lists, sets, and a task's lock. Small enough for any server of Redis' core commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.errors import LeaseLostError, StorageError
from governance.state import keys
from governance.state.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The right to act for one task. A newer token ends an older one's right, whatever its holder believes."""

    task: str
    agent: str
    token: int
    """Grows with every acquisition, also across a store that lost everything: never below the epoch's microseconds."""


class SharedState(Protocol):
    """What agents share. Every write gives its key its life anew. Raises StorageUnavailableError when nobody answers."""

    async def ping(self) -> None:
        """Return when the store answers."""
        ...

    async def get(self, key: Key) -> Any:
        """The document, or None."""
        ...

    async def put(self, key: Key, value: Any) -> None:
        """Replace a document (plain JSON)."""
        ...

    async def forget(self, *keys: Key) -> None:
        """Delete; what is not there is no error."""
        ...

    async def push(self, key: Key, value: Any) -> None:
        """Append to a list; the oldest items beyond `key.keep` go."""
        ...

    async def items(self, key: Key) -> list[Any]:
        """A list, oldest first."""
        ...

    async def include(self, key: Key, member: str) -> None:
        """Add to a set."""
        ...

    async def members(self, key: Key) -> set[str]:
        """A set."""
        ...

    async def acquire(self, task: str, agent: str) -> Lock | None:
        """The task's lock with a token higher than any before, or None while another agent's is alive.

        The same agent takes its own over at once: after a crash the newer runner goes on, the older one is fenced out.
        """
        ...

    async def renew(self, lock: Lock) -> None:
        """Give it its life anew. Raises LeaseLostError when a newer token exists."""
        ...

    async def release(self, lock: Lock) -> None:
        """Give it back; a lock that was lost is left to its new holder."""
        ...

    async def holder(self, task: str) -> Lock | None:
        """The lock that is alive."""
        ...

    async def aclose(self) -> None:
        """Close connections. Idempotent."""
        ...


def next_token(newest: int, now: datetime) -> int:
    """The token after `newest`; the time keeps it growing when the store forgot what it gave."""
    return max(newest + 1, int(now.timestamp() * 1_000_000))


def lock_of(task: str, found: Any) -> Lock | None:
    """The lock that a document describes. Raises StorageError for a document that describes none."""
    match found:
        case None:
            return None
        case {"agent": str(agent), "token": int(token)}:
            return Lock(task=task, agent=agent, token=token)
        case _:
            raise not_ours(keys.active_agent(task), type(found).__name__)


def lost(lock: Lock, newest: int) -> LeaseLostError:
    """The error for a holder whose token is stale."""
    return LeaseLostError(
        f"{lock.agent} lost its lock on {lock.task}",
        expected=f"fencing token {lock.token}",
        found=f"fencing token {newest}",
        hint="nothing to do here: the newer holder goes on",
        code="state.lock_lost",
    )


def not_ours(key: Key, found: str) -> StorageError:
    """The error for a value that no writer of ours left."""
    return StorageError(
        "a coordination key holds something that is not ours",
        expected=f"what Firebreak writes at {key.name}",
        found=found,
        hint="delete the key; the run goes on without it",
        code="state.corrupted",
    )
