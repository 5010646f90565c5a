"""Commands in comments: few words, nothing decided by talk; and why a term is there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commands import Command, Mistake, read_command
from contracts.comment import comment_of, talk_of
from contracts.finding import Finding
from contracts.negotiation import Negotiation, Signature, opened, withdrawn
from contracts.why import terms, why
from domain.contract import ContractStatus
from domain.errors import ConflictError
from domain.risk import FactorName
from tests.unit.contracts.test_contracts_comment import NOW, contract
from tests.unit.web.test_web_contracts import drafting

DIGEST = "0123456789abcdef"


def table() -> Negotiation:
    made = drafting("a" * 40, Finding(factor=FactorName.CACHING, points=25, reason="cache"))
    return opened(made.context, made.findings, [], contract(), ["dev", "dev", "ops"])


@pytest.mark.parametrize(
    ("body", "verb", "word", "service"),
    [
        ("/firebreak offer add_flag", "offer", "add_flag", ""),
        ("/firebreak  OFFER  Add Canary-Stage for pay\nthanks!", "offer", "add_canary_stage", "pay"),
        (f"/firebreak accept `{DIGEST}`", "accept", DIGEST, ""),
        (f"\ufeff/firebreak accept {DIGEST.upper()} for pay\r\n", "accept", DIGEST, "pay"),
        ("/firebreak reject not for pay", "reject", "not for pay", ""),
        ("/firebreak why error rate", "why", "error rate", ""),
        ("/firebreak say is it too strict for pay", "say", "is it too strict for pay", ""),
        ("/firebreak prove Load-Test: https://ci/1 for pay", "prove", "load_test https://ci/1 for pay", ""),
    ],
)
def test_commands(body: str, verb: str, word: str, service: str) -> None:
    found = read_command(body)
    assert isinstance(found, Command)
    assert (found.verb, found.word, found.service) == (verb, word, service)


@pytest.mark.parametrize(
    "body", ["", "I accept", "> /firebreak accept 01234567", "`/firebreak accept`", "/firebreakfast"]
)
def test_talk_is_no_command(body: str) -> None:
    """Quotes, code, words before it: nothing is read."""
    assert read_command(body) is None


@pytest.mark.parametrize(
    "body",
    [
        "/firebreak",
        "/firebreak deploy now",
        "/firebreak accept",
        "/firebreak accept yes",
        "/firebreak accept 0123456",
        "/firebreak offer money",
        "/firebreak prove tests",
        "/firebreak prove luck it works",
        "/firebreak reject ...",
        "/firebreak say ?!",
        "/firebreak why",
    ],
)
def test_mistakes_are_answered(body: str) -> None:
    """With what would be right."""
    found = read_command(body)
    assert isinstance(found, Mistake)
    assert len(found.answer) > 20


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    for body in (text, f"/firebreak {text}", f"/firebreak accept {text}"):
        found = read_command(body)
        assert found is None or isinstance(found, Mistake | Command)
        assert not isinstance(found, Command) or len(found.word) <= 500


def test_why_gives_the_contracts_own_reasons() -> None:
    """Every term has one; a name nobody knows has none."""
    found = contract()
    for term in terms(found):
        assert all(why(found, term.replace("_", " ").title()))
    assert any("required" in line for line in why(found, "tests"))
    assert why(found, "the moon") == []


def test_the_comment_says_how_the_bargaining_stands() -> None:
    """What is missing, who signed, the very words that sign it; strangers' words stay words."""
    lines = talk_of(table(), [("@mallory", "nobody here: `x` | @all <img>")], ["merged as abc"])
    text = comment_of(table().contract, lines)
    assert f"/firebreak accept {table().contract.terms_digest()[:12]}" in text
    assert "Signed by nobody, of 2 needed" in text
    assert "**merged as abc**" in text
    assert "@all" not in text
    assert "<img" not in text


def test_withdrawn_is_expired_and_says_why() -> None:
    """The change was given up; what is over stays as it is."""
    over = withdrawn(table(), "closed", by="dev", at=NOW)
    assert (over.contract.status, over.rounds[-1].answer, over.drafted_by) == (
        ContractStatus.EXPIRED,
        "closed",
        ["dev", "ops"],
    )
    with pytest.raises(ConflictError):
        withdrawn(over, "again", by="dev", at=NOW)
    assert not any("/firebreak accept" in line for line in talk_of(over))


def test_an_approved_contract_asks_for_nothing_more() -> None:
    """Who signed stays; nobody is asked again."""
    found = table()
    done = found.contract.model_copy(update={"status": ContractStatus.APPROVED})
    by = Signature(by="ana", digest=done.terms_digest(), at=NOW)
    lines = talk_of(found.model_copy(update={"contract": done, "signatures": [by]}))
    assert "\nSigned by ana." in lines
    assert not any("/firebreak accept" in line for line in lines)
