"""CEL over a run's context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cel

from domain.errors import ConfigError, FirebreakError


def check_condition(text: str) -> str:
    """What is wrong with an expression, or empty."""
    try:
        cel.compile(text)
    except ValueError as error:
        return f"not a CEL expression: {str(error)[:200]}"
    return ""


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises FirebreakError (pipeline.condition) for one that errs."""
    try:
        return cel.compile(text).execute(cel.Context(variables=dict(context)))
    except Exception as error:
        raise FirebreakError(
            f"the condition cannot be decided: {text}", found=str(error)[:200], code="pipeline.condition"
        ) from error


def holds(text: str, context: Mapping[str, Any]) -> bool:
    """Raises FirebreakError when it errs or gives anything but true or false."""
    value = evaluate(text, context)
    if not isinstance(value, bool):
        raise FirebreakError(
            f"the condition gave no answer: {text}",
            expected="true or false",
            found=type(value).__name__,
            code="pipeline.condition",
        )
    return value


def filled(arguments: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with every `{cel: …}` replaced by its value, however deep."""
    return {name: _filled(value, context) for name, value in arguments.items()}


def _filled(value: Any, context: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"cel"}:
            return evaluate(str(value["cel"]), context)
        return filled(value, context)
    return [_filled(item, context) for item in value] if isinstance(value, list) else value


def expressions(value: Any) -> list[str]:
    """Every CEL text inside some arguments."""
    if isinstance(value, dict):
        if set(value) == {"cel"}:
            return [str(value["cel"])]
        return [text for item in value.values() for text in expressions(item)]
    return [text for item in value for text in expressions(item)] if isinstance(value, list) else []


def whole(value: Any, what: str) -> int:
    """A whole number out of CEL or YAML. Raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or int(value) != value:
        raise ConfigError(f"{what} is no whole number", expected="such as 3", found=repr(value)[:80])
    return int(value)
