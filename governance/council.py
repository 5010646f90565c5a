"""Five reviewers look at a suggestion, each from its own side, and say why. Ties fail; a person decides in any case.

The council recommends. It never replaces a human approval, and no reviewer votes on its own suggestion.
"""

from __future__ import annotations

from collections.abc import Callable

from domain.findings import CouncilWord, Risk, Suggestion, Vote

Objection = Callable[[Suggestion, int], str]
"""A reviewer: the suggestion and how often its anomaly was seen → what speaks against it, or empty."""

GOVERNED = frozenset({"policy", "budget"})
"""What only people change (spec: changing governance files is forbidden at every tier)."""
SEEN_OFTEN = 2
MIN_CONFIDENCE = 0.34
MIN_IMPACT = 0.2


def _safety(suggestion: Suggestion, count: int) -> str:
    return f"its risk is {suggestion.risk.value}" if suggestion.risk.rank <= Risk.HIGH.rank else ""


def _performance(suggestion: Suggestion, count: int) -> str:
    return "it would take away too little" if suggestion.impact < MIN_IMPACT else ""


def _architecture(suggestion: Suggestion, count: int) -> str:
    wide = len(suggestion.touches) > 1
    return f"it touches several things at once: {', '.join(suggestion.touches)}" if wide else ""


def _compliance(suggestion: Suggestion, count: int) -> str:
    governed = sorted(GOVERNED & set(suggestion.touches))
    return f"it changes what governs the agents: {', '.join(governed)}" if governed else ""


def _quality(suggestion: Suggestion, count: int) -> str:
    if count < SEEN_OFTEN:
        return "it was seen only once"
    return "" if suggestion.confidence >= MIN_CONFIDENCE else "it was tried and did not help"


REVIEWERS: dict[str, Objection] = {
    "safety": _safety,
    "performance": _performance,
    "architecture": _architecture,
    "compliance": _compliance,
    "quality": _quality,
}


def deliberate(suggestion: Suggestion, count: int) -> CouncilWord:
    """Everybody's vote, and whether more are for it than against it."""
    votes = [_vote(name, objection, suggestion, count) for name, objection in REVIEWERS.items()]
    yes = sum(vote.approve is True for vote in votes)
    no = sum(vote.approve is False for vote in votes)
    own = suggestion.author == "council"
    return CouncilWord(recommended=yes > no and not own, votes=votes)


def _vote(name: str, objection: Objection, suggestion: Suggestion, count: int) -> Vote:
    if suggestion.author in {name, "council"}:
        return Vote(reviewer=name, approve=None, reason="it is its own suggestion")
    against = objection(suggestion, count)
    return Vote(reviewer=name, approve=not against, reason=against or "nothing speaks against it")
