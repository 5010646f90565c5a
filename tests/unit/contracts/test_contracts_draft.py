"""A contract from a described deployment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.card import lines_of
from contracts.context import DeploymentContext, FileChange, Level, Neighbour, RollbackCapability
from contracts.draft import described, draft_contract
from contracts.reading import read_context
from domain.contract import Contract, DataLoss, OfferKind, RollbackKind, ValidatorKind
from domain.risk import FactorName, RiskLevel

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "deployment-context.json"


def drafted(*changes: FileChange, **more: object) -> Contract:
    plain: dict[str, object] = {"deployment_id": "d", "service_name": "payments", "owner": "a", "reviewers": ["b"]}
    return promised(DeploymentContext.model_validate({**plain, "changes": list(changes), **more}))


def promised(context: DeploymentContext) -> Contract:
    return draft_contract(context, id="con-1", at=NOW, findings=described(context))


def change(path: str, *tags: str, words: str = "", lines: int = 20) -> FileChange:
    return FileChange(file_path=path, risk_tags=list(tags), description=words, lines_changed=lines)


def test_schema_cache_and_serialisation_together_are_high_or_critical() -> None:
    """The documented example: every term has its reason, every factor its place."""
    contract = promised(read_context(EXAMPLE.read_bytes()).context)
    assert contract.risk.level in (RiskLevel.HIGH, RiskLevel.CRITICAL)
    names = {f.name for f in contract.risk.factors}
    assert {FactorName.SCHEMA, FactorName.CACHING, FactorName.API_BREAK} <= names
    assert all(g.reason for g in contract.guardrails)
    assert all(v.reason for v in contract.validators)
    assert [s.kind for s in contract.rollback.steps] == [
        RollbackKind.SHIFT_TRAFFIC,
        RollbackKind.UNDO_RELEASE,
        RollbackKind.MIGRATE_DOWN,
        RollbackKind.FLUSH_CACHE,
        RollbackKind.VERIFY,
    ]
    asked = {v.kind for v in contract.validators if v.required}
    assert {ValidatorKind.CANARY, ValidatorKind.FEATURE_FLAG, ValidatorKind.ROLLBACK_REHEARSAL} <= asked


def test_documents_alone_are_low_whatever_they_speak_of() -> None:
    """A text about the database migration migrates nothing."""
    words = "Describe the database schema migration and how to roll back the cache"
    contract = drafted(change("docs/migration.md", "documentation", words=words), change("README.md"))
    assert (contract.risk.level, contract.risk.score) == (RiskLevel.LOW, 0)
    assert not contract.canary.stages
    assert contract.risk.affected_users.startswith("nobody")


@pytest.mark.parametrize(
    ("tag", "factor"),
    [
        ("cache-invalidation", FactorName.CACHING),
        ("DATABASE_SCHEMA", FactorName.SCHEMA),
        ("api", FactorName.API_BREAK),
        ("high_traffic", FactorName.TRAFFIC),
        ("authentication", FactorName.PERMISSIONS),
        ("encryption", FactorName.SECRETS),
        ("load-balancing", FactorName.ROUTING),
        ("storage", FactorName.STORAGE),
        ("dependency_upgrade", FactorName.DEPENDENCY),
        ("feature-flag", FactorName.CONFIGURATION),
        ("timeouts", FactorName.CONCURRENCY),
        ("terraform", FactorName.INFRASTRUCTURE),
        ("removed metrics", FactorName.OBSERVABILITY),
        ("tests removed", FactorName.TESTS),
    ],
)
def test_tags_name_their_factor(tag: str, factor: FactorName) -> None:
    contract = drafted(change("src/app.py", tag))
    assert [f.where for f in contract.risk.factors if f.name is factor] == [["src/app.py"]]


def test_destroying_data_cannot_be_taken_back() -> None:
    contract = drafted(
        change("m.sql", words="Drop the legacy column of payments, irreversible"), rollback_capability="full"
    )
    assert not contract.rollback.possible
    assert contract.rollback.data_loss_risk is DataLoss.CERTAIN
    assert len(contract.rollback.reasons) == 2
    asked = {v.kind for v in contract.validators if v.required}
    assert {ValidatorKind.MANUAL_APPROVAL, ValidatorKind.ROLLBACK_PLAN, ValidatorKind.ROLLBACK_REHEARSAL} <= asked
    assert OfferKind.EXPAND_THEN_CONTRACT in {s.offer for s in contract.suggestions}


def test_what_surrounds_the_change_counts() -> None:
    """Critical and failing neighbours, a peak, nobody responsible, a Friday evening."""
    contract = drafted(
        change("src/app.py", lines=5000),
        owner="",
        reviewers=[],
        qps=100,
        peak_qps=900,
        dependencies=[Neighbour(service_name="db", criticality=Level.CRITICAL, error_rate_percent=3)],
        dependants=["shop"],
        planned_at=datetime(2026, 3, 6, 17, tzinfo=UTC),
    )
    reasons = {f.name: f.reason for f in contract.risk.factors}
    assert reasons[FactorName.SIZE] == "5,000 lines in 1 file of code and configuration"
    assert reasons[FactorName.TOPOLOGY] == "needs db (critical, failing 3 % of calls); needed by shop"
    assert "9.0 times" in reasons[FactorName.TRAFFIC]
    assert reasons[FactorName.OWNERSHIP] == "no owner is named and nobody else reviewed it"
    assert "Friday 17:00 UTC" in reasons[FactorName.TIME]
    assert "shop" in contract.risk.affected_users


def test_an_owner_who_says_no_is_believed_and_one_who_says_yes_is_checked() -> None:
    no = drafted(change("a.py"), rollback_capability=RollbackCapability.NONE)
    assert not no.rollback.possible
    yes = drafted(change("m.sql", "schema"), rollback_capability=RollbackCapability.FULL)
    assert yes.rollback.schema_compatibility is not None
    assert yes.rollback.schema_compatibility.old_code_new_schema is None


def test_a_service_that_is_already_outside_is_said_openly() -> None:
    contract = drafted(change("a.py"), current_error_rate=2, target_error_rate=0.5)
    rate = contract.guardrails[0]
    assert (rate.compare, rate.limit) == ("baseline", 2)
    assert "if a person agrees" in rate.reason
    assert any(v.kind is ValidatorKind.MANUAL_APPROVAL and v.required for v in contract.validators)
    assert "error_rate no worse than 2 %" in "\n".join(lines_of(contract))


def test_nothing_known_is_said_and_costs_confidence() -> None:
    bare = drafted()
    assert "no changed files are named" in bare.risk.doubts
    assert bare.risk.confidence < 0.5


def test_another_change_is_another_contract() -> None:
    """An approval of one is none of the other."""
    one, other = drafted(change("a.py", lines=20)), drafted(change("a.py", lines=21))
    assert one.context != other.context
    assert one.terms_digest() != other.terms_digest()


_tags = st.sampled_from(["cache", "schema", "api", "auth", "drop column", "irreversible", "retry", "ui"])
_changes = st.lists(
    st.builds(
        FileChange,
        file_path=st.sampled_from(["a.py", "docs/x.md", "db/migrations/1.sql", "tests/test_a.py", "k8s/a.yaml"]),
        risk_tags=st.lists(_tags, max_size=3),
        lines_changed=st.integers(0, 10**6),
        description=st.sampled_from(["", "backfills a table", "no rollback"]),
    ),
    max_size=6,
)


@given(_changes, _changes)
def test_a_larger_change_is_never_less_risky(some: list[FileChange], more: list[FileChange]) -> None:
    small, large = drafted(*some).risk, drafted(*some, *more).risk
    assert large.score >= small.score - 0.01
    assert large.level is RiskLevel.of(large.score)


def test_the_card_leaves_nothing_out() -> None:
    contract = promised(read_context(EXAMPLE.read_bytes()).context)
    text = "\n".join(lines_of(contract))
    for term in (*(v.kind for v in contract.validators), *(s.kind for s in contract.rollback.steps)):
        assert term.value in text
    for guardrail in contract.guardrails:
        assert guardrail.metric.value in text
    assert "never rehearsed" in text
