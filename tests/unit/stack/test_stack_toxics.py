"""How a link is told to misbehave."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.problem import ProblemError
from stack.proxy.toxics import Backend, Toxics, choose, parse_backends, parse_toxics


def test_unset_is_calm() -> None:
    """Nothing said means nothing wrong."""
    assert parse_toxics({}).calm


@pytest.mark.parametrize(
    "body",
    [{"lag": 1}, {"latency_ms": -1}, {"latency_ms": "1"}, {"drop": 1.5}, {"refuse": 1}, {"latency_ms": True}],
)
def test_wrong_toxics_are_refused(body: dict[str, object]) -> None:
    """Unknown names and impossible values are refused with what was expected."""
    with pytest.raises(ProblemError) as caught:
        parse_toxics(body)
    assert caught.value.status == 422
    assert caught.value.expected


@given(st.floats(0, 5000), st.floats(0, 5000), st.integers())
def test_delay_is_bounded(latency: float, jitter: float, seed: int) -> None:
    """A delay lies within latency ± jitter and is never negative."""
    delay = Toxics(latency_ms=latency, jitter_ms=jitter).delay_s(Random(seed)) * 1000
    assert max(0.0, latency - jitter) - 1e-6 <= delay <= latency + jitter + 1e-6


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5), st.integers())
def test_choice_follows_weights(weights: list[float], seed: int) -> None:
    """A backend without weight is chosen only when none has any."""
    backends = [Backend(host="h", port=i + 1, weight=w) for i, w in enumerate(weights)]
    found = choose(backends, Random(seed))
    assert found in backends
    assert found.weight > 0 or sum(weights) <= 0


@pytest.mark.parametrize(
    "rows", [None, [], [{}], [{"port": 0}], [{"port": 1, "weight": -1}], [{"port": 1, "x": 1}], [1]]
)
def test_wrong_backends_are_refused(rows: object) -> None:
    """A proxy never ends up without a place to go."""
    with pytest.raises(ProblemError):
        parse_backends(rows)
