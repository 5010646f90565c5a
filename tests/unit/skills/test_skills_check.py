"""What counts as found."""

from __future__ import annotations

from typing import Any

import pytest

from skills.check import Expectation, holds, values_at
from skills.words import filled, references


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", [{"a": {"b": [1, {"c": 2}]}, "x-y": "z"}]),
        ("a.b[0]", [1]),
        ("a.b[*].c", [2]),
        ("x-y", ["z"]),
        ("a.b[7]", []),
        ("nothing.here", []),
    ],
)
def test_a_path_leads_to_values(path: str, found: list[Any]) -> None:
    """Keys, indices, and `[*]` for any."""
    assert values_at({"a": {"b": [1, {"c": 2}]}, "x-y": "z"}, path) == found


@pytest.mark.parametrize(
    ("expect", "value", "fits"),
    [
        ({"equals": "T"}, "T", True),
        ({"equals": "3"}, 3, True),
        ({"equals": 1}, True, False),
        ({"equals": True}, True, True),
        ({"contains": "ready"}, "already", True),
        ({"matches": "^2..$"}, 204, True),
        ({"min": 1, "max": 2}, "1.5", True),
        ({"min": 1}, "many", False),
        ({"max": 1}, True, False),
        ({"min": 1, "contains": "9"}, 8, False),
    ],
)
def test_a_value_fits_or_does_not(expect: dict[str, Any], value: Any, fits: bool) -> None:
    """All that is expected must hold; a word is no number, true is no 1."""
    assert holds(Expectation(**expect), [value]) is fits


def test_nothing_to_judge_is_not_a_success() -> None:
    """No value: cannot tell. Where absence was expected, it is the answer."""
    assert holds(Expectation(equals=1), []) is None
    assert holds(Expectation(absent=True), []) is True
    assert holds(Expectation(absent=True), [1]) is False


def test_every_value_must_fit() -> None:
    """One pod that is not ready is enough."""
    assert holds(Expectation(path="[*]", equals="ok"), ["ok", "bad"]) is False


def test_references_keep_their_type() -> None:
    """A whole reference gives the value, one inside a text gives text; a missing one is an error."""
    given = {"n": 3, "name": "api"}
    assert filled({"a": ["${n}", "x-${n}", ("deployment/${name}",)]}, given) == {"a": [3, "x-3", ["deployment/api"]]}
    assert sorted(references({"a": ["${n}", "x-${name}"]})) == ["n", "name"]
    with pytest.raises(KeyError):
        filled("${other}", given)
