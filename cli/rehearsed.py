"""A rehearsal as a person reads it."""

from __future__ import annotations

from typing import Any

_MARKS = {True: "yes", False: "no", None: "nothing to take back"}


def passed(rehearsal: dict[str, Any]) -> bool:
    """Nothing speaks against promoting it."""
    return not rehearsal["problems"] and not any(f["problems"] for f in rehearsal["faults"])


def rehearsal_lines(rehearsal: dict[str, Any]) -> list[str]:
    """A rehearsal for a person."""
    word = "passed" if passed(rehearsal) else "not passed"
    rows = [f"{rehearsal['id']}  {rehearsal['skill']} {rehearsal['version']}: {word}"]
    for fault in rehearsal["faults"]:
        seen = sum(fault["discriminates"].values())
        rows.append(
            f"  {fault['fault']}: {seen} of {len(fault['discriminates'])} criteria told broken from healthy;"
            f" run {fault['status'] or 'none'} (verified by {fault['verifier'] or 'nobody'});"
            f" taken back {', '.join(fault['taken_back']) or 'nothing'};"
            f" as before {_MARKS[fault['back_as_before']]}" + (", symptoms back" if fault["shows_again"] else "")
        )
        rows += [f"    {problem}" for problem in fault["problems"]]
    return rows + [f"  {problem}" for problem in rehearsal["problems"]]
