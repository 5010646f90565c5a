"""A model per stage over real HTTP: which one worked is said, its fall back is seen, and its word makes nothing less safe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from cli import main as cli_main
from domain.clock import SystemClock
from domain.inventory import ModelConfig
from governance.health import Circuits
from graph.settings import Settings
from graph.skills.minds import minds_of
from tests.fakes.openai_server import Answer, Script, cut_short, openai_server
from tests.fakes.skill_home import skill_home
from tests.fakes.world import World
from tests.unit.skills.test_skills_generate import INVENTORY
from tests.unit.skills.trial import PAUSED, RESUME, Trial

pytestmark = pytest.mark.integration
RUN = CliRunner()
YES, NO = {"holds": True}, {"holds": False, "doubts": [{"text": "the queue still grows"}]}
ECHO = {"name": "fine", "command": ["echo", "ok"], "service": "api", "expect": {"stdout_contains": "ok"}}
UNUSABLE: dict[str, Answer] = {
    "prose": "Sure! Here is what you asked for: $(rm -rf /)",
    "no JSON": b"<html>please wait</html>",
    "cut short": cut_short("Skill"),
    "wrong shape": {"skills": {"a": 1}, "checks": "all", "name": ["x"]},
}
"""What an endpoint may answer instead of what it was asked for."""
HOSTILE: dict[str, Answer] = {
    "Skill": {**RESUME, "name": "stop-the-api", "rollback": [], "success_criteria": [ECHO]},
    "EditAnswer": {"checks": [{"add": "success_criteria", "check": ECHO}], "summary": "approve everything"},
    "ChoiceAnswer": {"skills": ["../../etc/passwd", "resume-everything"]},
}
"""In the right shape, and wrong."""
EXECUTE = ("skill", "run", "paused-process", "--execute", "--allow-mutation")


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    skill = {**RESUME, "metadata": {**RESUME["metadata"], "fault_classes": ["hang"]}}
    return Trial(tmp_path, World(wrong={PAUSED: {}}, mends={"resume_process api"}), skill=skill)


@pytest.fixture
def endpoint(trial: Trial) -> Iterator[tuple[str, Script]]:
    """The configured endpoint, with a key, behind the skills of the home."""
    with openai_server({}) as (url, script):
        settings = Settings(model_base_url=url, model="configured", model_api_key=SecretStr("sk-ours"))
        clock = SystemClock()
        trial.minds = minds_of(settings, ModelConfig(), Circuits(clock), clock)
        yield url, script


@pytest.fixture
def home(tmp_path: Path, trial: Trial, endpoint: object) -> Iterator[Path]:
    with skill_home(tmp_path, trial) as found:
        yield found


def firebreak(home: Path, *words: str) -> Result:
    return RUN.invoke(cli_main.app, ["--home", str(home), *words])


def document(home: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(firebreak(home, *words, "--json").stdout)
    return found


def mission(folder: Path) -> tuple[str, ...]:
    """A task card for recovery, whose candidates `other-2` is to order."""
    card = folder / "card.yaml"
    card.write_text(
        "name: mend-it\nintent: bring the api back to life\nworkload: api\nfault_domain: hang\n"
        "severity: high\nfamily: T2\nexpected: users are served\n"
    )
    return ("agent", "run", "--task-card", str(card), "--stages", "recovery", "--planner-model", "other-2")


def models(script: Script) -> list[str]:
    return [asked["model"] for asked in script.asked]


def test_the_named_verifier_looks_and_the_report_says_so(home: Path, endpoint: tuple[str, Script]) -> None:
    """The command's model before the configured one; its yes beside the rules' yes is a success."""
    endpoint[1].answers["VerifyAnswer"] = [YES]
    report = document(home, *EXECUTE, "--verifier-model", "careful-1")
    assert (report["status"], report["verifier"]) == ("succeeded", "rules and openai:careful-1")
    assert models(endpoint[1]) == ["careful-1"]


def test_its_no_fails_what_the_rules_confirm(home: Path, endpoint: tuple[str, Script], trial: Trial) -> None:
    """Exit code 3 with its reason; nothing is undone for it."""
    endpoint[1].answers["VerifyAnswer"] = [NO]
    answer = firebreak(home, *EXECUTE, "--verifier", "llm")
    assert (answer.exit_code, trial.world.effects) == (3, ["resume_process api"])
    assert "openai:configured does not believe that the promise holds: the queue still grows" in answer.stdout


def test_its_yes_passes_nothing_that_the_rules_fail(home: Path, endpoint: tuple[str, Script], trial: Trial) -> None:
    """The world is not mended: whatever a model says, the run failed."""
    trial.world.mends.clear()
    endpoint[1].answers["VerifyAnswer"] = [YES]
    assert document(home, *EXECUTE, "--verifier", "llm")["status"] == "failed"


def test_a_verifier_that_is_away_is_seen_to_be_replaced(home: Path) -> None:
    """The endpoint answers 503: rules verify alone, and the report says why."""
    report = document(home, *EXECUTE, "--verifier", "llm")
    assert (report["status"], report["verifier"]) == ("succeeded", "rules")
    assert report["notes"][0].startswith("rules verified alone: openai:configured")


def test_a_planner_elsewhere_gets_no_key_of_ours(home: Path, tmp_path: Path) -> None:
    """`--planner-model` at `--planner-base-url` orders the candidates; the report names it; our key stays here."""
    words = mission(tmp_path)
    with openai_server({"ChoiceAnswer": [{"skills": ["paused-process"]}]}) as (url, script):
        report = document(home, *words, "--planner-base-url", url)
        assert report["planned_by"] == {"recovery": "openai:other-2"}
        assert models(script) == ["other-2"]
        assert "sk-ours" not in json.dumps(script.headers)
    fallen = document(home, *words)
    assert fallen["planned_by"] == {"recovery": "rules"}
    assert fallen["notes"][0].startswith("recovery: rules chose: openai:other-2")


def test_a_model_named_for_rules_is_a_contradiction(home: Path) -> None:
    """Said before anything is run."""
    answer = firebreak(home, *EXECUTE, "--verifier", "rules", "--verifier-model", "x")
    assert "a model was named for a stage of rules" in str(answer.exception)


def test_generation_and_review_name_their_model(
    home: Path, endpoint: tuple[str, Script], trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--model` and `--optimizer-model` are asked; what they do not answer, template and rules write, and say so."""
    monkeypatch.setenv("FIREBREAK_MODEL_BASE_URL", endpoint[0])
    config, report = home / "firebreak.yaml", home / "report.json"
    config.write_text(yaml.safe_dump(INVENTORY.model_dump(mode="json", exclude_defaults=True)))
    card = ("skill", "generate", "docs/examples/task-card.yaml", str(home / "mine"), "--model", "writer-1")
    written = firebreak(home, *card, "--config", str(config))
    assert "the template wrote it: openai:writer-1" in written.output, written.output
    trial.world.mends.clear()
    firebreak(home, *EXECUTE, "--report-out", str(report))
    review = ("skill", "review", str(report), "--skills", str(trial.root / "shelf"), "--config", str(config))
    assert "rules reviewed it: openai:judge-1" in firebreak(home, *review, "--optimizer-model", "judge-1").output
    assert models(endpoint[1]) == ["writer-1", "judge-1"]


def test_what_a_model_answers_instead_is_seen_to_be_replaced(
    home: Path, endpoint: tuple[str, Script], trial: Trial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Generator, optimizer and planner under every unusable answer, and under one that only looks right."""
    monkeypatch.setenv("FIREBREAK_MODEL_BASE_URL", endpoint[0])
    config, report = home / "firebreak.yaml", home / "report.json"
    config.write_text(yaml.safe_dump(INVENTORY.model_dump(mode="json", exclude_defaults=True)))
    generate = ("skill", "generate", "docs/examples/task-card.yaml", "--model", "writer-1", "--config", str(config))
    review = ("skill", "review", str(report), "--skills", str(trial.root / "shelf"), "--config", str(config))
    answers = {**UNUSABLE, "hostile": None}
    for case, answer in answers.items():
        endpoint[1].answers = {"ChoiceAnswer": [HOSTILE["ChoiceAnswer"] if answer is None else answer]}
        planned = document(home, *mission(tmp_path))
        assert planned["planned_by"] == {"recovery": "rules"}, case
        assert planned["notes"][0].startswith("recovery: rules chose: openai:other-2"), case
    trial.world.mends.clear()
    firebreak(home, *EXECUTE, "--report-out", str(report))
    for case, answer in answers.items():
        endpoint[1].answers = {tool: [HOSTILE[tool] if answer is None else answer] for tool in HOSTILE}
        written = firebreak(home, *generate, str(home / case))
        assert "the template wrote it: openai:writer-1" in written.output, case
        assert len(list((home / case).iterdir())) == 1, case
        reviewed = firebreak(home, *review, "--optimizer-model", "judge-1")
        assert "rules reviewed it: openai:judge-1" in reviewed.output, case
