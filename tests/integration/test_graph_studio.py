"""`langgraph dev` opens the graph offline; a client drives a thread through an interrupt over the SDK."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client

from graph.studio import services_of
from tests.fakes.world import alert

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the dev server runs and writes."""
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    """A dev server on a free port, on the repository's langgraph.json with its paths made absolute: it writes where it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **{name: value for name, value in os.environ.items() if name != "REDIS_URL"},
        "FIREBREAK_STUDIO_SERVICES": "tests.fakes.studio:services",
        "FIREBREAK_HOME": str(home / "firebreak"),
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "PYTHONPATH": str(ROOT),
    }
    ours = (ROOT / "langgraph.json").read_text()
    (home / "langgraph.json").write_text(ours.replace('"./', f'"{ROOT}/').replace('"."', f'"{ROOT}"'))
    command = [str(Path(sys.executable).parent / "langgraph"), "dev"]
    command += ["--port", str(port), "--no-browser", "--no-reload", "--host", "127.0.0.1"]
    with (home / "server.log").open("w") as out:
        process = subprocess.Popen(command, cwd=home, env=env, stdout=out, stderr=out, start_new_session=True)
        try:
            yield _ready(process, f"http://127.0.0.1:{port}", home / "server.log")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ready(process: subprocess.Popen[bytes], url: str, log: Path) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{url}/ok", timeout=1).status_code == 200:
                return url
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


def test_thread_run_interrupt_resume(server: str) -> None:
    """A run waits for a person, and goes on to its brief when it is resumed."""
    with get_sync_client(url=server) as client:
        thread = client.threads.create()
        given: Any = {"incident": "inc-studio", "alerts": [alert().model_dump(mode="json")]}
        context: Any = {"verify_s": 0.2, "patience_s": 0.2}
        client.runs.wait(thread["thread_id"], "incident", input=given, context=context)
        state = client.threads.get_state(thread["thread_id"])
        assert state["next"] == ["approve"]
        (question,) = [i for t in state["tasks"] for i in t["interrupts"]]
        assert question["value"]["action_requests"][0]["name"] == "resume_process"
        resume: Any = {"resume": {question["id"]: {"status": "approved"}}}
        ended: Any = client.runs.wait(thread["thread_id"], "incident", command=resume, context=context)
        assert (ended["outcome"], ended["status"]) == ("mitigated", "resolved")
        assert client.threads.get_state(thread["thread_id"])["next"] == []


def test_our_app_and_our_checkpointer_are_in_it(server: str, home: Path) -> None:
    """The small app says what the graph is bound to; threads are kept by the product's saver."""
    assert httpx.get(f"{server}/healthz").json() == {"status": "ok", "bound_to": "factory"}
    assert "approve" in httpx.get(f"{server}/firebreak").json()["picture"]
    with get_sync_client(url=server) as client:
        thread = client.threads.create()["thread_id"]
        given: Any = {"incident": "inc-kept", "alerts": [alert().model_dump(mode="json")]}
        context: Any = {"autonomy": "observe"}
        client.runs.wait(thread, "incident", input=given, context=context)
    file = home / "firebreak" / "checkpoints.db"
    with closing(sqlite3.connect(file)) as store:
        assert store.execute("SELECT count(*) FROM checkpoints WHERE thread_id = ?", (thread,)).fetchone()[0] > 3


async def test_without_a_home_it_opens_and_says_so() -> None:
    """Offline services see nothing and deny everything."""
    services = services_of({})
    assert await services.guard.specs() == []
    bundle = await services.gather("inc-1", [], [], 0)
    assert bundle.problems
