"""Every persisted type comes back from every saver as it went in, by both halves; anything else is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from graph.checkpoint.redis import RedisSaver
from graph.checkpoint.serde import PERSISTED_TYPES, strict_serde
from graph.checkpoint.sqlite import open_sqlite_saver
from tests.fakes.redis_server import running_redis
from web.ports import SliRow

pytestmark = pytest.mark.integration


def example(kind: Any) -> Any:
    """A value of a type, with every required field filled."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        required = {n: f for n, f in kind.model_fields.items() if f.is_required()}
        return kind.model_validate({f.alias or n: example(f.annotation) for n, f in required.items()})
    origin = get_origin(kind)
    if origin is not None:
        return example(get_args(kind)[0]) if "Union" in str(origin) or "Annotated" in str(origin) else _first(kind)
    return {str: "a1", int: 1, float: 0.5, bool: True, datetime: datetime(2026, 1, 1, tzinfo=UTC)}[kind]


def _first(kind: Any) -> Any:
    return {list: [], dict: {}}.get(get_origin(kind), get_args(kind)[0] if get_args(kind) else None)


@asynccontextmanager
async def opened(name: str, folder: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """A saver by name."""
    if name == "memory":
        yield InMemorySaver(serde=strict_serde())
    elif name == "sqlite":
        async with open_sqlite_saver(folder / "c.db") as saver:
            yield saver
    else:
        with running_redis() as url:
            redis = RedisSaver(url)
            yield redis
            await redis.aclose()


@pytest.mark.parametrize("name", ["memory", "sqlite", "redis"])
async def test_every_persisted_type_comes_back(name: str, tmp_path: Path) -> None:
    """Same type, same value."""
    values = {f"c{n}": example(kind) for n, kind in enumerate(PERSISTED_TYPES)}
    versions: Any = dict.fromkeys(values, "1")
    checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": versions}
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    async with opened(name, tmp_path) as saver:
        stored = await saver.aput(config, checkpoint, {"source": "loop", "step": 0}, versions)  # type: ignore[arg-type]
        await saver.aput_writes(stored, list(values.items()), "task")
        found = await saver.aget_tuple(config)
    assert found is not None
    for key, value in values.items():
        back = found.checkpoint["channel_values"][key]
        assert (type(back), back) == (type(value), value)
    assert [w[2] for w in found.pending_writes or []] == list(values.values())


def test_types_that_are_not_listed_do_not_come_back() -> None:
    """A stranger's class in a checkpoint stays data."""
    serde = strict_serde()
    stranger = serde.loads_typed(serde.dumps_typed(SliRow(service="a", name="b", sli="c", target=1.0)))
    assert not isinstance(stranger, SliRow)


async def test_the_blocking_half_of_the_redis_saver(tmp_path: Path) -> None:
    """Put, writes, get, list, copy, prune, forget: the same layout through the blocking client."""
    config: Any = {"configurable": {"thread_id": "s", "checkpoint_ns": ""}}
    async with opened("redis", tmp_path) as saver:
        for step in range(3):
            checkpoint: Any = {
                **empty_checkpoint(),
                "channel_values": {"n": step},
                "channel_versions": {"n": f"{step}"},
            }
            stored = saver.put(
                config, checkpoint, {"source": "loop", "step": step, "run_id": f"r{step}"}, {"n": f"{step}"}
            )
            config = stored
        saver.put_writes(stored, [("n", 9), ("__interrupt__", "why")], "task")
        saver.put_writes(stored, [("n", 10), ("__interrupt__", "because")], "task")
        thread: Any = {"configurable": {"thread_id": "s"}}
        newest = saver.get_tuple(thread)
        assert newest is not None
        assert newest.checkpoint["channel_values"] == {"n": 2}
        assert {w[1]: w[2] for w in newest.pending_writes or []} == {"n": 9, "__interrupt__": "because"}
        assert len(list(saver.list(thread, limit=2))) == 2
        assert len(list(saver.list(None, filter={"step": 1}))) == 1
        assert len(list(saver.list(thread, before=stored))) == 2
        saver.copy_thread("s", "copy")
        assert len(list(saver.list({"configurable": {"thread_id": "copy"}}))) == 3
        saver.delete_for_runs(["r0"])
        assert len(list(saver.list(thread))) == 2
        saver.prune(["s"])
        assert len(list(saver.list(thread))) == 1
        assert saver.get_tuple(thread) is not None
        saver.prune(["copy"], strategy="delete")
        saver.delete_thread("s")
        assert list(saver.list(None)) == []
        first, second = saver.get_next_version(None, None), saver.get_next_version("1.5", None)
        assert (first < second, first != saver.get_next_version(None, None)) == (True, True)
