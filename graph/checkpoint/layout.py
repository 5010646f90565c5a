"""How a thread lies in Redis, and what is sent to read and write it. Pure: no connection here.

Every key of a thread carries the thread as its hash tag, so that one MULTI covers them in a cluster too:

    fb:{<thread>}:ns                     set of checkpoint namespaces
    fb:{<thread>}:ix:<ns>                sorted set of checkpoint ids, all with score 0 (so ordered by id)
    fb:{<thread>}:cp:<ns>|<checkpoint>   hash: checkpoint and metadata (type, bytes), parent id
    fb:{<thread>}:bl:<ns>                hash: channel 0x1F version -> msgpack [type, bytes]
    fb:{<thread>}:wr:<ns>|<checkpoint>   hash: task 0x1F index -> msgpack [task path, channel, type, bytes]
    fb:{<thread>}:fence                  the newest fencing token handed out
    fb:{<thread>}:lease                  who runs the thread now, with expiry
    fb:threads                           set of all threads

A procedure is a generator: it yields batches of commands and receives their replies, so that one text serves the
blocking and the asynchronous client.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import ormsgpack

Command = tuple[Any, ...]
T = TypeVar("T")

THREADS = "fb:threads"
_SEP = "\x1f"


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands for one round trip. `thread` set: they go in one MULTI, refused when that thread's fence moved on."""

    commands: list[Command]
    thread: str | None = None


Procedure = Generator[Batch, list[Any], T]


def key(thread: str, part: str, *rest: str) -> str:
    """The key of one part of a thread."""
    return f"fb:{{{thread}}}:{part}" + (":" + "|".join(rest) if rest else "")


def blob_field(channel: str, version: str | int | float) -> str:
    """Field of one channel's value at one version."""
    return f"{channel}{_SEP}{version}"


def write_field(task_id: str, index: int) -> str:
    """Field of one pending write."""
    return f"{task_id}{_SEP}{index}"


def split_write_field(field: bytes) -> tuple[str, int]:
    """Task id and index of a pending write."""
    task_id, _, index = field.decode().rpartition(_SEP)
    return task_id, int(index)


def pack(*parts: Any) -> bytes:
    """Several small values in one field."""
    return ormsgpack.packb(list(parts))


def unpack(raw: bytes) -> list[Any]:
    """The values of `pack`."""
    parts: list[Any] = ormsgpack.unpackb(raw)
    return parts


def text(raw: bytes | str | None) -> str:
    """A reply as text; nothing becomes the empty string."""
    return raw.decode() if isinstance(raw, bytes) else (raw or "")


def namespaces(thread: str) -> Procedure[list[str]]:
    """All namespaces of a thread, sorted."""
    (found,) = yield Batch([("SMEMBERS", key(thread, "ns"))])
    return sorted(text(ns) for ns in found)


def checkpoint_ids(thread: str, ns: str) -> Procedure[list[str]]:
    """Newest first."""
    (found,) = yield Batch([("ZREVRANGE", key(thread, "ix", ns), 0, -1)])
    return [text(i) for i in found]


def drop(thread: str, ns: str, ids: list[str]) -> list[Command]:
    """Commands that forget checkpoints and their writes."""
    gone: list[Command] = []
    for checkpoint_id in ids:
        gone.append(("ZREM", key(thread, "ix", ns), checkpoint_id))
        gone.append(("DEL", key(thread, "cp", ns, checkpoint_id), key(thread, "wr", ns, checkpoint_id)))
    return gone


def forget_thread(thread: str) -> Procedure[None]:
    """Delete everything but the fence, which must never go back."""
    for ns in (yield from namespaces(thread)):
        ids = yield from checkpoint_ids(thread, ns)
        commands = drop(thread, ns, ids)
        yield Batch([*commands, ("DEL", key(thread, "ix", ns), key(thread, "bl", ns))], thread)
    yield Batch([("DEL", key(thread, "ns"))], thread)
    yield Batch([("SREM", THREADS, thread)])


def copy_thread(source: str, target: str) -> Procedure[None]:
    """Copy value by value; COPY is not everywhere."""
    for ns in (yield from namespaces(source)):
        ids = yield from checkpoint_ids(source, ns)
        pairs = [(key(source, "bl", ns), key(target, "bl", ns))]
        for checkpoint_id in ids:
            pairs += [(key(source, p, ns, checkpoint_id), key(target, p, ns, checkpoint_id)) for p in ("cp", "wr")]
        hashes = yield Batch([("HGETALL", old) for old, _ in pairs])
        commands: list[Command] = [("SADD", key(target, "ns"), ns)]
        commands += [("ZADD", key(target, "ix", ns), 0, i) for i in ids]
        for (_, new), fields in zip(pairs, hashes, strict=True):
            if fields:
                commands.append(("HSET", new, *[x for pair in as_dict(fields).items() for x in pair]))
        yield Batch([("SADD", THREADS, target)])
        yield Batch(commands, target)


def as_dict(reply: Any) -> dict[bytes, bytes]:
    """A HGETALL reply as a dictionary, whatever the protocol version returned."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))
