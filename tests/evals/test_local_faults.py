"""Faults of the local stack from recorded bundles: right with everything, and never surely wrong with one source missing."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.local_faults import SURE, VARIANTS, Judged, Recorded, judged, recorded
from domain.diagnosis import DiagnosisVerdict

pytestmark = pytest.mark.no_cover
CASES = list(recorded())
STARVED = [c for c in CASES if c.fault.endswith(".starved")]
CALM = [c for c in CASES if c not in STARVED]


def by_fault(case: Recorded) -> str:
    return case.fault


@cache
def said(fault: str, missing: str) -> Judged:
    """The engine's word, once per bundle and missing source."""
    return judged(next(c for c in CASES if c.fault == fault), VARIANTS[missing])


def test_there_are_bundles_to_judge() -> None:
    """Each is labelled, and has every kind of signal that may be taken away."""
    assert len({c.fault_class for c in CALM}) >= 6
    for case in CASES:
        bundle = case.bundle
        assert all((bundle.series, bundle.logs, bundle.spans, bundle.readings, bundle.alert)), case.fault


@pytest.mark.parametrize("case", CALM, ids=by_fault)
def test_service_and_class_are_right_with_all_sources(case: Recorded) -> None:
    """The service at fault and the class of the fault are on top."""
    found = said(case.fault, "everything")
    assert (found.service, found.fault_class) == (True, True), found.said.summary


@pytest.mark.parametrize("case", CASES, ids=by_fault)
def test_a_missing_source_makes_nobody_surely_guilty(case: Recorded) -> None:
    """Whatever is missing, also answers of a machine that cannot keep up: right, or less than sure."""
    for missing in VARIANTS:
        found = said(case.fault, missing)
        assert found.service or found.said.confidence < SURE, f"{missing}: {found.said.summary}"


@pytest.mark.parametrize("case", CALM, ids=by_fault)
def test_less_to_see_is_less_to_believe(case: Recorded) -> None:
    """Whichever source is missing, the answer is less sure than with all of them, and as sure where it was not there anyway."""
    whole = said(case.fault, "everything").said.confidence
    for missing, without in VARIANTS.items():
        less = said(case.fault, missing).said.confidence
        assert less < whole or without(case.bundle, case.service) == case.bundle, f"{missing}: {less} for {whole}"


@pytest.mark.parametrize("case", CALM, ids=by_fault)
def test_probes_name_the_culprit_without_any_one_of_the_signals(case: Recorded) -> None:
    """Its service is on top without logs or without traces; without metrics as well where a probe reads the fault itself."""
    for missing in ("no logs", "no traces"):
        assert said(case.fault, missing).service, missing
    if case.fault != "upstream_429":  # the probe that counts refusals got no answer when it was recorded
        assert said(case.fault, "no culprit metrics").service
        assert said(case.fault, "no metrics").service


@pytest.mark.parametrize("case", STARVED, ids=by_fault)
def test_a_machine_that_cannot_keep_up_accuses_nobody_else(case: Recorded) -> None:
    """Missing answers there are no proof: the culprit, or nobody."""
    for missing in VARIANTS:
        found = said(case.fault, missing)
        assert found.service or found.said.verdict is DiagnosisVerdict.INCONCLUSIVE, found.said.summary
