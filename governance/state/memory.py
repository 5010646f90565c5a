"""Shared state inside one process: the default where no Redis runs, and what tests use."""

from __future__ import annotations

import json
from typing import Any

from domain.clock import Clock
from governance.state import keys
from governance.state.keys import Key
from governance.state.port import Lock, lock_of, lost, next_token


class MemoryState:
    """Implements SharedState. Documents are kept as JSON text, so that nobody shares a mutable value."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, Any] = {}
        self._ends: dict[str, float] = {}

    async def ping(self) -> None:
        """Always."""

    async def get(self, key: Key) -> Any:
        text = self._alive(key, None)
        return None if text is None else json.loads(text)

    async def put(self, key: Key, value: Any) -> None:
        self._keep(key, json.dumps(value))

    async def forget(self, *keys: Key) -> None:
        for key in keys:
            self._values.pop(key.name, None)
            self._ends.pop(key.name, None)

    async def push(self, key: Key, value: Any) -> None:
        self._keep(key, [*self._alive(key, []), json.dumps(value)][-key.keep :])

    async def items(self, key: Key) -> list[Any]:
        return [json.loads(text) for text in self._alive(key, [])]

    async def include(self, key: Key, member: str) -> None:
        self._keep(key, self._alive(key, frozenset()) | {member})

    async def members(self, key: Key) -> set[str]:
        return set(self._alive(key, frozenset()))

    async def acquire(self, task: str, agent: str) -> Lock | None:
        current = await self.holder(task)
        if current is not None and current.agent != agent:
            return None
        newest = await self.get(keys.fence(task)) or 0
        lock = Lock(task=task, agent=agent, token=next_token(newest, self._clock.now()))
        await self.put(keys.fence(task), lock.token)
        await self._hold(lock)
        return lock

    async def renew(self, lock: Lock) -> None:
        newest = await self.get(keys.fence(lock.task)) or 0
        if newest != lock.token:
            raise lost(lock, newest)
        await self._hold(lock)

    async def release(self, lock: Lock) -> None:
        if await self.holder(lock.task) == lock:
            await self.forget(keys.active_agent(lock.task), keys.lock(lock.agent))

    async def holder(self, task: str) -> Lock | None:
        return lock_of(task, await self.get(keys.active_agent(task)))

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _hold(self, lock: Lock) -> None:
        await self.put(keys.active_agent(lock.task), {"agent": lock.agent, "token": lock.token})
        await self.put(keys.lock(lock.agent), {"task": lock.task, "token": lock.token})

    def _keep(self, key: Key, value: Any) -> None:
        self._values[key.name] = value
        if key.ttl_s is not None:
            self._ends[key.name] = self._clock.monotonic() + key.ttl_s

    def _alive(self, key: Key, otherwise: Any) -> Any:
        if self._clock.monotonic() >= self._ends.get(key.name, float("inf")):
            self._values.pop(key.name, None)
            del self._ends[key.name]
        return self._values.get(key.name, otherwise)
