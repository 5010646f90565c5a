"""`firebreak skill list | show | run | runs` against the real app over the little world, on a real loopback socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli import main as cli_main
from skills.report import Order, Report, RunStatus
from tests.fakes.skill_home import skill_home
from tests.fakes.world import World
from tests.unit.skills.test_skills_generate import INVENTORY
from tests.unit.skills.trial import PAUSED, RESUME, Trial

RUN = CliRunner()


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"resume_process api"}))


@pytest.fixture
def home(tmp_path: Path, trial: Trial) -> Iterator[Path]:
    """A home whose app is up."""
    with skill_home(tmp_path, trial) as found:
        yield found


def firebreak(home: Path, *words: str) -> Result:
    return RUN.invoke(cli_main.app, ["--home", str(home), "skill", *words])


def document(home: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(firebreak(home, *words, "--json").stdout)
    assert found["schema_version"] == "1"
    return found


def test_a_dry_run_is_the_default(home: Path, trial: Trial) -> None:
    """Nothing changes, exit code 0, the answer is said."""
    answer = firebreak(home, "run", "paused-process", "api")
    assert (answer.exit_code, trial.world.effects) == (0, [])
    assert "dry_run — cannot tell" in answer.stdout


def test_a_run_needs_both_words(home: Path, trial: Trial) -> None:
    """Blocked with exit code 4 without --allow-mutation, done with it; the report goes to a file."""
    blocked = firebreak(home, "run", "paused-process", "--execute")
    assert (blocked.exit_code, trial.world.effects) == (4, [])
    assert "--allow-mutation" in blocked.stdout
    file = home / "report.json"
    done = firebreak(home, "run", "paused-process", "--execute", "--allow-mutation", "--report-out", str(file))
    assert (done.exit_code, trial.world.effects) == (0, ["resume_process api"])
    assert "criterion fine holds" in done.stdout
    assert json.loads(file.read_text())["status"] == "succeeded"


def test_a_broken_promise_is_a_finding(home: Path, trial: Trial) -> None:
    """Exit code 3, the signature and the proposed edit are shown; the skill is in quarantine afterwards."""
    trial.world.mends.clear()
    failed = firebreak(home, "run", "paused-process", "--execute", "--allow-mutation")
    assert failed.exit_code == 3
    assert "VERIFICATION_FAILED" in failed.stdout
    assert document(home, "list")["skills"][0]["trust"] == "quarantined"
    assert "VERIFICATION_FAILED in run" in firebreak(home, "show", "paused-process").stdout
    again = firebreak(home, "run", "paused-process", "--execute", "--allow-mutation")
    assert "quarantine" in str(again.exception)


def test_list_show_and_runs(home: Path) -> None:
    """The record counts executed runs only; hidden checks are counted, never shown."""
    assert "No run yet" in firebreak(home, "runs").stdout
    firebreak(home, "run", "paused-process", "--execute", "--allow-mutation")
    firebreak(home, "run", "paused-process")
    (row,) = document(home, "list")["skills"]
    assert (row["track"]["executed"], row["track"]["succeeded"], row["trust"]) == (1, 1, "draft")
    assert "paused-process" in firebreak(home, "list").stdout
    shown = firebreak(home, "show", "paused-process").stdout
    assert "1 hidden checks" in shown
    assert "Record here, incidents included: 1 of 1" in shown
    assert "served" not in shown
    assert document(home, "show", "paused-process")["hidden_checks"] == 1
    assert [r["status"] for r in document(home, "runs", "--skill", "paused-process")["runs"]][-1] == "succeeded"
    assert "succeeded" in firebreak(home, "runs").stdout


def test_a_run_in_an_incident_is_told_apart(home: Path, trial: Trial) -> None:
    """It counts like any other, and says where it was; a refused one is blocked, not failed."""
    fields = {"order": Order(skill="paused-process", execute=True), "version": "1.0.0", "trust": "trusted"}
    digest = trial.bench.shelf.procedure("paused-process")[0].digest
    for number, status in enumerate((RunStatus.SUCCEEDED, RunStatus.BLOCKED)):
        at = trial.clock.now()
        trial.bench.store.save(
            Report(id=f"skr-{number}", digest=digest, status=status, incident="inc-7", started_at=at, **fields)
        )
    assert "1 of 1, 1 blocked" in firebreak(home, "list").stdout
    assert "inc-7" in firebreak(home, "runs").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "unknown-skill"], "no skill"),
        (["run", "paused-process", "moon"], "do not fit"),
        (["run", "paused-process", "-p", "speed"], "not understood"),
        (["run", "paused-process", "-p", "x=[1"], "not YAML"),
    ],
)
def test_wrong_words_are_refused(home: Path, words: list[str], said: str) -> None:
    """Before anything is looked at."""
    assert said in str(firebreak(home, *words).exception)


def test_the_manager_agent_runs_a_task_card(home: Path, trial: Trial) -> None:
    """Chosen, run, reported; the fault that the card names is the one that the skill is for."""
    card = home / "card.yaml"
    card.write_text(
        "name: mend-it\nintent: bring the api back to life\nworkload: api\nfault_domain: hang\n"
        "severity: high\nfamily: T2\nexpected: users are served\n"
    )
    trial.write({**trial.skill, "metadata": {**trial.skill["metadata"], "fault_classes": ["hang"]}})
    words = ["agent", "run", "--task-card", str(card), "--stages", "recovery"]
    dry = RUN.invoke(cli_main.app, ["--home", str(home), *words])
    assert (dry.exit_code, trial.world.effects) == (0, [])
    assert "mend-it: proposed" in dry.stdout
    file = home / "report.json"
    done = RUN.invoke(
        cli_main.app, ["--home", str(home), *words, "--allow-mutation", "--report-out", str(file), "--json"]
    )
    assert (done.exit_code, trial.world.effects) == (0, ["resume_process api"])
    assert json.loads(file.read_text())["status"] == json.loads(done.stdout)["status"] == "mitigated"


def test_a_review_of_what_the_home_remembers(home: Path, trial: Trial, tmp_path: Path) -> None:
    """No file is needed: its failed runs are fetched and reviewed; a skill that never ran has nothing to review."""
    config = tmp_path / "firebreak.yaml"
    config.write_text(yaml.safe_dump(INVENTORY.model_dump(mode="json", exclude_defaults=True)))
    trial.write({**RESUME, "preconditions": []})
    trial.world.mends.clear()
    firebreak(home, "run", "paused-process", "--execute", "--allow-mutation")
    words = ("review", "--runs-of", "paused-process", "--skills", str(trial.root / "shelf"), "--config", str(config))
    answer = firebreak(home, *words)
    assert "no structural edit is known for VERIFICATION_FAILED" in answer.output, "its probe is none of the product's"
    empty = firebreak(home, "review", "--runs-of", "never-ran", "--config", str(config))
    assert "there must be reports of one skill" in str(empty.exception)
