"""Shared state on any server that speaks Redis' core commands (Redis, Valkey, DragonflyDB)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError, ResponseError, TimeoutError, WatchError

from domain.clock import Clock
from domain.errors import CircuitOpenError, StorageError, StorageUnavailableError
from governance.health import Breaker
from governance.state import keys
from governance.state.keys import Key
from governance.state.port import Lock, lock_of, lost, next_token, not_ours

Command = tuple[Any, ...]
_TIMEOUT_S = 3.0
"""A server that does not answer by then counts as silent: coordination never holds a run up for longer."""
_RACES = 10
"""How often an acquisition starts over because another one came between; each start means that somebody else got on."""


class RedisState:
    """Implements SharedState. A URL is redis://, rediss:// or unix:///path; its password never appears in an error."""

    def __init__(self, url: str, clock: Clock, breaker: Breaker | None = None) -> None:
        self._clock = clock
        self._breaker = breaker or Breaker("redis", clock)
        self._client: Any = cast(Any, Redis).from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)

    async def ping(self) -> None:
        async with self._answering():
            await self._client.ping()

    async def get(self, key: Key) -> Any:
        async with self._answering():
            return _read(key, await self._client.get(key.name))

    async def put(self, key: Key, value: Any) -> None:
        await self._together([_set(key, value)])

    async def forget(self, *keys: Key) -> None:
        await self._together([("DEL", *[key.name for key in keys])])

    async def push(self, key: Key, value: Any) -> None:
        commands: list[Command] = [("RPUSH", key.name, json.dumps(value)), ("LTRIM", key.name, -key.keep, -1)]
        await self._together([*commands, *_life(key)])

    async def items(self, key: Key) -> list[Any]:
        async with self._answering():
            return [_read(key, raw) for raw in await self._client.lrange(key.name, 0, -1)]

    async def include(self, key: Key, member: str) -> None:
        await self._together([("SADD", key.name, member), *_life(key)])

    async def members(self, key: Key) -> set[str]:
        async with self._answering():
            return {member.decode() for member in await self._client.smembers(key.name)}

    async def acquire(self, task: str, agent: str) -> Lock | None:
        for _ in range(_RACES):
            async with self._answering(), self._client.pipeline(transaction=True) as pipe:
                try:
                    return await self._try(pipe, task, agent)
                except WatchError:
                    continue
        return None

    async def _try(self, pipe: Any, task: str, agent: str) -> Lock | None:
        active, fence = keys.active_agent(task), keys.fence(task)
        await pipe.watch(active.name, fence.name)
        current = lock_of(task, _read(active, await pipe.get(active.name)))
        if current is not None and current.agent != agent:
            return None
        newest = _read(fence, await pipe.get(fence.name)) or 0
        lock = Lock(task=task, agent=agent, token=next_token(newest, self._clock.now()))
        pipe.multi()
        _queue(pipe, [_set(fence, lock.token), *_hold(lock)])
        await pipe.execute()
        return lock

    async def renew(self, lock: Lock) -> None:
        await self._fenced(lock, _hold(lock))

    async def release(self, lock: Lock) -> None:
        if await self.holder(lock.task) == lock:
            await self._fenced(lock, [("DEL", keys.active_agent(lock.task).name, keys.lock(lock.agent).name)])

    async def holder(self, task: str) -> Lock | None:
        return lock_of(task, await self.get(keys.active_agent(task)))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _fenced(self, lock: Lock, commands: Sequence[Command]) -> None:
        """Commands in one transaction that a newer token refuses."""
        fence = keys.fence(lock.task)
        async with self._answering(), self._client.pipeline(transaction=True) as pipe:
            await pipe.watch(fence.name)
            newest = _read(fence, await pipe.get(fence.name)) or 0
            if newest != lock.token:
                raise lost(lock, newest)
            pipe.multi()
            _queue(pipe, commands)
            try:
                await pipe.execute()
            except WatchError as error:
                raise lost(lock, newest) from error

    async def _together(self, commands: Sequence[Command]) -> None:
        async with self._answering(), self._client.pipeline(transaction=True) as pipe:
            _queue(pipe, commands)
            await pipe.execute()

    @asynccontextmanager
    async def _answering(self) -> AsyncGenerator[None]:
        """The vendor's errors as ours, behind the breaker."""
        try:
            async with self._breaker.watching(ConnectionError, TimeoutError):
                yield
        except (ConnectionError, TimeoutError, CircuitOpenError) as error:
            raise StorageUnavailableError(
                "the coordination server does not answer",
                expected="a Redis, Valkey or DragonflyDB server at REDIS_URL",
                found=error.message if isinstance(error, CircuitOpenError) else type(error).__name__,
                hint="`firebreak status` shows whether it runs",
            ) from error
        except ResponseError as error:
            raise StorageError(
                "the coordination server refused a command",
                expected="keys that only Firebreak writes, and Redis' core commands",
                found=str(error).partition(" ")[0],
                hint="WRONGTYPE: something else writes our keys; delete those that start with fb:",
                code="state.refused",
            ) from error


def _queue(pipe: Any, commands: Sequence[Command]) -> None:
    for command in commands:
        pipe.execute_command(*command)


def _set(key: Key, value: Any) -> Command:
    life = () if key.ttl_s is None else ("PX", int(key.ttl_s * 1000))
    return ("SET", key.name, json.dumps(value), *life)


def _life(key: Key) -> list[Command]:
    return [] if key.ttl_s is None else [("PEXPIRE", key.name, int(key.ttl_s * 1000))]


def _hold(lock: Lock) -> list[Command]:
    return [
        _set(keys.active_agent(lock.task), {"agent": lock.agent, "token": lock.token}),
        _set(keys.lock(lock.agent), {"task": lock.task, "token": lock.token}),
    ]


def _read(key: Key, raw: bytes | None) -> Any:
    try:
        return None if raw is None else json.loads(raw)
    except ValueError as error:
        raise not_ours(key, f"{len(raw or b'')} bytes that are not JSON") from error
