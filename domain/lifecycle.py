"""Phases of a run and the legal moves between them (spec: Lifecycle). One table drives everything."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Milestones of one incident's walk."""

    BOOTSTRAP = "BOOTSTRAP"
    PREFLIGHT = "PREFLIGHT"
    PLAN = "PLAN"
    EXECUTE = "EXECUTE"
    VERIFY = "VERIFY"
    PACKAGE = "PACKAGE"
    REPORT = "REPORT"
    EXIT = "EXIT"
    REVOKED = "REVOKED"

    @property
    def terminal(self) -> bool:
        """Nothing follows."""
        return not LEGAL_MOVES[self]


LEGAL_MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.BOOTSTRAP: frozenset({Phase.PREFLIGHT, Phase.REVOKED}),
    Phase.PREFLIGHT: frozenset({Phase.PLAN, Phase.PACKAGE, Phase.REVOKED}),
    Phase.PLAN: frozenset({Phase.EXECUTE, Phase.PACKAGE, Phase.REVOKED}),
    Phase.EXECUTE: frozenset({Phase.VERIFY, Phase.PLAN, Phase.PACKAGE, Phase.REVOKED}),
    Phase.VERIFY: frozenset({Phase.PACKAGE, Phase.PLAN, Phase.EXECUTE, Phase.REVOKED}),
    Phase.PACKAGE: frozenset({Phase.REPORT, Phase.REVOKED}),
    Phase.REPORT: frozenset({Phase.EXIT, Phase.REVOKED}),
    Phase.EXIT: frozenset(),
    Phase.REVOKED: frozenset(),
}

NODE_PHASE: dict[str, Phase] = {
    "intake": Phase.BOOTSTRAP,
    "perceive": Phase.PREFLIGHT,
    "probe": Phase.PREFLIGHT,
    "plan": Phase.PLAN,
    "judge": Phase.PLAN,
    "approve": Phase.PLAN,
    "act": Phase.EXECUTE,
    "verify": Phase.VERIFY,
    "oversee": Phase.VERIFY,
    "roll_back": Phase.EXECUTE,
    "escalate": Phase.PACKAGE,
    "explain": Phase.REPORT,
    "learn": Phase.EXIT,
}


def may_move(now: Phase, then: Phase) -> bool:
    """Whether `then` may follow `now`; staying is always legal."""
    return then is now or then in LEGAL_MOVES[now]
