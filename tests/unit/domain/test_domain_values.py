"""Laws of the shared values."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.action import ActionCall, Effect, Tier, Verdict
from domain.clock import ManualClock
from domain.diagnosis import DiagnosisVerdict, Evidence
from domain.errors import ConfigError, FirebreakError
from domain.incident import Incident, IncidentStatus
from domain.inventory import Environment, Inventory, Mode, Service
from domain.plan import Plan, Step
from domain.redaction import RULES, Rule, lowered, redact, redact_json
from domain.report import Check, Verification
from domain.severity import Severity
from domain.value import Value, canonical, digest, new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_canonical_json_is_json_and_the_order_of_keys_does_not_matter(value: object) -> None:
    """The canonical form reads back to the same value, whatever order the keys came in."""
    assert json.loads(canonical(value)) == value  # type: ignore[arg-type]
    if isinstance(value, dict):
        assert digest(dict(reversed(value.items()))) == digest(value)


def test_values_are_frozen_and_refuse_what_they_do_not_know() -> None:
    """A boundary value cannot be changed and takes no extra field."""
    call = ActionCall(action="restart_service", target="api")
    with pytest.raises(ValidationError):
        call.target = "db"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        ActionCall.model_validate({"action": "restart_service", "target": "api", "shell": "rm -rf /"})
    with pytest.raises(ValidationError):
        ActionCall(action="rm -rf /", target="api")


def test_a_time_needs_a_zone_and_is_kept_in_utc() -> None:
    """Naive times are refused, others become UTC."""
    with pytest.raises(ValidationError, match="zone"):
        Evidence(id="E1", kind="log", source="s", excerpt="x", time=datetime(2026, 1, 1))
    local = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert Evidence(id="E1", kind="log", source="s", excerpt="x", time=local).time == NOW


def test_ids_are_fresh_and_named() -> None:
    """No two ids are the same."""
    assert new_id("inc").startswith("inc-")
    assert len({new_id("x") for _ in range(100)}) == 100


SECRETS = [
    "password=hunter2secret",
    "postgresql://shop:hunter2secret@127.0.0.1/db",
    "Authorization: Bearer hunter2secret99",
    "api_key: 'hunter2secret'",
    "-----BEGIN RSA PRIVATE KEY-----\nhunter2secret\n-----END RSA PRIVATE KEY-----",
    '{"client_secret": "hunter2secret"}',
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_go_and_the_rest_stays(text: str) -> None:
    """Each kind of secret vanishes from the middle of a line; the words around it stay."""
    said = redact(f"before {text} after")
    assert "hunter2secret" not in said
    assert said.startswith("before")
    assert "redacted" in said


@given(st.text(max_size=200))
def test_redaction_is_idempotent(text: str) -> None:
    """Redacting twice is redacting once."""
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.marks[0])
@given(data=st.data())
def test_what_a_rule_takes_out_holds_one_of_its_marks(rule: Rule, data: st.DataObject) -> None:
    """The cheap look before the patterns misses nothing, whatever letters `(?i)` takes for each other."""
    text = data.draw(st.from_regex(rule.pattern))
    assert any(mark in lowered(text) for mark in rule.marks)


def test_redaction_of_json_looks_at_keys_and_values() -> None:
    """Values under secret-looking keys go, however deep."""
    clean = redact_json({"a": [{"db_password": "x1y2z3", "port": 1}], "note": "token=abcdefgh"})
    assert clean == {"a": [{"db_password": "[redacted:value]", "port": 1}], "note": "token=[redacted:value]"}


def test_orders_stand_on_the_enumerations() -> None:
    """Severity, tiers and verdicts know their own order."""
    assert [s.rank for s in Severity] == sorted(s.rank for s in Severity)
    assert Severity.CRITICAL.rank < Severity.UNKNOWN.rank < Severity.WARNING.rank
    assert [t.level for t in Tier] == [0, 1, 2, 3, 4]
    assert Verdict.ALLOW.strictness < Verdict.ASK.strictness < Verdict.DENY.strictness
    assert [e.mutating for e in Effect] == [False, True, True, True]
    assert {s for s in IncidentStatus if s.terminal} == {"resolved", "escalated", "taken", "dismissed"}
    assert set(DiagnosisVerdict) == {"fault", "healthy", "external", "inconclusive"}


def test_an_inventory_is_strict_and_defaults_to_the_strictest() -> None:
    """Production and observe when unsaid; dependants are found over any distance, in circles too."""
    services = [
        Service(name=n, kind="x", depends_on=d) for n, d in (("web", ["api"]), ("api", ["db"]), ("db", ["web"]))
    ]
    inventory = Inventory(services=services)
    assert inventory.dependants("db") == ["api", "web"]
    assert inventory.service("nobody") is None
    assert (services[0].environment, services[0].mode, services[0].chaos) == (
        Environment.PRODUCTION,
        Mode.OBSERVE,
        False,
    )
    with pytest.raises(ValidationError):
        Inventory(services=[])


def test_a_plans_digest_forgets_the_time_and_nothing_else() -> None:
    """The same steps later are the same plan; another argument is another plan."""
    step = Step(id="s1", call=ActionCall(action="scale_pool", target="api"), effect=Effect.REVERSIBLE, rationale="r")
    plan = Plan(id="p", incident="i", hypothesis="h", steps=[step], created_at=NOW)
    later = plan.model_copy(update={"created_at": NOW + timedelta(hours=1)})
    assert plan.plan_digest() == later.plan_digest()
    other = step.model_copy(update={"call": ActionCall(action="scale_pool", target="api", args={"size": 9})})
    assert plan.model_copy(update={"steps": [other]}).plan_digest() != plan.plan_digest()
    assert other.binding_digest() != step.binding_digest()


def test_a_cure_is_believed_only_when_nothing_speaks_against_it() -> None:
    """Users, cause, regressions and lasting all count; not knowing the cause is not a refusal."""
    good = Verification(step_id="s", symptoms_relieved=True, cause_repaired=None, at=NOW)
    assert good.passed
    worse: list[dict[str, object]] = [{"symptoms_relieved": False}, {"cause_repaired": False}, {"regressed": True}]
    worse.append({"checks": [Check(name="n", kind="durable", ok=False, text="it came back")]})
    assert not any(good.model_copy(update=change).passed for change in worse)


def test_a_short_row_is_made_of_the_record() -> None:
    """An incident without a diagnosis has a row too."""
    incident = Incident(
        id="i",
        thread_id="t",
        run_id="r",
        title="x",
        status=IncidentStatus.OPEN,
        severity=Severity.HIGH,
        opened_at=NOW,
        service="api",
    )
    assert (incident.row().service, incident.row().confidence, incident.row().actions) == ("api", None, 0)


def test_errors_carry_code_expectation_and_advice() -> None:
    """The code comes from the area unless a case has its own."""
    assert ConfigError("x").code == "config.invalid"
    assert ConfigError("x", code="config.port").code == "config.port"
    assert FirebreakError("x", expected="a", hint="c").lines() == ["x", "expected: a", "what to do: c"]


async def test_a_manual_clock_moves_only_when_told() -> None:
    """Sleeping moves it, nothing else does."""
    clock = ManualClock(NOW)
    await clock.sleep(5)
    assert (clock.now() - NOW, clock.monotonic()) == (timedelta(seconds=5), 5.0)


def test_values_have_no_shared_defaults() -> None:
    """A default list belongs to one value."""

    class Bag(Value):
        items: list[str] = []

    first = Bag()
    first.items.append("x")
    assert Bag().items == []
