"""The benchmark's skills as folders, each looked at by the validator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from skills.generate import put
from skills.schema import HiddenChecks, Skill
from skills.shelf import Shelf
from skills.template import Draft
from skills.vocabulary import Vocabulary

PROCEDURES = Path(__file__).with_name("procedures.yaml")


def written_shelf(folder: Path, words: Vocabulary) -> Shelf:
    """Every procedure of the file. Raises ValueError for one that must not be used."""
    for draft in drafts():
        shelved(draft, folder, words)
    return Shelf(folder)


def shelved(draft: Draft, folder: Path, words: Vocabulary) -> None:
    """One skill; a former one of its name must be gone. Raises ValueError."""
    if problems := put(draft, folder, words, expected=draft.skill.intent):
        raise ValueError("\n".join(p.words() for p in problems))


def drafts() -> Sequence[Draft]:
    """As the file has them, with what all share."""
    return [drafted(row) for row in yaml.safe_load(PROCEDURES.read_text(encoding="utf-8"))]


def drafted(row: Mapping[str, Any]) -> Draft:
    """One row of the file."""
    stage = row.get("stage", "recovery")
    changes = bool(row.get("actions"))
    head = {
        "version": "1.0.0",
        "scope": {"environments": ["sandbox"]},
        "metadata": {
            "stage": stage,
            "category": "action" if changes else "analysis",
            "risk_level": "medium" if changes else "none",
            "mutability": "mutating" if changes else "read_only",
            "target_kind": "api",
            "required_tools": ["kubectl"] if "kubectl" in str(row) else [],
            "fault_classes": row["fault_domains"],
            "owner": "benchmark",
        },
    }
    body = {k: v for k, v in row.items() if k not in ("stage", "fault_domains", "hidden_checks")}
    hidden = HiddenChecks.model_validate({"hidden_checks": row.get("hidden_checks", [])})
    return Draft(skill=Skill.model_validate({**head, **body}), hidden=hidden, by="benchmark")
