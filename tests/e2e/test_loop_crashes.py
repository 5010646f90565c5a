"""kill -9 of our own processes at the worst moments, and a model endpoint that is not there: nothing is lost or repeated."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.e2e.installation import Installation, installed, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
OURS = ("app", "action-server", "chaos", "reaper", "collector", "redis")
THEIRS = ("postgres",)
"""The patient's database: its own supervisor starts it again."""


NO_MODEL = {"FIREBREAK_MODEL_BASE_URL": "http://127.0.0.1:9/v1", "FIREBREAK_MODEL": "nobody"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation, judged by the production policy: every change asks. The configured model does not answer."""
    with installed(tmp_path_factory.mktemp("crash"), FIREBREAK_POLICY="production", **NO_MODEL) as it:
        yield it


def _waiting(here: Installation, incident: str) -> None:
    until(lambda: here.ask("incident", "show", incident)["status"] == "waiting", 90, "an approval to be asked for")


def _effects(here: Installation, incident: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = here.ask("ledger", "show", "--incident", incident, "--limit", "500")["entries"]
    return [e for e in entries if e["kind"] == "intent"]


def test_only_the_action_server_holds_what_can_change_the_stack(here: Installation) -> None:
    """The app's environment names neither the control token nor the administrator's DSN."""
    for name in ("app", "collector", "chaos", "reaper"):
        env = psutil.Process(int(here.process(name)["pid"])).environ()
        assert "FIREBREAK_STACK_TOKEN" not in env
        assert "FIREBREAK_STACK_ADMIN_DSN" not in env
    assert "FIREBREAK_STACK_TOKEN" in psutil.Process(int(here.process("action-server")["pid"])).environ()


def test_production_asks_and_a_crash_while_waiting_loses_nothing(here: Installation) -> None:
    """The production policy asks first; our processes and the database die while it waits; one approval, one effect."""
    here.calm()
    known = here.known()
    here.kill("api", signal.SIGSTOP)
    incident = here.new_incident(known)
    _waiting(here, incident)
    assert _effects(here, incident) == []
    for name in (*OURS, *THEIRS):
        here.kill(name)
    until(lambda: all(here.process(n)["state"] == "running" for n in (*OURS, *THEIRS)), 60, "all processes back")
    _waiting(here, incident)
    approved = here.run("incident", "approve", incident, "--reason", "seen")
    assert approved.returncode == 0, approved.stderr
    record = here.ended(incident)
    assert record["status"] == "resolved", record["timeline"]
    assert len(_effects(here, incident)) == 1
    assert "model.fell_back" in [e["event"] for e in record["timeline"]]
    until(here.users_are_served, 30, "users served")
    assert here.ask("ledger", "verify")["verified"] is True


def test_a_deploy_that_only_came_first_is_left_alone(here: Installation) -> None:
    """A drill whose right answer is to do nothing: abstained, said, and nothing was touched; the rules decide alone."""
    result = _undisturbed(here, "red_herring_deploy")
    assert result["abstained"] is True, json.dumps([result, here.ask("incident", "show", result["incident"])])[:12_000]
    assert result["actions"] == []
    assert result["ledger"]["verified"] is True


def _undisturbed(here: Installation, fault: str) -> dict[str, Any]:
    """The drill's result. A void one is run again: on a small machine a second release alone may keep users waiting."""
    for _ in range(3):
        here.calm()
        done = here.run("drill", "run", "--fault", fault, "--json", timeout_s=180)
        if "The drill is void" not in done.stderr:
            break
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_dead_supervisor_is_followed_by_another_that_carries_on(here: Installation) -> None:
    """kill -9 of the supervisor in mid-incident; `up` clears the orphans and takes the incident up where it was."""
    here.calm()
    known = here.known()
    here.kill("frontend", signal.SIGSTOP)
    incident = here.new_incident(known)
    _waiting(here, incident)
    here.kill("supervisor")
    again = here.run("up", "--detach", timeout_s=150)
    assert again.returncode == 0, again.stderr
    record = here.ask("incident", "show", incident)
    assert record["id"] == incident
    until(
        lambda: here.ask("incident", "show", incident)["status"] in {"waiting", "dismissed", "resolved"},
        90,
        "the run goes on",
    )


def test_kill_freezes_every_effect_until_a_person_resumes(here: Installation) -> None:
    """After `kill` nothing acts; `resume` lifts it."""
    frozen = here.ask("kill")
    assert frozen["quiet_s"] < 5
    refused = here.run("drill", "run", "--fault", "hang", "--json")
    assert refused.returncode != 0
    assert here.run("resume").returncode == 0
