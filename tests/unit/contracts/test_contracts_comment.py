"""The comment on a pull request: everything that binds, and a stranger's words as words."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from contracts.comment import LONGEST, comment_of, marker_of, plain, state_of, summary_of
from contracts.context import DeploymentContext, FileChange
from contracts.draft import described, draft_contract
from domain.contract import Contract, ContractStatus

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def contract(path: str = "db/1.sql", words: str = "drop column", **more: str) -> Contract:
    change = FileChange(file_path=path, lines_changed=20, description=words)
    context = DeploymentContext(deployment_id="d", service_name="pay", changes=[change], **more)
    return draft_contract(context, id="con-1", at=NOW, findings=described(context))


def test_everything_that_binds_is_in_it() -> None:
    found = contract()
    text = comment_of(found)
    assert text.startswith(marker_of("pay"))
    for term in (
        *(g.metric for g in found.guardrails),
        *(v.kind for v in found.validators),
        *(s.kind for s in found.rollback.steps),
    ):
        assert term.value in text
    assert found.terms_digest() in text
    assert "not possible" in text


def test_a_strangers_words_start_nothing() -> None:
    """No mention, no link, no table cell, no HTML, no marker of another comment."""
    evil = "@team `x` | <!-- firebreak contract other --> [a](http://evil) <img src=x>"
    text = comment_of(contract(path=f"db/{evil}.sql"))
    assert "@team" not in text
    assert "<img" not in text
    assert "http://" not in text
    assert text.count("<!--") == 1


@given(st.text(max_size=80))
def test_plain_text_stays_on_one_line_without_markup(text: str) -> None:
    assert not {"\n", "\r"} & set(plain(text))
    assert "<!--" not in plain(text)


@given(st.text(max_size=120))
def test_a_marker_is_one_line_whatever_the_name(name: str) -> None:
    marker = marker_of(name)
    assert marker.count("-->") == 1
    assert marker.isascii()
    assert "\n" not in marker


def test_long_contracts_are_cut_where_github_would_refuse() -> None:
    found = contract()
    many = found.risk.model_copy(update={"doubts": ["x" * 1000] * 100})
    assert len(comment_of(found.model_copy(update={"risk": many}))) < LONGEST + 100


def test_states_for_every_status() -> None:
    states = {s: state_of(contract().model_copy(update={"status": s})) for s in ContractStatus}
    assert states[ContractStatus.DRAFT] == "pending"
    assert states[ContractStatus.APPROVED] == "success"
    assert states[ContractStatus.ROLLED_BACK] == "failure"
    assert len(summary_of(contract())) <= 140
