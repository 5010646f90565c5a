"""Disk space of a service's data directory."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.perception.claim import Claim, finding, number, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.conditions import Condition

NO_SPACE = re.compile(
    r"no space left|ENOSPC|disk (is )?full|errno 28|quota exceeded|file too large|errno 27|EDQUOT|errno 122", re.I
)
FULL = 0.98
FEW_BYTES = 64 * 1024


def full(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A directory that a service writes to has no free space."""
    for reading in facts.readings("disk_usage"):
        used, free = number(reading.values.get("used_ratio")), number(reading.values.get("free_bytes"), float("inf"))
        lines = facts.logs_like(NO_SPACE)
        tight = used >= FULL or free <= FEW_BYTES
        if not (tight or (lines and used >= 0.9)):
            continue
        largest = [f for f in reading.values.get("largest") or [] if isinstance(f, dict)]
        details = {
            "path": reading.values.get("path"),
            "free_bytes": reading.values.get("free_bytes"),
            "used_ratio": used,
            "total_bytes": reading.values.get("total_bytes"),
            "largest": largest[:10],
            "scratch": [str(f.get("path")) for f in largest if f.get("scratch")],
        }
        yield Claim(
            service=reading.service,
            fault_class="disk_full",
            strength=0.95 if tight and lines else 0.88 if tight else 0.7,
            direct=True,
            statement=f"The data directory {details['path']} of {reading.service} is full ({used:.0%} used).",
            signs=(
                of_reading(reading, "no free space is left"),
                *(of_log(line, "a write failed for lack of space", len(lines)) for line in lines[-1:]),
            ),
            falsify=f"a file can be written to {details['path']}",
            probe=("disk_usage", reading.service, "free space"),
            findings=(finding(Condition.DISK_FULL, reading.service, reading.service, **details),),
            details=details,
        )


def complained(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Only the log says so."""
    lines = facts.logs_like(NO_SPACE)
    for service in sorted({line.service for line in lines}):
        if facts.reading("disk_usage", service) is None:
            own = [line for line in lines if line.service == service]
            yield Claim(
                service=service,
                fault_class="disk_full",
                strength=0.62,
                needs_symptom=True,
                statement=f"{service} cannot write: no space is left, its log says.",
                signs=(of_log(own[-1], "a write failed for lack of space", len(own)),),
                falsify="the directory has free space",
                probe=("disk_usage", service, "free space"),
            )


RULES = (full, complained)
