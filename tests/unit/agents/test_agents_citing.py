"""Evidence or silence: sentences that say more than what they cite do not stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.citing import ground, says_no_more
from domain.report import Sentence

SOURCES = {
    "E1": 'api pool in use 5 of 5 {"size": 5, "wait_ms": 1500, "ratio": 0.38}',
    "L4": "restart_service api succeeded",
}
NAMES = {"api", "postgres", "restart_service"}


@pytest.mark.parametrize(
    ("text", "evidence", "stands"),
    [
        ("The pool of api is full", ["E1"], True),
        ("5 of 5 connections are in use", ["E1"], True),
        ("38 % of requests fail", ["E1"], True),
        ("requests wait 1.5 s", ["E1"], True),
        ("6 connections are in use", ["E1"], False),
        ("postgres is full", ["E1"], False),
        ("The pool is full", [], False),
        ("The pool is full", ["E9"], False),
        ("restart_service on api helped [L4]", ["L4"], True),
        ("restart_service on api helped", ["E1"], False),
    ],
)
def test_what_stands(text: str, evidence: list[str], stands: bool) -> None:
    """Known citations, every number and every known name found in what is cited."""
    result = ground([Sentence(text=text, evidence=evidence)], SOURCES, NAMES)
    assert (bool(result.kept), bool(result.dropped)) == (stands, not stands)


def test_unknown_citations_are_cut_from_sentences_that_stand() -> None:
    """Only ids that exist remain."""
    (kept,) = ground([Sentence(text="full", evidence=["E9", "E1"])], SOURCES, NAMES).kept
    assert kept.evidence == ["E1"]


@given(st.text(max_size=60), st.lists(st.sampled_from(["E1", "L4", "E9"]), max_size=3))
def test_grounding_never_invents(text: str, evidence: list[str]) -> None:
    """Every sentence ends in exactly one of the two lists, and grounding again changes nothing."""
    result = ground([Sentence(text=text, evidence=evidence)], SOURCES, NAMES)
    assert len(result.kept) + len(result.dropped) == 1
    assert ground(result.kept, SOURCES, NAMES).kept == result.kept


@given(st.integers(0, 10**6))
def test_a_number_stands_only_where_it_is_written(number: int) -> None:
    """A number quoted from its source always stands."""
    assert says_no_more(f"it was {number}", f"value {number}", set())
