"""`firebreak contract …` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.contract_live import read_contract
from cli.main import app
from domain.errors import ConfigError
from tests.unit.contracts.repository import Repository

runner = CliRunner()
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "deployment-context.json"


def test_a_draft_as_json_has_the_published_shape() -> None:
    answer = runner.invoke(app, ["contract", "draft", str(EXAMPLE), "--json"])
    found = json.loads(answer.stdout)
    assert (answer.exit_code, found["schema_version"], found["status"]) == (0, "1", "draft")
    assert {"id", "risk", "guardrails", "canary", "validators", "rollback", "suggestions"} <= found.keys()
    assert {"score", "level", "confidence", "factors"} <= found["risk"].keys()
    assert {"name", "weight", "reason", "where"} <= found["risk"]["factors"][0].keys()
    assert {"metric", "limit", "unit", "window_s", "reason"} <= found["guardrails"][0].keys()
    assert {"required", "stages"} <= found["canary"].keys()
    assert {"percent", "seconds"} <= found["canary"]["stages"][0].keys()
    assert {"kind", "required", "reason"} <= found["validators"][0].keys()
    assert {"possible", "window_s", "steps", "data_loss_risk", "rehearsed_at"} <= found["rollback"].keys()


def test_a_draft_for_a_person_from_standard_input() -> None:
    answer = runner.invoke(app, ["contract", "draft", "-"], input=EXAMPLE.read_text())
    assert answer.exit_code == 0
    assert "risk critical" in answer.output
    assert "rollback possible" in answer.output


def test_unknown_fields_are_told(tmp_path: Path) -> None:
    file = tmp_path / "context.json"
    file.write_text('{"deployment_id": "d", "service_name": "s", "onwer": 3}')
    answer = runner.invoke(app, ["contract", "draft", str(file)])
    assert "not used: onwer (did you mean owner?)" in answer.output


def test_a_missing_file_is_an_error_in_words(tmp_path: Path) -> None:
    answer = runner.invoke(app, ["contract", "draft", str(tmp_path / "nothing.json")])
    assert answer.exit_code != 0
    assert answer.exception is not None
    assert "cannot be read" in str(answer.exception)


def test_a_draft_from_a_range_with_the_figures_of_a_context(tmp_path: Path) -> None:
    """The files are the diff's, everything else the context's."""
    repo = Repository(tmp_path / "pay")
    repo.commit({"a.py": "x = 1\n"})
    repo.git("checkout", "--quiet", "-b", "feature")
    repo.commit({"config/pool.yaml": "pool_size: 3\n"})
    words = ["--repo", str(repo.folder), "--range", "main..feature", "--json"]
    plain = json.loads(runner.invoke(app, ["contract", "draft", *words]).stdout)
    assert (plain["service"], plain["head"]) == ("pay", repo.git("rev-parse", "feature"))
    assert "config/pool.yaml:1" in plain["risk"]["factors"][0]["where"]
    known = json.loads(runner.invoke(app, ["contract", "draft", str(EXAMPLE), *words]).stdout)
    assert (known["service"], known["version"]) == ("payments", "4.12.0")
    assert known["risk"]["score"] < 50


def test_nothing_to_draft_from() -> None:
    answer = runner.invoke(app, ["contract", "draft"])
    assert "nothing to draft" in str(answer.exception)


def test_objectives_and_neighbours_are_taken_from_their_own_files(tmp_path: Path) -> None:
    """OpenSLO tightens the limit, the inventory adds who depends on the service."""
    inventory = tmp_path / "firebreak.yaml"
    inventory.write_text(
        "services:\n- {name: payments, kind: api, depends_on: [db]}\n- {name: db, kind: database}\n"
        "- {name: shop, kind: frontend, depends_on: [payments]}\n"
    )
    slo = EXAMPLE.parent / "openslo.yaml"
    words = ["contract", "draft", str(EXAMPLE), "--config", str(inventory), "--slo", str(slo), "--json"]
    found = json.loads(runner.invoke(app, words).stdout)
    assert found["guardrails"][0]["reason"].startswith("today's 0.12 is already at or above 0.1")
    assert "shop" in found["risk"]["affected_users"]


def test_what_show_prints_can_be_enforced(tmp_path: Path) -> None:
    """The negotiation beside the terms is left out; what is no document at all is refused in words."""
    document = json.loads(runner.invoke(app, ["contract", "draft", str(EXAMPLE), "--json"]).stdout)
    file = tmp_path / "contract.json"
    file.write_text(json.dumps({**document, "drafted_by": ["dev"], "rounds": [], "missing": []}))
    assert read_contract(file).id == document["id"]
    for wrong in ("3", "[]", "{}", "{"):
        file.write_text(wrong)
        with pytest.raises(ConfigError):
            read_contract(file)
