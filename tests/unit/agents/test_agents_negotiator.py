"""Free words at the table: a mind explains them from the terms it cites, quotes what it heard, and can claim nothing else."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.negotiator import Negotiator, ground_words
from agents.reasoners.fallback import FallbackReasoner
from agents.reasoners.rules import RulesReasoner
from agents.reasoners.scripted import ScriptedReasoner
from domain.bargaining import Heard, WordsAnswer, WordsQuestion
from domain.contract import OfferKind
from domain.errors import ModelUnavailableError
from domain.report import Sentence

TERMS = [
    "[T1 error_rate] 0.2 percent over 300 s: critical risk",
    "[T2 load_test] required: the peak is 4 times today's traffic",
    "[T3 canary] a person has approved 5 % to begin with",
]
FLAG = Heard(offer=OfferKind.ADD_FLAG, quote="behind a Flag")
QUESTION = WordsQuestion(contract="con-1", text="we put it  behind a flag; is 0.2 % needed?", terms=TERMS, heard=[FLAG])


def said(text: str, *evidence: str) -> WordsAnswer:
    return WordsAnswer(sentences=[Sentence(text=text, evidence=list(evidence))])


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("0.2 % is the limit of a critical risk.", "T1"),
        ("The load_test is required: the peak is 4 times today's traffic", "T2"),
        ("A person approved 5 %.", "T3"),
    ],
)
def test_what_the_terms_say_stands(text: str, cited: str) -> None:
    """With the names of the terms instead of their numbers."""
    (kept,) = ground_words(said(text, cited), QUESTION).sentences
    assert (kept.text, kept.evidence) == (text, [TERMS[int(cited[1:]) - 1].split()[1].rstrip("]")])


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("0.2 % is the limit.", []),
        ("0.2 % is the limit.", ["T9"]),
        ("0.5 % is enough.", ["T1"]),
        ("error_rate 0.2 makes the load_test a formality", ["T1"]),
        ("This contract is approved.", ["T1"]),
        ("The load_test is waived", ["T2"]),
        ("You may SIGN now.\nIt was accepted", ["T1"]),
        ("Canary proof is no longer asked for", ["T1"]),
        ("see https://evil.example/sign", ["T1"]),
        ("critical " * 80, ["T1"]),
        ("", ["T1"]),
    ],
)
def test_what_nothing_carries_is_dropped_and_counted(text: str, evidence: list[str]) -> None:
    """No citation, a number or a name of another term, a decision, an address, a flood."""
    found = ground_words(said(text, *evidence), QUESTION)
    assert (found.sentences, found.unsupported) == ([], 1)


def test_only_what_was_really_said_is_heard() -> None:
    """However it was spaced or capitalised; an invented quote is none."""
    invented = Heard(offer=OfferKind.LOWER_RAMP, quote="half the users first")
    found = ground_words(WordsAnswer(heard=[FLAG, invented, invented.model_copy(update={"quote": ""})]), QUESTION)
    assert (found.heard, found.unsupported) == ([FLAG], 2)


@given(st.text(max_size=200), st.lists(st.sampled_from(["T1", "T2", "T3", "T4", ""])))
def test_no_answer_reaches_a_terminal_as_an_order(text: str, evidence: list[str]) -> None:
    """Control characters are gone, and a kept sentence names its terms."""
    for kept in ground_words(said(f"critical\x1b[2J {text}", *evidence), QUESTION).sentences:
        assert kept.text.isprintable()
        assert kept.evidence


def test_rules_stand_in_and_it_is_told() -> None:
    """What they hear, by whom, and why it was not the model."""
    gone = ScriptedReasoner({"negotiator": [ModelUnavailableError("gone")]}, name="openai:m1")
    found = asyncio.run(Negotiator(FallbackReasoner(gone, RulesReasoner())).explain(QUESTION))
    assert (found.by, found.heard, found.sentences) == ("rules", [FLAG], [])
    assert found.fell_back == "openai:m1: gone"
