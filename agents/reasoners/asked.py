"""A question as text for a model: bounded, without secrets, everything that was read framed as untrusted. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from agents.prompts import prompt
from domain.reasoning import Question
from domain.redaction import redact_json
from domain.value import Value

A = TypeVar("A", bound=Value)
PROMPT_CHARS = 60_000
"""Most characters of facts in one prompt; about 15,000 tokens."""
_TEXT, _ROWS = 4_000, 200
"""Where cutting begins: characters of one text, rows of one list. Halved until the facts fit."""


def messages(question: Question[A], secrets: Iterable[re.Pattern[str]] = ()) -> list[tuple[str, str]]:
    """(role, text): the prompt, then the facts between marks that nothing inside can close: no `<` is left in them.

    `secrets`: patterns that are taken out beside the usual ones.
    """
    facts = bounded(redact_json(question.model_dump(mode="json", exclude_none=True, exclude_defaults=True), secrets))
    framed = facts.replace("<", "\\u003c")
    return [("system", prompt(question.role)), ("user", f"<untrusted>\n{framed}\n</untrusted>")]


def bounded(facts: Any, most: int = PROMPT_CHARS) -> str:
    """The facts as JSON of at most `most` characters: long texts and lists lose their ends, and say so."""
    text, rows = _TEXT, _ROWS
    while True:
        said = json.dumps(_cut(facts, text, rows), ensure_ascii=False, default=str)
        if len(said) <= most or rows == 1:
            return said[:most]
        text, rows = max(20, text // 2), max(1, rows // 2)


def _cut(value: Any, text: int, rows: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= text else f"{value[:text]}… (cut)"
    if isinstance(value, dict):
        return {k: _cut(v, text, rows) for k, v in value.items()}
    if isinstance(value, list):
        left = [f"… {len(value) - rows} more"] if len(value) > rows else []
        return [*(_cut(v, text, rows) for v in value[:rows]), *left]
    return value


def incident_of(question: Question[A]) -> str:
    """Which incident's (or contract's) budget a question draws on; questions about the system share one."""
    for name in ("incident", "contract"):
        if isinstance(whose := getattr(question, name, None), str):
            return whose
    for name in ("incident", "diagnosis", "plan"):
        found = getattr(question, name, None)
        label = getattr(found, "id", None) if name == "incident" else getattr(found, "incident", None)
        if isinstance(label, str):
            return label
    return "system"
