"""A skill that is right, to be broken in one place per test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from skills.folder import DIGEST, digest_of
from skills.problem import Problem
from skills.validate import validate
from skills.vocabulary import Vocabulary, registered

PROSE = """---
name: {name}
description: Use when a process accepts connections and never answers.
license: Apache-2.0
metadata:
  stage: recovery
  {pin}: {digest}
allowed-tools: process_state http_health resume_process start_process stop_process shift_traffic
---

# A process is paused

It accepts connections and answers nothing. Resume it; a restart loses what it was doing.
"""
GOOD: dict[str, Any] = {
    "name": "paused-process",
    "version": "1.0.0",
    "intent": "resume a process that was paused, without losing what it was doing",
    "scope": {"environments": ["sandbox", "staging"]},
    "parameters": {
        "service": {"type": "service", "description": "the paused service", "kinds": ["api"], "default": "api"}
    },
    "metadata": {
        "stage": "recovery",
        "category": "action",
        "risk_level": "low",
        "mutability": "mutating",
        "target_kind": "api",
        "owner": "shop",
    },
    "preconditions": [
        {
            "name": "it-is-paused",
            "probe": "process_state",
            "service": "${service}",
            "expect": {"path": "os_state", "equals": "T"},
        }
    ],
    "actions": [{"name": "resume", "action": "resume_process", "target": "${service}", "effect": "transient"}],
    "success_criteria": [
        {"name": "it-runs", "probe": "process_state", "service": "${service}", "expect": {"ok": True}, "within_s": 10}
    ],
    "irreversible": "a resumed process is not paused again: nothing durable changed",
}
HIDDEN: dict[str, Any] = {
    "hidden_checks": [
        {"name": "users-served", "probe": "http_health", "service": "${service}", "expect": {"ok": True}, "within_s": 5}
    ]
}


def shelve(
    root: Path,
    skill: Any = None,
    hidden: Any = None,
    prose: str = PROSE,
    digest: str = "",
    name: str = "paused-process",
) -> Path:
    """The folder of a skill; texts are written as they are, everything else as YAML."""
    folder = root / name
    (folder / "assets").mkdir(parents=True)
    texts = [v if isinstance(v, str) else as_yaml(v) for v in (skill or GOOD, hidden or HIDDEN)]
    (folder / "assets" / "skill.yaml").write_text(texts[0])
    (folder / "assets" / "hidden.yaml").write_text(texts[1])
    pinned = digest or digest_of(*texts)
    (folder / "SKILL.md").write_text(prose.format(name=name, pin=DIGEST, digest=pinned))
    return folder


def as_yaml(value: Any) -> str:
    """Without aliases, also where a part is used twice."""
    text: str = yaml.safe_dump(json.loads(json.dumps(value)), sort_keys=False)
    return text


def problems(folder: Path, words: Vocabulary | None = None) -> list[Problem]:
    """What the validator finds."""
    return validate(folder, words or registered())[1]


def with_action(action: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The good skill with another action."""
    return {**GOOD, "actions": [{"name": "do", **action}], **more}


def with_criterion(criterion: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The good skill with another success criterion."""
    return {**GOOD, "success_criteria": [{"name": "proof", **criterion}], **more}


def with_meta(**changes: Any) -> dict[str, Any]:
    """The good skill with other metadata."""
    return {**GOOD, "metadata": {**GOOD["metadata"], **changes}}
