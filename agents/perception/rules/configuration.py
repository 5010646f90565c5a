"""Configuration files against their last good version."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from agents.perception.claim import Claim, Sign, finding, of_change, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.bundle import LogLine, Reading
from domain.conditions import Condition

SETTING = re.compile(
    r"missing|required|not set|KeyError|ValidationError|invalid (value|setting|config)|unset|environment variable|"
    r"could not (parse|read) config",
    re.I,
)


def changed_file(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """A key vanished or has another value, and the service suffers since."""
    for reading in facts.readings("config_diff"):
        missing = _keys(reading, "keys_missing")
        altered = _keys(reading, "keys_changed")
        added = _keys(reading, "keys_added")
        if not reading.values.get("changed") and not missing and not altered:
            continue
        if not (missing or altered or added):
            continue
        yield _claim(facts, symptoms, reading, missing, altered, added)


def _claim(
    facts: Facts, symptoms: Symptoms, reading: Reading, missing: list[str], altered: list[str], added: list[str]
) -> Claim:
    service = reading.service
    named = missing or altered or added
    state = facts.reading("process_state", service)
    broken = state is not None and (
        state.ok is False or str(state.values.get("state")) in ("backoff", "crashed", "starting")
    )
    lines = _complaints(facts, service, named)
    suffers = service in symptoms.services() or broken
    strength = 0.35 + 0.25 * bool(lines) + 0.2 * broken + 0.08 * suffers + 0.1 * bool(missing)
    if missing and (lines or broken):
        strength = max(strength, 0.92)
    elif altered and (lines or broken):
        strength = max(strength, 0.85)
    elif altered and suffers:
        strength = max(strength, 0.66)
    signs = [of_reading(reading, "the file differs from the last good version")]
    signs += [of_log(lines[-1], "the service complains about the setting", len(lines))] if lines else []
    signs += [of_reading(state, "the service does not stay up since")] if state is not None and broken else []
    signs += [
        of_change(c, "recorded change of the configuration") for c in facts.changes(service, ("config", "deploy"))[:1]
    ]
    doubts: tuple[Sign, ...] = ()
    if state is not None and not broken:
        doubts = (of_reading(state, "the process runs with what it read at its start"),)
    details: dict[str, Any] = {"keys": named, "keys_missing": missing, "keys_changed": altered, "keys_added": added}
    details |= {k: reading.values.get(k) for k in ("last_good", "last_good_at", "changed_at", "version")}
    found = finding(Condition.CONFIG_KEY_MISSING if missing else Condition.CONFIG_CHANGED, service, service, **details)
    what = f"lost {', '.join(missing)}" if missing else f"has other values for {', '.join(altered or added)}"
    return Claim(
        service=service,
        fault_class="missing_env" if missing else "wrong_env",
        strength=min(strength, 0.95),
        direct=broken or bool(lines),
        needs_symptom=True,
        statement=f"The configuration of {service} {what} compared with its last good version.",
        signs=tuple(signs),
        doubts=doubts,
        falsify=f"{service} fails in the same way with its last good configuration",
        probe=("config_diff", service, "no difference to the last good version"),
        findings=(found,),
        details=details,
    )


def setting_in_log(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """Only the log says so: a service exits because of a setting."""
    for reading in facts.readings("process_state"):
        diff = facts.reading("config_diff", reading.service)
        if reading.ok is not False or (diff is not None and diff.values.get("changed")):
            continue
        lines = facts.logs_like(SETTING, [reading.service])
        if lines:
            yield Claim(
                service=reading.service,
                fault_class="missing_env",
                strength=0.55,
                needs_symptom=True,
                statement=f"{reading.service} complains about a setting and does not stay up.",
                signs=(
                    of_log(lines[-1], "it complains about a setting", len(lines)),
                    of_reading(reading, "it does not stay up"),
                ),
                doubts=(of_reading(diff, "its configuration file is as it was"),)
                if diff is not None and diff.ok
                else (),
                falsify="the setting is there",
                probe=("config_diff", reading.service, "a changed key"),
            )


def _complaints(facts: Facts, service: str, keys: list[str]) -> list[LogLine]:
    words = [k for k in keys if len(k) > 2]
    tail = facts.value("process_state", service, "log_tail")
    if words:
        named = facts.logs_naming(words, service)
        if named:
            return named
    text = " ".join(map(str, tail)) if isinstance(tail, list) else str(tail or "")
    if any(w.lower() in text.lower() for w in words):
        return [LogLine(time=facts.now, service=service, message=text[-240:])]
    return []


def _keys(reading: Reading, name: str) -> list[str]:
    return [str(k) for k in reading.values.get(name) or []]


RULES = (changed_file, setting_in_log)
