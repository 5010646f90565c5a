"""What the far side's scripts say, and how it is read."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import Effect
from domain.errors import ToolError
from domain.runner import Command
from tools.runners.protocol import Begun, Fate, checked_step, one_line, read_begun, read_look, start_words

WORD = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20)


@given(st.lists(WORD, min_size=1, max_size=6))
def test_a_shell_reads_every_argument_as_it_was(argv: list[str]) -> None:
    """Quoting for the far side loses and adds nothing."""
    assert shlex.split(one_line(argv)) == argv


@given(st.lists(WORD.filter(bool), min_size=1, max_size=6), st.integers(2, 10_000), st.integers(1, 3600))
def test_the_argument_list_ends_the_start(argv: list[str], keep: int, limit: int) -> None:
    """The command's own words come last and unchanged; what precedes them does not depend on them but for the digest."""
    command = Command(argv=tuple(argv), effect=Effect.READ, max_output_bytes=keep, timeout_s=limit)
    words = start_words(".firebreak", "s", 1, command)
    assert words[-len(argv) :] == tuple(argv)
    assert words[4:7] == (".firebreak", "s", "1")
    assert words[8:10] == (str(limit), str(keep // 2))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_pieces_of_output_are_told_apart_by_their_length(a: bytes, b: bytes, c: bytes, d: bytes) -> None:
    """Whatever bytes a command writes, newlines and headers included, they stay in their piece."""
    sizes = " ".join(str(len(piece)) for piece in (a, b, c, d))
    looked = read_look(f"done 3 0 7 1000 {sizes}\n".encode() + a + b + c + d)
    assert (looked.fate, looked.attempt, looked.code, looked.seconds) == (Fate.DONE, 3, 0, 7.0)
    assert (looked.out, looked.err, looked.cut) == (a + b, c + d, False)


def test_what_was_left_out_is_said() -> None:
    """A full tail may follow anything."""
    looked = read_look(b"done 1 0 0 2 2 2 0 0\nabyz")
    assert looked.cut
    assert looked.out == b"ab\n[left out]\nyz"


@pytest.mark.parametrize(
    ("said", "code"), [("0", 0), ("3", 3), ("137", -9), ("143", -15), ("255", 255), ("late", None)]
)
def test_exit_codes(said: str, code: int | None) -> None:
    """A signal's number is negative; what was ended for being late has none."""
    assert read_look(f"done 1 {said} 0 9 0 0 0 0\n".encode()).code == code


@pytest.mark.parametrize(
    "raw", [b"", b"sh: not found\n", b"done 1 0 0 9 1 0 0 0\n", b"done x 0 0 9 0 0 0 0\n", b"done 1 ? 0 9 0 0 0 0\n"]
)
def test_nonsense_is_an_error(raw: bytes) -> None:
    """A far side that has not what is needed is named, not believed."""
    with pytest.raises(ToolError, match="far side"):
        read_look(raw)


def test_words_of_the_start() -> None:
    """Each is known, anything else is an error."""
    assert read_begun(b"begun\n") is Begun.BEGUN
    with pytest.raises(ToolError, match="far side"):
        read_begun(b"sh: setsid: not found\n")


@pytest.mark.parametrize("step", ["", "../x", "a/b", ".hidden", "a b", "x" * 121])
def test_a_step_id_names_a_folder_and_nothing_else(step: str) -> None:
    """No way out of the private folder."""
    with pytest.raises(ToolError, match="id"):
        checked_step(step)
