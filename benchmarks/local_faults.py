"""Every fault of the local stack from its recorded bundle, with one source of signals missing at a time.

The bundles were recorded from drills on the real stack (`python -m benchmarks.recording`): what the sources and the probes
said when the responder decided on its first change. "Metrics of the culprit" are the series of the service at fault.
n-sigma (largest shift of any series, in spreads of normal life) ranks the same bundles in the same run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agents.perception import diagnose
from agents.perception.baselines import n_sigma
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis
from tools.bundle import read_bundle, read_truth

SHIPPED = Path(__file__).resolve().parents[1] / "tests" / "data" / "local"

SURE = 0.8
"""From this confidence on an answer is called sure (0–1)."""
Without = Callable[[Bundle, str], Bundle]
VARIANTS: dict[str, Without] = {
    "everything": lambda b, _: b,
    "no logs": lambda b, _: replace(b, logs=()),
    "no traces": lambda b, _: replace(b, spans=()),
    "no culprit metrics": lambda b, culprit: replace(b, series=tuple(s for s in b.series if s.service != culprit)),
    "no metrics": lambda b, _: replace(b, series=()),
    "no probes": lambda b, _: replace(b, readings=()),
}
"""What is missing → the bundle without it (`culprit`: the service at fault)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One drill's bundle with what was broken; `service` is empty where nothing was."""

    fault: str
    bundle: Bundle
    service: str
    fault_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One diagnosis beside the truth."""

    said: Diagnosis
    service: bool
    """The service at fault is on top, or nobody is accused where nothing was broken."""
    fault_class: bool


def recorded(folder: Path = SHIPPED) -> Iterator[Recorded]:
    """Every recorded bundle with its label, by fault."""
    for path in sorted(folder.glob("*.tar.*")):
        truth = read_truth(path) or {}
        services = truth.get("services") or [""]
        yield Recorded(
            fault=path.name.partition(".tar")[0],
            bundle=read_bundle(path),
            service=str(services[0]),
            fault_class=str(truth.get("fault_type") or ""),
        )


def judged(case: Recorded, without: Without) -> Judged:
    """The engine's word on the bundle without a source."""
    said = diagnose(without(case.bundle, case.service))
    if not case.service:
        calm = said.verdict.value != "fault"
        return Judged(said=said, service=calm, fault_class=calm)
    top = said.top if said.verdict.value in {"fault", "external"} else None
    right = top is not None and top.service == case.service
    return Judged(
        said=said, service=right, fault_class=right and top is not None and top.fault_class == case.fault_class
    )


def main() -> int:
    """Print the table, then the shares; 1 when somebody innocent is surely accused, whatever is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks local_faults", description=__doc__)
    parser.add_argument("--folder", type=Path, default=SHIPPED, help="recorded bundles (the shipped ones)")
    asked = parser.parse_args()
    cases = list(recorded(asked.folder))
    if not cases:
        sys.stdout.write("no recorded bundle; python -m benchmarks.recording records them\n")
        return 1
    rows = {case.fault: [judged(case, without) for without in VARIANTS.values()] for case in cases}
    out = sys.stdout.write
    out("service and class on top (+ right, - wrong) with the confidence\n")
    out(f"{'fault':<26}" + "".join(f"{name:>20}" for name in VARIANTS) + "\n")
    for fault, found in rows.items():
        out(f"{fault:<26}" + "".join(f"{cell(one):>20}" for one in found) + "\n")
    out("".join(line + "\n" for line in summary(list(rows.values()), cases)))
    return int(any(not one.service and one.said.confidence >= SURE for found in rows.values() for one in found))


def cell(one: Judged) -> str:
    """`++ 0.93`, or what was said instead."""
    marks = f"{'+' if one.service else '-'}{'+' if one.fault_class else '-'}"
    top = one.said.top
    instead = "" if one.service else f"{one.said.verdict.value if top is None else top.service} "[:11]
    return f"{instead}{marks} {one.said.confidence:.2f}"


def summary(rows: Sequence[Sequence[Judged]], cases: Sequence[Recorded]) -> list[str]:
    """Shares over all faults, per variant, with n-sigma's beside."""
    columns = list(zip(*rows, strict=True))
    lines = []
    for name, values in (
        ("service right", [sum(j.service for j in column) / len(column) for column in columns]),
        ("class right", [sum(j.fault_class for j in column) / len(column) for column in columns]),
        ("mean confidence", [sum(j.said.confidence for j in column) / len(column) for column in columns]),
        ("wrong and sure", [float(sum(not j.service and j.said.confidence >= SURE for j in c)) for c in columns]),
        ("n-sigma service", [_n_sigma(cases, without) for without in VARIANTS.values()]),
    ):
        lines.append(f"{name:<26}" + "".join(f"{value:>20.2f}" for value in values))
    return lines


def _n_sigma(cases: Sequence[Recorded], without: Without) -> float:
    """Share of the real faults whose service n-sigma names first."""
    faults = [c for c in cases if c.service]
    hits = sum(list(n_sigma(without(c.bundle, c.service)))[:1] == [c.service] for c in faults)
    return hits / len(faults) if faults else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
