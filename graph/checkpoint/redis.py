"""Checkpoints on any server that speaks Redis' core commands (Redis, Valkey, DragonflyDB), fenced per thread."""

# pyright: reportTypedDictNotRequiredAccess=false
# (a saver is always given a configurable thread)
from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
    writes_sort_key,
)
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError, TimeoutError, WatchError

from domain.errors import StorageUnavailableError
from graph.checkpoint import layout
from graph.checkpoint.layout import Batch, Command, Procedure, key, text
from graph.checkpoint.lease import Lease, lost
from graph.checkpoint.serde import strict_serde

T = TypeVar("T")


class RedisSaver(BaseCheckpointSaver[str]):
    """Both halves (blocking and asynchronous) over one layout. A URL is redis://, rediss:// or unix:///path."""

    def __init__(self, url: str) -> None:
        super().__init__(serde=strict_serde())
        self._sync = Redis.from_url(url)
        self._async = AsyncRedis.from_url(url)
        self._tokens: dict[str, int] = {}
        self._known: set[str] = set()

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

    # -- writing --------------------------------------------------------------------------------------------------

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Counting up, with a random tail: forks of one checkpoint never share a version."""
        number = int(str(current).split(".")[0]) + 1 if current is not None else 1
        return f"{number:032}.{random.random():.16f}"

    def _put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, versions: ChannelVersions
    ) -> Procedure[RunnableConfig]:
        thread, ns, parent = _where(config)
        body: dict[str, Any] = {**checkpoint}
        values = body.pop("channel_values")
        kind, data = self.serde.dumps_typed(body)
        meta_kind, meta = self.serde.dumps_typed(get_checkpoint_metadata(config, metadata))
        fields = ("kind", kind, "data", data, "meta_kind", meta_kind, "meta", meta, "parent", parent)
        commands: list[Command] = [
            ("SADD", key(thread, "ns"), ns),
            ("HSET", key(thread, "cp", ns, checkpoint["id"]), *fields),
            ("ZADD", key(thread, "ix", ns), 0, checkpoint["id"]),
        ]
        blobs: list[Any] = []
        for channel, version in versions.items():
            if channel in values:
                blobs += [
                    layout.blob_field(channel, version),
                    layout.pack(*self.serde.dumps_typed(values[channel])),
                ]
        if blobs:
            commands.append(("HSET", key(thread, "bl", ns), *blobs))
        if thread not in self._known:
            yield Batch([("SADD", layout.THREADS, thread)])
            self._known.add(thread)
        yield Batch(commands, thread)
        return _config(thread, ns, checkpoint["id"])

    def _put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Procedure[None]:
        thread, ns, checkpoint_id = _where(config)
        where = key(thread, "wr", ns, checkpoint_id)
        commands: list[Command] = []
        for place, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, place)
            packed = layout.pack(task_path, channel, *self.serde.dumps_typed(value))
            commands.append(("HSET" if index < 0 else "HSETNX", where, layout.write_field(task_id, index), packed))
        if commands:
            yield Batch(commands, thread)

    # -- reading --------------------------------------------------------------------------------------------------

    def _get(self, config: RunnableConfig) -> Procedure[CheckpointTuple | None]:
        thread, ns, checkpoint_id = _where(config)
        if not checkpoint_id:
            (newest,) = yield Batch([("ZREVRANGE", key(thread, "ix", ns), 0, 0)])
            if not newest:
                return None
            checkpoint_id = text(newest[0])
        return (yield from self._load(thread, ns, checkpoint_id))

    def _load(self, thread: str, ns: str, checkpoint_id: str) -> Procedure[CheckpointTuple | None]:
        raw, raw_writes = yield Batch(
            [("HGETALL", key(thread, "cp", ns, checkpoint_id)), ("HGETALL", key(thread, "wr", ns, checkpoint_id))]
        )
        if not raw:
            return None
        fields = layout.as_dict(raw)
        checkpoint: Any = self.serde.loads_typed((text(fields[b"kind"]), fields[b"data"]))
        checkpoint["channel_values"] = yield from self._values(thread, ns, checkpoint["channel_versions"])
        parent = text(fields.get(b"parent"))
        return CheckpointTuple(
            config=_config(thread, ns, checkpoint_id),
            checkpoint=checkpoint,
            metadata=self.serde.loads_typed((text(fields[b"meta_kind"]), fields[b"meta"])),
            parent_config=_config(thread, ns, parent) if parent else None,
            pending_writes=self._writes(layout.as_dict(raw_writes) if raw_writes else {}),
        )

    def _values(self, thread: str, ns: str, versions: ChannelVersions) -> Procedure[dict[str, Any]]:
        if not versions:
            return {}
        names = list(versions)
        (found,) = yield Batch(
            [("HMGET", key(thread, "bl", ns), *[layout.blob_field(name, versions[name]) for name in names])]
        )
        present = {name: layout.unpack(raw) for name, raw in zip(names, found, strict=True) if raw is not None}
        return {name: self.serde.loads_typed((kind, data)) for name, (kind, data) in present.items()}

    def _writes(self, fields: dict[bytes, bytes]) -> list[tuple[str, str, Any]]:
        rows = [(layout.split_write_field(field), layout.unpack(raw)) for field, raw in fields.items()]
        rows.sort(key=lambda row: writes_sort_key(row[1][0], *row[0]))
        return [(task, channel, self.serde.loads_typed((kind, data))) for (task, _), (_, channel, kind, data) in rows]

    def _list(
        self,
        config: RunnableConfig | None,
        wanted: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Procedure[list[CheckpointTuple]]:
        threads = [str(config["configurable"]["thread_id"])] if config else (yield from _threads())
        only_ns = config["configurable"].get("checkpoint_ns") if config else None
        only_id = get_checkpoint_id(config) if config else None
        until = get_checkpoint_id(before) if before else None
        found: list[CheckpointTuple] = []
        for thread in threads:
            spaces = [only_ns] if only_ns is not None else (yield from layout.namespaces(thread))
            for ns in spaces:
                for checkpoint_id in (yield from layout.checkpoint_ids(thread, ns)):
                    if (only_id and checkpoint_id != only_id) or (until and checkpoint_id >= until):
                        continue
                    if limit is not None and len(found) >= limit:
                        return found
                    row = yield from self._load(thread, ns, checkpoint_id)
                    if row is not None and _matches(row.metadata, wanted):
                        found.append(row)
        return found

    # -- forgetting -----------------------------------------------------------------------------------------------

    def _forget_runs(self, run_ids: Sequence[str]) -> Procedure[None]:
        gone = set(run_ids)
        if not gone:
            return
        for thread in (yield from _threads()):
            for ns in (yield from layout.namespaces(thread)):
                ids = yield from layout.checkpoint_ids(thread, ns)
                old = []
                for checkpoint_id in ids:
                    kind, data = (yield Batch([("HMGET", key(thread, "cp", ns, checkpoint_id), "meta_kind", "meta")]))[
                        0
                    ]
                    if kind and self.serde.loads_typed((text(kind), data)).get("run_id") in gone:
                        old.append(checkpoint_id)
                if old:
                    yield Batch(layout.drop(thread, ns, old), thread)

    def _prune(self, threads: Sequence[str], strategy: str) -> Procedure[None]:
        for thread in threads:
            if strategy == "delete":
                yield from layout.forget_thread(thread)
                self._known.discard(thread)
                continue
            for ns in (yield from layout.namespaces(thread)):
                yield from self._keep_latest(thread, ns)

    def _keep_latest(self, thread: str, ns: str) -> Procedure[None]:
        """Keep the newest checkpoint and the channel values that it names."""
        ids = yield from layout.checkpoint_ids(thread, ns)
        if len(ids) < 2:
            return
        newest = yield from self._load(thread, ns, ids[0])
        versions = newest.checkpoint["channel_versions"] if newest else {}
        kept = {layout.blob_field(c, v).encode() for c, v in versions.items()}
        (fields,) = yield Batch([("HKEYS", key(thread, "bl", ns))])
        stale = [f for f in fields if f not in kept]
        commands = layout.drop(thread, ns, ids[1:])
        if stale:
            commands.append(("HDEL", key(thread, "bl", ns), *stale))
        yield Batch(commands, thread)

    # -- the two faces --------------------------------------------------------------------------------------------

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store one checkpoint in one transaction."""
        return self._run(self._put(config, checkpoint, metadata, new_versions))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store one checkpoint in one transaction."""
        return await self._arun(self._put(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes: special channels overwrite, the first of a regular one stays."""
        self._run(self._put_writes(config, writes, task_id, task_path))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes: special channels overwrite, the first of a regular one stays."""
        await self._arun(self._put_writes(config, writes, task_id, task_path))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The named checkpoint, or the newest."""
        return self._run(self._get(config))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The named checkpoint, or the newest."""
        return await self._arun(self._get(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Newest first within a namespace."""
        yield from self._run(self._list(config, filter, before, limit))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Newest first within a namespace."""
        for row in await self._arun(self._list(config, filter, before, limit)):
            yield row

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread; its fence stays."""
        self._known.discard(thread_id)
        self._run(layout.forget_thread(thread_id))

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread; its fence stays."""
        self._known.discard(thread_id)
        await self._arun(layout.forget_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of these runs."""
        self._run(self._forget_runs(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of these runs."""
        await self._arun(self._forget_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a whole thread, ancestors and writes included."""
        self._run(layout.copy_thread(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a whole thread, ancestors and writes included."""
        await self._arun(layout.copy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep each namespace's newest checkpoint, or `delete` all. Our graphs have no delta channels."""
        self._run(self._prune(thread_ids, strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep each namespace's newest checkpoint, or `delete` all. Our graphs have no delta channels."""
        await self._arun(self._prune(thread_ids, strategy))


def unavailable(error: Exception) -> StorageUnavailableError:
    """The server does not answer; it may again."""
    return StorageUnavailableError(
        "the checkpoint server does not answer",
        expected="a Redis server at REDIS_URL",
        found=type(error).__name__,
        hint="`firebreak status` shows whether it runs",
    )


def _threads() -> Procedure[list[str]]:
    (found,) = yield Batch([("SMEMBERS", layout.THREADS)])
    return sorted(text(thread) for thread in found)


def _where(config: RunnableConfig) -> tuple[str, str, str]:
    at = config["configurable"]
    return str(at["thread_id"]), at.get("checkpoint_ns", ""), get_checkpoint_id(config) or ""


def _config(thread: str, ns: str, checkpoint_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}}


def _matches(metadata: CheckpointMetadata, wanted: dict[str, Any] | None) -> bool:
    facts: dict[str, Any] = {**metadata}
    return all(facts.get(name) == value for name, value in (wanted or {}).items())
