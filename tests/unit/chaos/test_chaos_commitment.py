"""Commitments bind and hide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaos.commitment import Label, commit, opens, seal

NAMES = st.sampled_from(["hang", "latency", "noop", "disk_full"])
LABELS = st.builds(
    Label,
    drill=st.text(min_size=1, max_size=20),
    fault=NAMES,
    service=NAMES,
    fault_class=st.none() | NAMES,
    parameters=st.dictionaries(st.text(max_size=8), st.integers(-1000, 1000) | st.text(max_size=8), max_size=3),
)
SALTS = st.binary(min_size=32, max_size=32)


@given(label=LABELS, salt=SALTS)
def test_what_was_committed_opens(label: Label, salt: bytes) -> None:
    """The same label and salt always open their commitment."""
    assert opens(commit(label, salt), label, salt.hex())


@given(label=LABELS, other=LABELS, salt=SALTS)
def test_another_label_does_not_open(label: Label, other: Label, salt: bytes) -> None:
    """No other label opens it."""
    assert opens(commit(label, salt), other, salt.hex()) is (label == other)


@given(label=LABELS, salt=SALTS, other=SALTS)
def test_another_salt_does_not_open(label: Label, salt: bytes, other: bytes) -> None:
    """No other salt opens it."""
    assert opens(commit(label, salt), label, other.hex()) is (salt == other)


def test_the_same_label_looks_different_each_time() -> None:
    """Two envelopes of one label cannot be told apart by their commitment."""
    label = Label(drill="d", fault="hang", service="api", fault_class="hang")
    first, second = seal(label), seal(label)
    assert first.commitment != second.commitment
    assert opens(first.commitment, label, first.salt)
    assert not opens(first.commitment, label, "not hex")
