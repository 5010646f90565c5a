"""Many at once over real HTTP, and one that slept: exactly one effect."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import pytest

from governance.ledger.opening import Place, read_ledger, verify_ledger
from tests.fakes.crash import processes
from tests.fakes.crash.points import Files, Victim
from tests.fakes.crash.sweep import CONTEXT
from tests.fakes.crash.world import FileWorld
from tests.fakes.guard import TOKENS, call, plan
from tests.fakes.tools_postgres import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
ACTOR = {"agent": "responder", "change": "inc-1"}
MANY = 50
CLAIMED = "after the commit of attempt + [claim claimed]"


@contextmanager
def server(home: Path, policy: str, at: str = "", victim: Victim = "nobody") -> Iterator[tuple[str, BaseProcess]]:
    """An action server in a process of its own."""
    port = free_port()
    process = CONTEXT.Process(target=processes.action_server, args=(home, port, at, victim, policy), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.join()


@asynccontextmanager
async def asking(url: str, who: str = "agent") -> AsyncIterator[httpx.AsyncClient]:
    """A client that may open many connections, once the server answers."""
    limits = httpx.Limits(max_connections=MANY)
    headers = {"Authorization": f"Bearer {TOKENS[who][0]}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits) as client:
        while True:
            try:
                await client.get("/healthz")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)
        yield client


async def judged(client: httpx.AsyncClient, *targets: str) -> list[dict[str, Any]]:
    wanted = plan(*[call("restart_service", target) for target in targets])
    answer = await client.post("/v1/judge", json={"plan": wanted.model_dump(mode="json"), "actor": ACTOR})
    assert answer.status_code == 200, answer.text
    judgements: list[dict[str, Any]] = answer.json()["judgements"]
    return judgements


async def apply(client: httpx.AsyncClient, step: str, approval: str | None = None) -> dict[str, Any]:
    body = {"plan_id": "plan-1", "step_id": step, "actor": ACTOR, "approval_id": approval}
    answer = await client.post("/v1/apply", json=body)
    assert answer.status_code == 200, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def effects(home: Path) -> Counter[str]:
    return Counter(effect["target"] for effect in FileWorld(home / "effects.jsonl").effects())


def kinds(home: Path, kind: str) -> list[dict[str, Any]]:
    return [e.content for e in read_ledger(Place(home=home), limit=10_000) if e.kind == kind]


async def test_fifty_dispatchers_of_one_step(tmp_path: Path) -> None:
    """Fifty connections ask for the same step at once: one effect, one intent, fifty times the same receipt."""
    with server(tmp_path, "default") as (url, _):
        async with asking(url) as client:
            await judged(client, "api")
            receipts = await asyncio.gather(*[apply(client, "s1") for _ in range(MANY)])
    assert effects(tmp_path) == {"api": 1}
    assert len(kinds(tmp_path, "intent")) == 1
    assert all(receipt == receipts[0] for receipt in receipts)
    assert receipts[0]["outcome"] == "succeeded"
    assert verify_ledger(Place(home=tmp_path)).verified


async def test_fifty_consumers_of_one_approval(tmp_path: Path) -> None:
    """Fifty connections present one approval, most for its step, some for another: it is used once, for its step."""
    with server(tmp_path, "production") as (url, _):
        async with asking(url) as client, asking(url, "operator") as person:
            first = (await judged(client, "api", "worker"))[0]["approval_id"]
            answer = await person.post(f"/v1/approvals/{first}/answer", json={"decision": "approve"})
            assert answer.status_code == 200, answer.text
            steps = ["s2" if n % 5 == 0 else "s1" for n in range(MANY)]
            receipts = await asyncio.gather(*[apply(client, step, first) for step in steps])
    assert effects(tmp_path) == {"api": 1}
    events = Counter(event["event"] for event in kinds(tmp_path, "approval"))
    assert events["consumed"] == 1
    for step, receipt in zip(steps, receipts, strict=True):
        assert receipt["verdict"] == ("allow" if step == "s1" else "deny"), receipt
    assert verify_ledger(Place(home=tmp_path)).verified


async def test_fifty_answers_to_one_question(tmp_path: Path) -> None:
    """One says yes and another no, twenty-five times each: the first counts, the other is told so every time."""
    with server(tmp_path, "production") as (url, _):
        async with asking(url) as client, asking(url, "operator") as yes, asking(url, "maria") as no:
            first = (await judged(client, "api"))[0]["approval_id"]
            path = f"/v1/approvals/{first}/answer"
            said = [(yes, "approve"), (no, "reject")] * (MANY // 2)
            answers = await asyncio.gather(*[person.post(path, json={"decision": word}) for person, word in said])
    statuses = [{answer.status_code for answer in answers[start::2]} for start in (0, 1)]
    assert sorted(statuses, key=max) == [{200}, {409}]
    assert len([e for e in kinds(tmp_path, "approval") if e["event"] in {"approve", "reject"}]) == 1


async def test_a_holder_that_slept_is_refused_when_it_wakes(tmp_path: Path) -> None:
    """An action server stopped (SIGSTOP) with the lock and the claim in its hands; another one takes over and acts.

    The first one wakes and is about to dispatch: its transaction is refused, nothing happens a second time.
    """
    with server(tmp_path, "default", CLAIMED, "paused") as (url, sleeper):
        async with asking(url) as client:
            await judged(client, "api")
            late = asyncio.ensure_future(client.post("/v1/apply", json=_body("s1")))
            while not (tmp_path / "shot").exists():
                await asyncio.sleep(0.02)
            with server(tmp_path, "default") as (second, _):
                async with asking(second) as other:
                    receipt = await apply(other, "s1")
                    assert receipt["outcome"] == "succeeded"
                    assert sleeper.pid is not None
                    os.kill(sleeper.pid, signal.SIGCONT)
                    refused = await late
    assert (refused.status_code, refused.json()["code"]) == (503, "ledger.taken_over")
    assert effects(tmp_path) == {"api": 1}
    fences = [content["fencing_token"] for content in kinds(tmp_path, "attempt")]
    assert fences == sorted(set(fences)) == [1, 2]
    assert [content["fencing_token"] for content in kinds(tmp_path, "intent")] == [2]
    assert Files(tmp_path).shot.read_text() == CLAIMED


def _body(step: str) -> dict[str, Any]:
    return {"plan_id": "plan-1", "step_id": step, "actor": ACTOR}
