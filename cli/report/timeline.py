"""What happened when, around the onset: changes, alerts, series that leave their range, first signs in the evidence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.perception.windows import Windows
from cli.report.first_signs import FirstSign
from cli.report.scale import clock, printable, short, span
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis

MOST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One row of the timeline."""

    time: float
    at: str
    offset: str
    kind: str
    text: str
    guilty: bool = False


def timeline(bundle: Bundle, diagnosis: Diagnosis, windows: Windows, signs: Sequence[FirstSign] = ()) -> list[Moment]:
    """Ascending by time; the nearest to the onset when there are too many."""
    onset = windows.onset
    guilty = {h.change for h in diagnosis.hypotheses[:1] if h.change}
    rows: list[tuple[float, str, str, bool]] = []
    if clock(onset) and onset:
        rows.append(
            (onset, "onset", "trouble begins" if windows.given or bundle.onset else "trouble begins (estimated)", False)
        )
    for change in bundle.changes:
        said = " ".join(x for x in (change.service, change.version, change.summary) if x)
        fault = bool({change.id, change.commit} & guilty)
        rows.append((change.time.timestamp(), change.kind, f"{short(change.id, 24)} {said}".strip(), fault))
    alert = bundle.alert
    if alert and alert.started_at is not None:
        rows.append((alert.started_at, "alert", alert.summary or f"{alert.service} {alert.metric}".strip(), False))
    rows += [(s.time, "alert", f"{s.service}: {s.text or s.name}", False) for s in bundle.signals if s.time is not None]
    rows += [(s.time, "metric", s.text, False) for s in signs]
    cited = {e for h in diagnosis.hypotheses[:3] for e in h.evidence}
    for e in diagnosis.evidence:
        if e.time is not None and e.id in cited and e.kind not in {"change", "alert"}:
            rows.append((e.time.timestamp(), e.kind, f"{e.id} {e.source}: {e.excerpt}", False))
    near = sorted(rows, key=lambda r: (not r[3], r[1] != "onset", abs(r[0] - onset)))[:MOST]
    return [
        Moment(
            time=t, at=clock(t, day=True), offset=span(t - onset), kind=kind, text=short(printable(text), 260), guilty=g
        )
        for t, kind, text, g in sorted(near, key=lambda r: (r[0], r[1] != "onset"))
        if clock(t)
    ]
