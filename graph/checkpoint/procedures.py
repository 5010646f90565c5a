"""What is stored and read, step by step, without a connection: procedures yield batches of commands and get replies.

Whoever drives them (blocking or asynchronous) sends the batches; the layout of keys is `layout`'s.
"""

# pyright: reportTypedDictNotRequiredAccess=false
# (a saver is always given a configurable thread)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from graph.checkpoint import layout
from graph.checkpoint.layout import Batch, Command, Procedure, key, text


class Procedures:
    """What a saver does, over one serializer. `listed` holds the threads that the server knows by name already."""

    def __init__(self, serde: SerializerProtocol, listed: set[str]) -> None:
        self.serde = serde
        self._listed = listed

    def forget(self, thread: str) -> Procedure[None]:
        """Drop a thread; its fence stays."""
        self._listed.discard(thread)
        yield from layout.forget_thread(thread)

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, versions: ChannelVersions
    ) -> Procedure[RunnableConfig]:
        """One checkpoint in one transaction: values under their versions, so that unchanged ones are stored once."""
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
        if thread not in self._listed:
            yield Batch([("SADD", layout.THREADS, thread)])
            self._listed.add(thread)
        yield Batch(commands, thread)
        return _config(thread, ns, checkpoint["id"])

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Procedure[None]:
        """A task's writes: special channels overwrite, the first of a regular one stays."""
        thread, ns, checkpoint_id = _where(config)
        where = key(thread, "wr", ns, checkpoint_id)
        commands: list[Command] = []
        for place, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, place)
            packed = layout.pack(task_path, channel, *self.serde.dumps_typed(value))
            commands.append(("HSET" if index < 0 else "HSETNX", where, layout.write_field(task_id, index), packed))
        if commands:
            yield Batch(commands, thread)

    def get(self, config: RunnableConfig) -> Procedure[CheckpointTuple | None]:
        """The named checkpoint, or the newest; None without any."""
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

    def list(
        self,
        config: RunnableConfig | None,
        wanted: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Procedure[list[CheckpointTuple]]:
        """Newest first within a namespace."""
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

    def forget_runs(self, run_ids: Sequence[str]) -> Procedure[None]:
        """Drop the checkpoints of these runs."""
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

    def prune(self, threads: Sequence[str], strategy: str) -> Procedure[None]:
        """Keep each namespace's newest checkpoint, or `delete` all."""
        for thread in threads:
            if strategy == "delete":
                yield from self.forget(thread)
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
