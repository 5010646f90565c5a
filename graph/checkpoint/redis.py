"""Checkpoints on any server that speaks Redis' core commands (Redis, Valkey, DragonflyDB), fenced per thread."""

# pyright: reportTypedDictNotRequiredAccess=false
# (a saver is always given a configurable thread)
from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError, TimeoutError, WatchError

from domain.errors import StorageUnavailableError
from graph.checkpoint import layout
from graph.checkpoint.layout import Batch, Procedure, key, text
from graph.checkpoint.lease import Lease, lost
from graph.checkpoint.procedures import Procedures
from graph.checkpoint.serde import strict_serde

T = TypeVar("T")


class RedisSaver(BaseCheckpointSaver[str]):
    """Both halves (blocking and asynchronous) over one layout. A URL is redis://, rediss:// or unix:///path."""

    def __init__(self, url: str) -> None:
        super().__init__(serde=strict_serde())
        self._sync = Redis.from_url(url)
        self._async = AsyncRedis.from_url(url)
        self._listed: set[str] = set()
        self._tokens: dict[str, int] = {}
        """Thread → the fencing token of the lease that this process holds."""

    @property
    def _procedures(self) -> Procedures:
        """Over the serializer of now: the library copies savers and gives the copy another one."""
        return Procedures(self.serde, self._listed)

    async def aclose(self) -> None:
        """Close both clients."""
        await self._async.aclose()
        self._sync.close()

    async def ping(self) -> bool:
        """Whether the server answers."""
        return bool(await self._async.ping())

    # -- driving procedures -------------------------------------------------------------------------------------

    def _run(self, procedure: Procedure[T]) -> T:
        replies: list[Any] | None = None
        while True:
            try:
                batch = procedure.send(replies)  # type: ignore[arg-type]
            except StopIteration as end:
                result: T = end.value
                return result
            replies = self._send(batch)

    async def _arun(self, procedure: Procedure[T]) -> T:
        replies: list[Any] | None = None
        while True:
            try:
                batch = procedure.send(replies)  # type: ignore[arg-type]
            except StopIteration as end:
                result: T = end.value
                return result
            replies = await self._asend(batch)

    def _send(self, batch: Batch) -> list[Any]:
        token = self._tokens.get(batch.thread) if batch.thread else None
        with self._sync.pipeline(transaction=batch.thread is not None) as opened:
            pipe: Any = opened
            try:
                if batch.thread and token is not None:
                    pipe.watch(key(batch.thread, "fence"))
                    self._compare(
                        batch.thread, token, pipe.immediate_execute_command("GET", key(batch.thread, "fence"))
                    )
                    pipe.multi()
                for command in batch.commands:
                    pipe.execute_command(*command)
                return list(pipe.execute())
            except WatchError as error:
                raise lost(batch.thread or "", token, -1) from error
            except (ConnectionError, TimeoutError) as error:
                raise unavailable(error) from error

    async def _asend(self, batch: Batch) -> list[Any]:
        token = self._tokens.get(batch.thread) if batch.thread else None
        async with self._async.pipeline(transaction=batch.thread is not None) as opened:
            pipe: Any = opened
            try:
                if batch.thread and token is not None:
                    fence = key(batch.thread, "fence")
                    await pipe.watch(fence)
                    self._compare(batch.thread, token, await pipe.immediate_execute_command("GET", fence))
                    pipe.multi()
                for command in batch.commands:
                    pipe.execute_command(*command)
                return list(await pipe.execute())
            except WatchError as error:
                raise lost(batch.thread or "", token, -1) from error
            except (ConnectionError, TimeoutError) as error:
                raise unavailable(error) from error

    def _compare(self, thread: str, token: int, found: Any) -> None:
        if int(found or 0) != token:
            raise lost(thread, token, int(found or 0))

    # -- leases ---------------------------------------------------------------------------------------------------

    async def acquire(self, thread: str, holder: str, ttl_s: float) -> Lease | None:
        """See `Leases`. The same holder takes over at once; the fence makes the older runner harmless."""
        lease_key, fence_key = key(thread, "lease"), key(thread, "fence")
        async with self._async.pipeline(transaction=True) as opened:
            pipe: Any = opened
            try:
                await pipe.watch(lease_key, fence_key)
                current = text(await pipe.immediate_execute_command("GET", lease_key))
                if current and current != holder:
                    return None
                token = int(await pipe.immediate_execute_command("GET", fence_key) or 0) + 1
                pipe.multi()
                pipe.execute_command("SET", fence_key, token)
                pipe.execute_command("SET", lease_key, holder, "PX", int(ttl_s * 1000))
                await pipe.execute()
            except WatchError:
                return None
            except (ConnectionError, TimeoutError) as error:
                raise unavailable(error) from error
        self._tokens[thread] = token
        return Lease(thread=thread, holder=holder, token=token)

    async def renew(self, lease: Lease, ttl_s: float) -> None:
        """Raises LeaseLostError when a newer token exists."""
        await self._asend(
            Batch([("SET", key(lease.thread, "lease"), lease.holder, "PX", int(ttl_s * 1000))], lease.thread)
        )

    async def check(self, thread: str) -> None:
        """Raises LeaseLostError when this process held the thread and lost it."""
        token = self._tokens.get(thread)
        if token is not None:
            (found,) = await self._asend(Batch([("GET", key(thread, "fence"))]))
            self._compare(thread, token, found)

    async def release(self, lease: Lease) -> None:
        """Delete the lease if the token is still the newest."""
        try:
            await self._asend(Batch([("DEL", key(lease.thread, "lease"))], lease.thread))
        finally:
            if self._tokens.get(lease.thread) == lease.token:
                del self._tokens[lease.thread]

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Counting up, with a random tail: forks of one checkpoint never share a version."""
        number = int(str(current).split(".")[0]) + 1 if current is not None else 1
        return f"{number:032}.{random.random():.16f}"

    # -- the two faces --------------------------------------------------------------------------------------------

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store one checkpoint in one transaction."""
        return self._run(self._procedures.put(config, checkpoint, metadata, new_versions))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store one checkpoint in one transaction."""
        return await self._arun(self._procedures.put(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes: special channels overwrite, the first of a regular one stays."""
        self._run(self._procedures.put_writes(config, writes, task_id, task_path))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes: special channels overwrite, the first of a regular one stays."""
        await self._arun(self._procedures.put_writes(config, writes, task_id, task_path))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The named checkpoint, or the newest."""
        return self._run(self._procedures.get(config))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The named checkpoint, or the newest."""
        return await self._arun(self._procedures.get(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Newest first within a namespace."""
        yield from self._run(self._procedures.list(config, filter, before, limit))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Newest first within a namespace."""
        for row in await self._arun(self._procedures.list(config, filter, before, limit)):
            yield row

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread; its fence stays."""
        self._run(self._procedures.forget(thread_id))

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread; its fence stays."""
        await self._arun(self._procedures.forget(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of these runs."""
        self._run(self._procedures.forget_runs(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of these runs."""
        await self._arun(self._procedures.forget_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a whole thread, ancestors and writes included."""
        self._run(layout.copy_thread(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a whole thread, ancestors and writes included."""
        await self._arun(layout.copy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep each namespace's newest checkpoint, or `delete` all. Our graphs have no delta channels."""
        self._run(self._procedures.prune(thread_ids, strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep each namespace's newest checkpoint, or `delete` all. Our graphs have no delta channels."""
        await self._arun(self._procedures.prune(thread_ids, strategy))


def unavailable(error: Exception) -> StorageUnavailableError:
    """The server does not answer; it may again."""
    return StorageUnavailableError(
        "the checkpoint server does not answer",
        expected="a Redis server at REDIS_URL",
        found=type(error).__name__,
        hint="`firebreak status` shows whether it runs",
    )
