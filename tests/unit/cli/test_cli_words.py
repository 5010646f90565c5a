"""What commands say and how they end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from cli import doctor, installation
from cli import main as cli_main
from cli.client import AppClient, connect, problem
from cli.config import EXAMPLE, load_inventory
from cli.documents import between, env_example, settings_table
from cli.drill import passed, result_lines
from cli.home import PERSONS_TOKEN, Home
from cli.output import Exit, exit_code, fail
from cli.session import SESSION
from domain.drills import DrillLedger, DrillResult
from domain.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    FirebreakError,
    IntakeError,
    NotFoundError,
    UpstreamError,
)
from graph.settings import load_settings

RUN = CliRunner()


@pytest.fixture(autouse=True)
def fresh_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has its own home and speaks to people."""
    monkeypatch.setenv("FIREBREAK_HOME", str(tmp_path / "home"))
    SESSION.as_json = False
    yield
    SESSION.as_json = False


@pytest.mark.parametrize(("own", "said"), [("", "Bearer op"), (" ada's \n", "Bearer ada's")])
def test_commands_speak_for_whoever_the_token_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, said: str
) -> None:
    """The operator, unless somebody brings a token of their own."""
    home = Home(path=tmp_path)
    home.run.mkdir(parents=True)
    home.secrets.mkdir(parents=True)
    (home.run / "ports.json").write_text('{"app": 9}')
    home.token_file("operator").write_text("op\n")
    monkeypatch.setenv(PERSONS_TOKEN, own)
    with connect(home) as client:
        assert client._http.headers["authorization"] == said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), Exit.USAGE),
        (IntakeError("x"), Exit.FINDING),
        (AuthError("x"), Exit.APPROVAL),
        (NotFoundError("x"), Exit.USAGE),
        (UpstreamError("x"), Exit.UPSTREAM),
        (ConflictError("x"), Exit.ERROR),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: FirebreakError, code: Exit) -> None:
    """Exit codes follow the error tree."""
    assert exit_code(error) is code


def test_an_error_says_what_was_expected_found_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """People read lines on stderr; machines read one document on stdout."""
    error = ConfigError("bad port", expected="a number", found="'x'", hint="set FIREBREAK_PORT")
    with pytest.raises(SystemExit) as left:
        fail(error)
    assert left.value.code == Exit.USAGE
    assert capsys.readouterr().err.splitlines() == [
        "error: bad port",
        "  expected: a number",
        "  found: 'x'",
        "  what to do: set FIREBREAK_PORT",
    ]
    with pytest.raises(SystemExit):
        fail(error, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == "1"
    assert document["error"]["code"] == "config.invalid"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthError),
        (403, AuthError),
        (404, NotFoundError),
        (409, ConflictError),
        (503, UpstreamError),
        (500, FirebreakError),
    ],
)
def test_problem_documents_become_our_errors(status: int, kind: type[FirebreakError]) -> None:
    """An RFC 9457 document keeps what was expected and found."""
    answer = httpx.Response(status, json={"detail": "no", "expected": "e", "found": "f", "hint": "h", "code": "c.d"})
    error = problem(answer)
    assert type(error) is kind
    assert (error.message, error.expected, error.found, error.hint, error.code) == ("no", "e", "f", "h", "c.d")


def test_an_answer_that_is_no_problem_document_is_still_an_error() -> None:
    """A proxy's HTML page does not confuse the client."""
    assert "<html>" in problem(httpx.Response(500, text="<html>")).message


def test_nobody_listening_says_what_to_do() -> None:
    """A refused connection names the URL and the command that helps."""
    with (
        AppClient("http://127.0.0.1:9", "t", timeout_s=0.5) as client,
        pytest.raises(UpstreamError, match="does not answer"),
    ):
        client.get("/api/incidents")


def test_commands_without_a_running_home_exit_with_5() -> None:
    """A home that never ran is an upstream that is not there."""
    result = RUN.invoke(cli_main.app, ["incident", "list"])
    assert isinstance(result.exception, UpstreamError)
    assert exit_code(result.exception) is Exit.UPSTREAM


def test_the_example_inventory_is_valid(tmp_path: Path) -> None:
    """What `config example` prints passes `config check`."""
    file = tmp_path / "firebreak.yaml"
    file.write_text(EXAMPLE)
    assert load_inventory(file).names() == ["web", "database"]
    result = RUN.invoke(cli_main.app, ["config", "check", str(file)])
    assert result.exit_code == 0
    assert "watched only" in result.stdout
    SESSION.as_json = False
    document = json.loads(RUN.invoke(cli_main.app, ["config", "check", str(file), "--json"]).stdout)
    assert document["services"][1]["environment"] == "production"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [{name: api, kind: api, mod: act}]", ["line 1", "did you mean mode?"]),
        ("services:\n  - name: api\n    kind: api\n    mode: sometimes\n", ["line 4", "mode"]),
        ("services: []", ["line 1", "services"]),
        ("services:\n  - {name: a, kind: x, depends_on: [bb]}\n  - {name: b, kind: x}\n", ["bb", "a, b"]),
        ("services:\n  - {name: a, kind: x}\n  - {name: a, kind: x}\n", ["twice"]),
        (
            "services:\n  - {name: a, kind: x}\npeople:\n  - {name: b, github: Cy}\n  - {name: d, github: cy}\n",
            ["several people", "cy"],
        ),
        ("{unclosed", ["not YAML"]),
        ("- just\n- a list", ["not a valid inventory"]),
    ],
)
def test_a_wrong_inventory_names_the_line_and_suggests(tmp_path: Path, text: str, words: list[str]) -> None:
    """Every mistake says where it is and what would be right."""
    file = tmp_path / "firebreak.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_inventory(file)
    whole = "\n".join(caught.value.lines())
    for word in words:
        assert word in whole


def test_a_missing_inventory_says_how_to_write_one(tmp_path: Path) -> None:
    """No file is a clear error."""
    with pytest.raises(ConfigError, match="There is no"):
        load_inventory(tmp_path / "nothing.yaml")


def test_serve_without_a_config_explains_itself() -> None:
    """`serve` needs to be told which systems it looks after."""
    result = RUN.invoke(cli_main.app, ["serve"])
    assert isinstance(result.exception, ConfigError)


def test_settings_are_documented_and_hold_no_secret() -> None:
    """Every setting appears with its meaning in both generated documents; secrets have no default."""
    text = env_example()
    assert "#FIREBREAK_HOME=.firebreak" in text
    assert "#OPENAI_API_KEY=\n" in text
    assert "| `REDIS_URL` | unset |" in settings_table()


def test_generated_parts_need_their_markers() -> None:
    """A README without markers is an error, not silently left alone."""
    text = "a\n<!-- x: generated by make docs -->\nold\n<!-- end x -->\nb"
    assert between(text, "x", "new").splitlines()[2] == "new"
    with pytest.raises(ValueError, match="markers"):
        between("nothing", "x", "new")


def _result(**changes: Any) -> DrillResult:
    facts: dict[str, Any] = {
        "fault": "hang",
        "blind": True,
        "incident": "inc-1",
        "detected": True,
        "detection_s": 5.0,
        "diagnosis": None,
        "mitigated": True,
        "mitigation_s": 12.0,
        "durable": True,
        "ledger": DrillLedger(entries=9, verified=True),
        "seconds": 60.0,
    }
    return DrillResult(**{**facts, **changes})


def test_a_drill_is_passed_only_when_everything_holds() -> None:
    """Mitigated, durable, harmless, recorded; or abstained for good reason."""
    assert passed(_result())
    for flaw in (
        {"mitigated": False},
        {"durable": False},
        {"harmful_actions": ["restart_service postgres"]},
        {"ledger": DrillLedger(entries=9, verified=False)},
    ):
        assert not passed(_result(**flaw))
    assert passed(_result(abstained=True, mitigated=False, durable=False))
    assert not passed(_result(abstained=False))
    assert any("Passed      yes" in line for line in result_lines(_result()))


def test_ledger_of_a_home_that_never_ran_is_not_found() -> None:
    """`ledger verify` on an empty home says which home was meant."""
    result = RUN.invoke(cli_main.app, ["ledger", "verify"])
    assert isinstance(result.exception, NotFoundError)


def test_intake_test_names_what_is_wrong_with_a_payload(tmp_path: Path) -> None:
    """A payload of no known shape is a finding with expected and found."""
    file = tmp_path / "alert.json"
    file.write_text("{")
    result = RUN.invoke(cli_main.app, ["intake", "test", str(file)])
    assert isinstance(result.exception, IntakeError)
    missing = RUN.invoke(cli_main.app, ["intake", "test", str(tmp_path / "none.json")])
    assert isinstance(missing.exception, IntakeError)


def test_doctor_lists_what_it_looked_at() -> None:
    """Every look appears with its state, also as JSON."""
    result = RUN.invoke(cli_main.app, ["doctor", "--json"])
    checks = {c["name"]: c for c in json.loads(result.stdout)["checks"]}
    assert checks["model"]["state"] == "ok"
    assert {"python", "home", "checkpoints", "postgres", "small disk", "sources", "processes"} <= set(checks)


@pytest.mark.parametrize(
    ("answer", "state", "found"),
    [
        (
            {
                "status": "degraded",
                "dependencies": {"model": False, "store": True, "prometheus": None},
                "circuits": {"model": "open"},
            },
            "degraded",
            "model down (circuit open); prometheus not used; store ok",
        ),
        ({"status": "ok", "dependencies": {"store": True}, "circuits": {}}, "ok", "store ok"),
        ("text", "degraded", "http://127.0.0.1:1/healthz: TypeError"),
    ],
)
def test_doctor_names_each_dependency_with_its_circuit(
    monkeypatch: pytest.MonkeyPatch, answer: Any, state: str, found: str
) -> None:
    """What the running app says of itself; an answer that is not its own is degraded, nothing that runs is no trouble."""
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, json=answer))
    monkeypatch.setattr(installation, "status", lambda _: [{"name": "app", "url": "http://127.0.0.1:1"}])
    seen = doctor.look_dependencies(load_settings())
    assert (seen.state, seen.found) == (state, found)
    monkeypatch.setattr(installation, "status", lambda _: [])
    assert doctor.look_dependencies(load_settings()).state == "ok"


def test_doctor_sees_a_silent_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured model or Prometheus that does not answer is said, and nothing is missing because of it."""
    monkeypatch.setenv("FIREBREAK_MODEL_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")
    result = RUN.invoke(cli_main.app, ["doctor", "--json"])
    checks = {c["name"]: c["state"] for c in json.loads(result.stdout)["checks"]}
    assert (checks["model"], checks["prometheus"], result.exit_code) == ("degraded", "degraded", 0)


def test_down_and_status_of_an_empty_home_are_calm() -> None:
    """Nothing running is no error for `down`, and a finding for `status`."""
    assert "Nothing was running" in RUN.invoke(cli_main.app, ["down"]).stdout
    result = RUN.invoke(cli_main.app, ["status", "--json"])
    assert json.loads(result.stdout)["processes"] == []
    assert result.exit_code == Exit.FINDING


def test_every_command_shows_an_example() -> None:
    """`--help` of whatever a person can call ends with a line to copy."""

    def leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from leaves(inner, (*words, name))
        if not hasattr(command, "commands") and not command.hidden:
            yield " ".join(words), command.help or ""

    missing = [
        name for name, text in leaves(typer.main.get_command(cli_main.app), ()) if f"firebreak {name}" not in text
    ]
    assert missing == []


def test_the_version_is_told() -> None:
    """What a bug report begins with."""
    said = RUN.invoke(cli_main.app, ["--version"])
    assert said.exit_code == 0
    assert said.stdout.split()[0] == "firebreak"
