"""The supervisor over real child processes of the test's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli import installation
from cli.home import Home
from cli.supervisor.ports import assign
from cli.supervisor.ready import accepts, answers, wrote_facts
from cli.supervisor.run import Supervisor
from cli.supervisor.spec import ProcessSpec, child_env, inherited_env
from cli.supervisor.table import ProcessRow, alive, end, read_table, start_time, write_table
from domain.errors import ProcessError

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


def _spec(
    name: str = "sleeper", argv: tuple[str, ...] = SLEEPER, ready: Callable[[int], bool] = lambda _: True
) -> ProcessSpec:
    return ProcessSpec(name=name, kind="firebreak", argv=argv, ready=ready, ready_s=5)


def _until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A prepared home."""
    made = Home.at(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def supervisor(home: Home) -> Iterator[Supervisor]:
    """A supervisor that owns the home."""
    it = Supervisor(home)
    with it.owning():
        yield it


def test_a_home_keeps_its_tokens_private_and_stable(home: Home) -> None:
    """Preparing twice keeps the tokens; only the owner may read them."""
    before = home.token("operator")
    home.prepare()
    assert home.token("operator") == before
    assert len({home.token(n) for n in ("operator", "agent", "chaos", "intake")}) == 4
    assert oct(home.token_file("operator").stat().st_mode)[-3:] == "600"
    assert oct(home.secrets.stat().st_mode)[-3:] == "700"
    assert home.token("unknown") == ""


def test_a_long_home_gets_a_short_socket(tmp_path: Path) -> None:
    """A socket path never exceeds what the kernel takes."""
    assert len(str(Home.at(tmp_path / ("x" * 120)).redis_socket)) <= 100


def test_a_crashed_child_is_started_again(supervisor: Supervisor, home: Home) -> None:
    """A child killed with SIGKILL comes back with a new pid, and the table counts it."""
    supervisor.start([_spec()])
    first = supervisor.rows()[0].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        supervisor.watch_once()
        row = supervisor.rows()[0]
        return row.restarts == 1 and row.pid not in (None, first)

    assert _until(restarted)
    assert read_table(home.run / "processes.json")[0].last_exit == -signal.SIGKILL


def test_a_child_that_exits_at_once_is_an_error_with_its_last_words(supervisor: Supervisor) -> None:
    """Start-up failure shows what the process said."""
    bad = _spec(argv=(sys.executable, "-c", "print('no such port'); raise SystemExit(3)"), ready=lambda _: False)
    with pytest.raises(ProcessError) as caught:
        supervisor.start([bad])
    assert "exited with 3" in caught.value.found
    assert "no such port" in caught.value.found


def test_a_child_that_never_gets_ready_is_an_error(supervisor: Supervisor) -> None:
    """Readiness has a deadline."""
    slow = ProcessSpec(name="slow", kind="firebreak", argv=SLEEPER, ready=lambda _: False, ready_s=0.2)
    with pytest.raises(ProcessError, match="slow did not start"):
        supervisor.start([slow])


def test_a_stubborn_child_is_killed_in_the_end(supervisor: Supervisor) -> None:
    """A child that ignores SIGTERM does not outlive its supervisor."""
    argv = (
        sys.executable,
        "-c",
        "import signal,time,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1],'w'); time.sleep(60)",
    )
    mark = Path(supervisor._home.run / "ignoring")
    spec = ProcessSpec(
        name="stubborn", kind="firebreak", argv=(*argv, str(mark)), ready=lambda _: mark.exists(), ready_s=5, stop_s=0.2
    )
    supervisor.start([spec])
    pid = supervisor.rows()[0].pid
    supervisor.stop()
    assert pid is not None
    assert start_time(pid) is None
    assert supervisor.rows()[0].state == "stopped"


def test_a_home_has_one_owner(supervisor: Supervisor, home: Home) -> None:
    """A second supervisor of the same home is refused with what to do."""
    with pytest.raises(ProcessError, match="already runs"), Supervisor(home).owning():
        pytest.fail("two owners")


def test_orphans_of_a_killed_supervisor_are_cleared(home: Home) -> None:
    """What a dead supervisor left in the table is ended by the next one, and only that."""
    orphan = subprocess.Popen(SLEEPER)
    stranger = subprocess.Popen(SLEEPER)
    try:
        rows = [
            ProcessRow(
                name="orphan", kind="firebreak", pid=orphan.pid, started=start_time(orphan.pid), state="running"
            ),
            ProcessRow(name="recycled", kind="firebreak", pid=stranger.pid, started=1.0, state="running"),
        ]
        write_table(home.run / "processes.json", rows)
        said: list[str] = []
        with Supervisor(home, said.append).owning():
            assert not alive(rows[0])
            assert stranger.poll() is None
        assert said == ["cleared what an earlier run left behind: orphan"]
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait()


def test_a_torn_table_counts_as_none(tmp_path: Path) -> None:
    """A table cut short is not an error."""
    file = tmp_path / "processes.json"
    file.write_text('[{"name"')
    assert read_table(file) == []
    assert end([]) == []
    assert not alive(ProcessRow(name="x", kind="firebreak", pid=2**22 + 1, started=1.0, state="running"))


def test_children_never_inherit_the_keys_to_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could change the stack is handed out by name, never inherited; what signs for a person reaches no process."""
    monkeypatch.setenv("FIREBREAK_TOKEN", "an-approver's")
    monkeypatch.setenv("FIREBREAK_STACK_ADMIN_DSN", "postgresql://admin")
    monkeypatch.setenv("FIREBREAK_STACK_TOKEN", "t")
    assert not [k for k in inherited_env() if k.startswith(("FIREBREAK_STACK", "FIREBREAK_TOKEN"))]


def test_only_who_is_meant_to_gets_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger's credential reaches a child through its specification alone."""
    monkeypatch.setenv("FIREBREAK_LEDGER_URL", "postgresql://x")
    monkeypatch.setenv("FIREBREAK_GITHUB_TOKEN", "ghp_x")
    spec = ProcessSpec(name="app", kind="firebreak", argv=(), ready=lambda _: True)
    assert not {"FIREBREAK_LEDGER_URL", "FIREBREAK_GITHUB_TOKEN"} & child_env(spec).keys()
    given = replace(spec, env={"FIREBREAK_LEDGER_URL": "postgresql://y"})
    assert child_env(given)["FIREBREAK_LEDGER_URL"] == "postgresql://y"


def test_ports_stay_the_same_while_they_are_free(tmp_path: Path) -> None:
    """A second start of a home takes the ports of the first; a fixed one wins; a broken file is no error."""
    file = tmp_path / "ports.json"
    file.write_text("garbage")
    first = assign(file, ("app", "chaos"), "127.0.0.1", {})
    assert assign(file, ("app", "chaos"), "127.0.0.1", {}) == first
    assert len(set(first.values())) == 2
    assert assign(file, ("app",), "127.0.0.1", {"app": 4321}) == {"app": 4321}


def test_readiness_is_seen_from_outside(tmp_path: Path) -> None:
    """No socket, no server and no file mean not ready; a file with another pid is somebody else's."""
    assert not accepts(tmp_path / "none.sock")(1)
    assert not answers("http://127.0.0.1:9/healthz")(1)
    file = tmp_path / "facts.json"
    assert not wrote_facts(file)(1)
    file.write_text(json.dumps({"pid": 1}))
    assert wrote_facts(file)(1)
    assert not wrote_facts(file)(2)


@pytest.mark.parametrize(
    ("argv", "said"), [(SLEEPER, "goes on starting"), ((sys.executable, "-c", ""), "did not start")]
)
def test_what_is_late_is_told_from_what_is_dead(
    home: Home, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], said: str
) -> None:
    """A busy machine's Firebreak is still coming up; it is not said that it did not start."""
    monkeypatch.setattr(installation, "python_module", lambda *_: argv)
    begun = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def popen(*given: Any, **more: Any) -> subprocess.Popen[bytes]:
        started.append(begun(*given, **more))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    try:
        with pytest.raises(ProcessError, match=said):
            installation.start_detached(home, None, wait_s=0.3 if argv is SLEEPER else 20.0)
    finally:
        for process in started:
            process.kill()
            process.wait()
