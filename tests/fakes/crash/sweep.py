"""One crash run: start both processes, answer as a person, start again what was killed, and look what came of it."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from governance.ledger.opening import Place, read_ledger, verify_ledger
from tests.fakes.crash import processes
from tests.fakes.crash.points import Files, Victim
from tests.fakes.crash.world import SERVICES, FileWorld
from tests.fakes.guard import TOKENS
from tests.fakes.tools_postgres import free_port

CONTEXT = multiprocessing.get_context("forkserver")
"""Real processes that begin with everything imported."""
CONTEXT.set_forkserver_preload(["tests.fakes.crash.processes"])
PATIENCE_S = 300.0
_USABLE = {"open", "approved", "modified"}


@dataclass
class Ended:
    """What one run came to."""

    label: str
    problems: list[str]
    boundaries: list[str]
    restarts: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    """Approvals that a person gave."""
    seconds: float = 0.0


@dataclass
class Scene:
    """Both processes, restarted when they die."""

    home: Path
    at: int | str
    victim: Victim
    running: dict[str, BaseProcess] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)
    port: int = field(default_factory=free_port)

    def keep_alive(self) -> None:
        targets: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
            "action-server": (processes.action_server, (self.home, self.port, self.at, self.victim)),
            "app": (processes.app, (self.home, self.port)),
        }
        for name, (target, args) in targets.items():
            process = self.running.get(name)
            if process is None or not process.is_alive():
                self.restarts[name] += process is not None
                self.running[name] = fresh = CONTEXT.Process(target=target, args=args, daemon=True)
                fresh.start()

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.join()


@contextmanager
def _scene(home: Path, at: int | str, victim: Victim) -> Iterator[Scene]:
    scene = Scene(home, at, victim)
    try:
        yield scene
    finally:
        scene.stop()


def crash_run(home: Path, at: int | str, victim: Victim) -> Ended:
    """Kill `victim` at boundary number `at` of the whole run, or at the first one with that label; -1 kills nobody."""
    home.mkdir(parents=True)
    files = Files(home)
    started = time.monotonic()
    with _scene(home, at, victim) as scene, httpx.Client(timeout=5.0) as http:
        person = _Person(http, f"http://127.0.0.1:{scene.port}")
        while not files.done.exists() and time.monotonic() - started < PATIENCE_S:
            scene.keep_alive()
            person.answer_everything()
            time.sleep(0.03)
        problems = [*person.reuse(), *judge(home, files, person)]
    label = files.shot.read_text() if files.shot.exists() else "nobody was killed"
    seconds = time.monotonic() - started
    return Ended(label, problems, files.reached(), scene.restarts, len(person.given), seconds)


class _Person:
    """Says yes to whatever is asked; remembers what."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self._url = url
        self.given: set[str] = set()

    def _call(self, method: str, path: str, who: str, body: Any = None) -> httpx.Response | None:
        headers = {"Authorization": f"Bearer {TOKENS[who][0]}"}
        try:
            return self._http.request(method, self._url + path, headers=headers, json=body)
        except httpx.TransportError:
            return None

    def answer_everything(self) -> None:
        found = self._call("GET", "/v1/approvals?open=true", "operator")
        for approval in found.json()["approvals"] if found is not None and found.status_code == 200 else []:
            path = f"/v1/approvals/{approval['id']}/answer"
            done = self._call("POST", path, "operator", {"decision": "approve"})
            if done is not None and done.status_code == 200:
                self.given.add(approval["id"])

    def reuse(self) -> list[str]:
        """Present every approval once more, for the step that it was for and for another one; effects are counted later."""
        found = self._call("GET", "/v1/approvals", "operator")
        if found is None or found.status_code != 200:
            return [f"approvals cannot be read: {found.status_code if found else 'no answer'}"]
        rows = found.json()["approvals"]
        for row, other in zip(rows, [*rows[1:], *rows[:1]], strict=True):
            for step in (row["step_id"], other["step_id"]):
                body = {"plan_id": row["plan"], "step_id": step, "approval_id": row["id"]}
                actor = {"agent": "responder", "change": row["change"]}
                self._call("POST", "/v1/apply", "agent", {**body, "actor": actor})
        return [f"approval {row['id']} is still {row['status']}" for row in rows if row["status"] in _USABLE]


def judge(home: Path, files: Files, person: _Person) -> list[str]:
    """What is wrong with how it ended; empty when every promise held."""
    problems: list[str] = []
    if not files.done.exists():
        return [f"it did not end within {PATIENCE_S:.0f} s"]
    done = json.loads(files.done.read_text())
    if done["status"] != "resolved":
        problems.append(f"the incident ended as {done['status']} ({done['outcome']}): {done['results']}")
    problems += _effects(home)
    verification = verify_ledger(Place(home=home))
    if not verification.verified:
        problems.append(f"the ledger is broken: {verification.problem}")
    return [*problems, *_last_word(home), *_approvals(home, person)]


def _effects(home: Path) -> list[str]:
    happened = Counter(effect["target"] for effect in FileWorld(home / "effects.jsonl").effects())
    return [f"{happened[name]} effects on {name} instead of one" for name in SERVICES if happened[name] != 1]


def _last_word(home: Path) -> list[str]:
    heard = [entry for entry in read_ledger(Place(home=home), limit=10_000) if entry.kind == "closing"]
    return [] if heard else ["the ledger never heard how the run ended"]


def _approvals(home: Path, person: _Person) -> list[str]:
    entries = read_ledger(Place(home=home), limit=10_000)
    events = [e.content for e in entries if e.kind == "approval"]
    used = Counter(e["approval"] for e in events if e["event"] == "consumed")
    granted = {e["approval"] for e in events if e["event"] == "approve"}
    twice = [f"approval {name} was used {times} times" for name, times in used.items() if times > 1]
    closed = {e["approval"] for e in events if e["event"] == "expired"}
    lost = [f"approval {name} was given, never used and never closed" for name in granted - set(used) - closed]
    forged = [f"approval {name} was used and never given" for name in set(used) - granted]
    forgotten = [f"approval {name} was answered and is not in the ledger" for name in person.given - granted]
    return [*twice, *lost, *forged, *forgotten]
