"""A context from JSON: the spellings in use are read, the unknown is told, the wrong is refused with its field."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.context import Level, RollbackCapability
from contracts.reading import MOST_BYTES, ContextError, read_context
from domain.inventory import Environment

LEAST: dict[str, Any] = {"deployment_id": "d-1", "service_name": "payments"}
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "deployment-context.json"


def read(**more: Any) -> Any:
    return read_context(json.dumps({**LEAST, **more})).context


def test_the_example_of_the_documentation_is_read_whole() -> None:
    found = read_context(EXAMPLE.read_bytes())
    assert found.unknown == ()
    assert (len(found.context.changes), found.context.target_p99, found.context.peak_qps) == (3, 600, 3100)


@pytest.mark.parametrize(
    ("document", "field", "value"),
    [
        ({"current_error_rate_percent": 0.2}, "current_error_rate", 0.2),
        ({"current": {"p95_latency_ms": 120}}, "current_p95", 120),
        ({"slo_targets": {"latency_p99_ms": 900}}, "target_p99", 900),
        ({"baseline": {"error_rate": 0.3}}, "current_error_rate", 0.3),
        ({"traffic": {"qps": 10, "peak_qps": 30}}, "peak_qps", 30),
        ({"current_qps": 10}, "qps", 10),
        ({"peak_traffic": 40}, "peak_qps", 40),
        ({"environment": "Prod"}, "environment", Environment.PRODUCTION),
        ({"rollback_capability": True}, "rollback_capability", RollbackCapability.FULL),
        ({"rollback_capability": "manual"}, "rollback_capability", RollbackCapability.PARTIAL),
        ({"owner": None}, "owner", ""),
    ],
)
def test_spellings_in_use(document: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(read(**document), field) == value


def test_the_criticality_of_a_dependency_in_any_case() -> None:
    found = read(dependencies=[{"service_name": "db", "criticality": "HIGH"}])
    assert found.dependencies[0].criticality is Level.HIGH


def test_what_is_not_known_is_told_with_what_may_have_been_meant() -> None:
    document = {**LEAST, "onwer": "me", "changes": [{"file_path": "a.py", "colour": "red"}]}
    assert read_context(json.dumps(document)).unknown == ("onwer (did you mean owner?)", "changes.0.colour")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"changes": "many"}, "changes: Input should be a valid list"),
        ({"changes": [3]}, "changes.0: Input should be a valid dictionary"),
        ({"changes": [{"file_path": ""}]}, "changes.0.file_path: String should have at least 1 character"),
        ({"changes": [{"file_path": "a", "lines_changed": -1}]}, "changes.0.lines_changed"),
        ({"current_error_rate": float("nan")}, "current_error_rate"),
        ({"current_p95": float("inf")}, "current_p95"),
        ({"current_error_rate": 101}, "current_error_rate: Input should be less than or equal to 100 (found 101)"),
        ({"rollback_capability": "perhaps"}, "rollback_capability"),
        ({"service_name": "\ud800"}, "service_name"),
        ({"dependencies": [{"service_name": "db", "criticality": "very"}]}, "dependencies.0.criticality"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ContextError) as caught:
        read(**document)
    assert said in caught.value.found


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null", "[" * 100_000, b"\xff\xfe", " " * (MOST_BYTES + 1)])
def test_no_context_at_all(text: str | bytes) -> None:
    with pytest.raises(ContextError):
        read_context(text, "it")


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_names = ["changes", "dependencies", "current", "environment", "qps", "owner", "reviewers", "rollback_capability"]


@given(st.dictionaries(st.sampled_from([*_names, "deployment_id", "service_name"]), _json))
def test_any_document_is_read_or_refused(document: dict[str, Any]) -> None:
    """Never anything but a ContextError."""
    with contextlib.suppress(ContextError):
        read_context(json.dumps({**LEAST, **document}))
