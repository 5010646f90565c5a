"""How sure: strength of the signature, shared among rivals, lowered by blind spots and by sources that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CEILING = 0.97
"""Never certain."""
RIVALRY = 0.45
"""How much of a claim's confidence a rival of equal strength takes away."""
BLIND_STEP = 0.04
BLIND_MOST = 0.2
LOST = 0.08
"""What each missing kind of source costs: of the recorded local faults, 0 to 7 in 100 fewer are right without it."""
LOST_PROBES = 0.3
"""What missing probes cost: two in three of those faults are right without them, of which signals alone say 0.9."""
EXCUSED = 0.6
"""How much less a missing source weighs against a claim that rests on a reading of the abnormal state itself."""
STRAIN_STEP = 3.0
STRAIN_MOST = 0.6


def competing(strengths: Sequence[float], index: int, explained: bool = False) -> float:
    """Confidence of claim `index` among rivals: `s_i · (1 − RIVALRY · (s_j / s_i)² · s_j)` for the strongest rival `j`."""
    own = strengths[index]
    if own <= 0:
        return 0.0
    rivals = [s for i, s in enumerate(strengths) if i != index]
    rival = max(rivals, default=0.0)
    ratio = min(rival / own, 1.0)
    share = 1 - RIVALRY * ratio**4 * rival
    return round(max(0.0, min(CEILING, own * share)), 3)


def less_when_strained(confidence: float, strain: float) -> float:
    """What rests on a missing answer is worth less, the more of those that have nothing to do with it are missing as well."""
    return round(confidence * (1 - min(STRAIN_MOST, STRAIN_STEP * strain)), 3)


def less_when_blind(confidence: float, gaps: int) -> float:
    """Each unanswered question that matters costs a little, down to a floor."""
    return round(confidence * (1 - min(BLIND_MOST, BLIND_STEP * gaps)), 3)


def less_without(confidence: float, missing: Iterable[str], *, direct: bool) -> float:
    """Every kind of source that is missing leaves less: a factor below 1 each, so that a probability stays one."""
    weight = 1 - EXCUSED if direct else 1.0
    for kind in missing:
        confidence *= 1 - weight * (LOST_PROBES if kind == "probes" else LOST)
    return round(confidence, 3)
