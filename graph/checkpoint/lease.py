"""One runner per thread: a lease with a fencing token, as a port and in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.errors import LeaseLostError


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run one thread. A newer token ends an older one's right."""

    thread: str
    holder: str
    token: int


class Leases(Protocol):
    """Hands out leases. The saver refuses writes of a thread whose lease this process lost."""

    async def acquire(self, thread: str, holder: str, ttl_s: float) -> Lease | None:
        """The lease, or None while another holder's is running. The same holder takes its own over (after a crash)."""
        ...

    async def renew(self, lease: Lease, ttl_s: float) -> None:
        """Raises LeaseLostError when a newer token exists."""
        ...

    async def check(self, thread: str) -> None:
        """Raises LeaseLostError when this process held the thread and lost it."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back; a lost lease is no error."""
        ...


def lost(thread: str, ours: int | None, found: int) -> LeaseLostError:
    """The error for a runner whose token is stale."""
    return LeaseLostError(
        f"another runner holds thread {thread}",
        expected=f"fencing token {ours}",
        found=f"fencing token {found}",
        hint="nothing to do here: the newer runner goes on where this one stopped",
    )


class ProcessLeases:
    """Leases inside one process, for savers that only one process can open."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._held: dict[str, Lease] = {}

    async def acquire(self, thread: str, holder: str, ttl_s: float) -> Lease | None:
        """The same holder replaces its own lease."""
        current = self._held.get(thread)
        if current is not None and current.holder != holder:
            return None
        self._tokens[thread] = self._tokens.get(thread, 0) + 1
        self._held[thread] = Lease(thread=thread, holder=holder, token=self._tokens[thread])
        return self._held[thread]

    async def renew(self, lease: Lease, ttl_s: float) -> None:
        """Only the newest token may."""
        if self._tokens.get(lease.thread, 0) != lease.token:
            raise lost(lease.thread, lease.token, self._tokens.get(lease.thread, 0))

    async def check(self, thread: str) -> None:
        """Nothing can be lost inside one process."""

    async def release(self, lease: Lease) -> None:
        """Forget it if it is still the current one."""
        if self._held.get(lease.thread) == lease:
            del self._held[lease.thread]
