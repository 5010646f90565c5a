"""What the graph costs: one incident with null actions and rules against a bare graph with as many supersteps.

Both run on the same saver and serialise the same state after every superstep: the bare graph's nodes return what the real
run's supersteps changed. Diagnosis and retrieval are reported apart; the world behind the ports answers at once.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from agents.perception import diagnose
from domain.conditions import Condition
from graph.checkpoint.redis import RedisSaver
from graph.checkpoint.sqlite import open_sqlite_saver
from graph.state import Knobs, State
from rag.store import RagStore
from tests.fakes.house import House
from tests.fakes.redis_server import running_redis, server_binary
from tests.fakes.world import World, WorldGather, WorldProbes, alert

ROUNDS = 15
LIMIT = 2.0
KNOBS = Knobs(verify_s=0.2, patience_s=0.2)
ROOT = Path(__file__).resolve().parents[1]
Steps = list[dict[str, Any]]


def main() -> int:
    """Print the table; 1 when the ratio is above the limit on any saver."""
    ratios = asyncio.run(_all())
    return 1 if any(r > LIMIT for r in ratios) else 0


async def _all() -> list[float]:
    out = sys.stdout.write
    out(f"one incident through the graph, null actions, rules; best half of {ROUNDS} rounds\n")
    out(f"{'saver':<8} {'supersteps':>10} {'incident ms':>12} {'bare ms':>8} {'ratio':>6}\n")
    ratios = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        savers: dict[str, Any] = {"sqlite": await stack.enter_async_context(open_sqlite_saver(folder / "c.db"))}
        if server_binary():
            savers["redis"] = RedisSaver(stack.enter_context(running_redis()))
            stack.push_async_callback(savers["redis"].aclose)
        for name, saver in savers.items():
            steps = await _record(saver, f"record-{name}")
            ours, bare = await _measure(saver, steps)
            ratios.append(ours / bare)
            out(f"{name:<8} {len(steps):>10} {ours * 1e3:>12.1f} {bare * 1e3:>8.1f} {ours / bare:>6.2f}\n")
        await _apart(folder)
    return ratios


async def _record(saver: Any, thread: str) -> Steps:
    """What each superstep of a real run changed: channel → whole new value."""
    states: list[dict[str, Any]] = [{}]
    async for state in (
        _house(saver).graph().astream(_given(), _config(thread), context=KNOBS, stream_mode="values", durability="sync")
    ):
        states.append(dict(state))
    pairs = itertools.pairwise(states[1:])
    return [{k: v for k, v in then.items() if now.get(k) != v} for now, then in pairs]


async def _measure(saver: Any, steps: Steps) -> tuple[float, float]:
    """Seconds of the incident and of the bare graph, rounds interleaved, best half of each."""
    house = _house(saver)
    graph, bare = house.graph(), _bare(saver, steps)
    ours, plain = [], []
    for n in range(ROUNDS):
        house.world.wrong[(Condition.PROCESS_PAUSED, "api")] = {}
        started = time.perf_counter()
        await graph.ainvoke(_given(), _config(f"ours-{id(steps)}-{n}"), context=KNOBS, durability="sync")
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        await bare.ainvoke(_given(), _config(f"bare-{id(steps)}-{n}"), durability="sync")
        plain.append(time.perf_counter() - started)
    return _best_half(ours), _best_half(plain)


def _best_half(seconds: list[float]) -> float:
    return statistics.mean(sorted(seconds)[: max(1, len(seconds) // 2)])


def _bare(saver: Any, steps: Steps) -> Any:
    """A chain of nodes that only return values, over plain channels."""
    plain = TypedDict("plain", dict.fromkeys(State.__annotations__, Any), total=False)  # type: ignore[misc]
    graph: Any = StateGraph(plain)
    for n, update in enumerate(steps):
        graph.add_node(f"n{n}", _returning(update))
        graph.add_edge(f"n{n - 1}" if n else START, f"n{n}")
    graph.add_edge(f"n{len(steps) - 1}", END)
    return graph.compile(checkpointer=saver)


def _returning(update: dict[str, Any]) -> Any:
    async def node(state: Any) -> dict[str, Any]:
        return update

    return node


async def _apart(folder: Path) -> None:
    """What a real run pays beside the graph."""
    out = sys.stdout.write
    world = World(wrong={(Condition.PROCESS_PAUSED, "api"): {}})
    bundle = await WorldGather(WorldProbes(world))("inc-1", [alert()], (), 0)
    started = time.perf_counter()
    for _ in range(20):
        diagnose(bundle)
    out(f"apart: diagnosis of a small bundle {(time.perf_counter() - started) / 20 * 1e3:.2f} ms\n")
    store = RagStore(folder / "rag")
    await store.ingest(ROOT / "runbooks")
    await store.search("warm up")
    started = time.perf_counter()
    for _ in range(20):
        await store.search("connections of the pool are all in use", limit=4)
    out(f"apart: retrieval of four passages {(time.perf_counter() - started) / 20 * 1e3:.2f} ms\n")
    store.close()


def _house(saver: Any) -> House:
    wrong: dict[Any, Any] = {(Condition.PROCESS_PAUSED, "api"): {}}
    return House(World(wrong=wrong, mends={"resume_process api"}), saver=saver)


def _given() -> dict[str, Any]:
    return {"incident": "inc-1", "run": "run-1", "alerts": [alert()]}


def _config(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


if __name__ == "__main__":
    raise SystemExit(main())
