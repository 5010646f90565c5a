"""Learning from labelled past incidents: a shallow learner over evidence features, and the nearest past cases.

Two ensembles of randomised trees (Geurts et al. 2006): which service, over rows of (incident, service); which kind of fault, over
incidents. Training takes seconds and happens once per history. An incident is never learned from while it is being diagnosed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.perception.claim import Claim, Sign
from agents.perception.facts import Facts
from agents.perception.features import Features, case_features, service_features, signatures
from agents.perception.localise import hints
from agents.perception.symptoms import symptoms
from domain.bundle import Bundle

TREES = 250
SEED = 7
LEAST_CASES = 10
UNLIKE = 0.05
"""A kind is not named where fewer past incidents than this share were as unlike their own kind, judged without themselves."""
FAMILIAR = 0.5
"""Share of the incident's kinds of alerts that the past must know, else it is the past of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCase:
    """One closed incident with its label."""

    bundle: Bundle
    services: tuple[str, ...]
    fault_class: str | None = None


@dataclass(slots=True, kw_only=True)
class _Trained:
    where: Any
    where_names: Any
    what: Any
    what_names: Any
    usual: list[float]
    """How sure the kind was for each past incident, judged by trees that had not seen it; ascending."""
    rows: dict[str, dict[str, Features]]


@dataclass(slots=True, kw_only=True)
class History:
    """Past incidents of the same system. Trained at first use, once per set of cases left out."""

    cases: tuple[PastCase, ...]
    _trained: dict[str, _Trained | None] = field(default_factory=dict)

    def suggest(self, facts: Facts) -> list[Claim]:
        """What past incidents make likely for this one; nothing with too few cases."""
        known = facts.bundle.id if any(c.bundle.id == facts.bundle.id for c in self.cases) else ""
        if known not in self._trained:
            self._trained[known] = _train([c for c in self.cases if c.bundle.id != known])
        trained = self._trained[known]
        return [] if trained is None else _claims(trained, facts)


def features(bundle: Bundle) -> dict[str, Features]:
    """Evidence features of every service of a bundle."""
    facts = Facts(bundle)
    scores: dict[str, dict[str, float]] = {}
    for hint in hints(facts, symptoms(facts)):
        by_service = scores.setdefault(hint.kind, {})
        by_service[hint.service] = max(by_service.get(hint.service, 0.0), hint.score)
    return service_features(bundle, scores)


def _train(cases: Sequence[PastCase]) -> _Trained | None:
    if len(cases) < LEAST_CASES:
        return None
    from sklearn.feature_extraction import DictVectorizer  # heavy: only with a history

    rows = {case.bundle.id: features(case.bundle) for case in cases}
    table = [(row, service in case.services) for case in cases for service, row in rows[case.bundle.id].items()]
    where_names, what_names = DictVectorizer(sparse=False), DictVectorizer(sparse=False)
    where = _forest().fit(where_names.fit_transform([r for r, _ in table]), [y for _, y in table])
    labelled = [c for c in cases if c.fault_class and c.services]
    kinds = [case_features(c.bundle, c.services[0], rows[c.bundle.id]) for c in labelled]
    what, usual = None, list[float]()
    if len(labelled) >= LEAST_CASES:
        what = _forest(bootstrap=True, oob_score=True)
        what.fit(what_names.fit_transform(kinds), [c.fault_class for c in labelled])
        usual = _when_right(what, [str(c.fault_class) for c in labelled])
    return _Trained(where=where, where_names=where_names, what=what, what_names=what_names, usual=usual, rows=rows)


def _when_right(what: Any, labels: list[str]) -> list[float]:
    """How sure the trees were of the past incidents that they had not seen and named rightly, ascending."""
    classes = [str(c) for c in what.classes_]
    best = [max(range(len(row)), key=lambda i: row[i]) for row in what.oob_decision_function_]
    sure = zip(what.oob_decision_function_, best, labels, strict=True)
    return sorted(float(row[i]) for row, i, label in sure if classes[i] == label)


def _forest(**more: Any) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    settings: dict[str, Any] = {"max_features": 0.3, "min_samples_leaf": 2, "class_weight": "balanced"} | more
    return ExtraTreesClassifier(TREES, random_state=SEED, n_jobs=1, **settings)


def _familiar(trained: _Trained, facts: Facts) -> bool:
    """Does the past know most kinds of alerts of this incident?"""
    known = {name.split(":", 1)[1] for name in trained.where_names.vocabulary_ if name.startswith("own:")}
    mine = {name for signal in facts.bundle.signals for _, name in signatures(signal)}
    return not mine or len(mine & known) >= FAMILIAR * len(mine)


def _claims(trained: _Trained, facts: Facts) -> list[Claim]:
    rows = features(facts.bundle)
    services = sorted(rows)
    if not services or not _familiar(trained, facts):
        return []
    likely = trained.where.predict_proba(trained.where_names.transform([rows[s] for s in services]))
    column = list(trained.where.classes_).index(True) if True in trained.where.classes_ else None
    if column is None:
        return []
    ordered = sorted(
        zip(services, (float(p) for p in likely[:, column]), strict=True), key=lambda pair: (-pair[1], pair[0])
    )
    return [_claim(trained, facts, rows, service, p, len(trained.rows)) for service, p in ordered[:5] if p > 0.02]


def _claim(
    trained: _Trained, facts: Facts, rows: dict[str, Features], service: str, likely: float, cases: int
) -> Claim:
    kind, sure = _kind(trained, facts.bundle, service, rows)
    alerts = int(rows[service].get("alerts", 0))
    return Claim(
        service=service,
        fault_class=kind,
        strength=min(0.9, likely),
        needs_symptom=True,
        indicator="history",
        statement=f"{cases} past incidents make {service} the likely origin"
        + (f", by {kind} ({sure:.0%})." if kind else ", by a kind of fault that they do not show." if sure else "."),
        signs=(
            Sign(
                kind="case",
                source="history",
                service=service,
                excerpt=f"likelihood {likely:.2f} learnt from {cases} past incidents; {alerts} alerts name {service}",
                supports="it looks like past incidents of this service",
                data={"likelihood": round(likely, 3), "cases": cases, "kind": kind, "kind_likelihood": round(sure, 3)},
            ),
        ),
        falsify=f"{service} shows nothing unusual of its own",
        probe=("process_state", service, "nothing unusual"),
    )


def _kind(trained: _Trained, bundle: Bundle, service: str, rows: dict[str, Features]) -> tuple[str | None, float]:
    if trained.what is None:
        return None, 0.0
    likely = trained.what.predict_proba(trained.what_names.transform([case_features(bundle, service, rows)]))[0]
    best = max(range(len(likely)), key=lambda i: float(likely[i]))
    sure = float(likely[best])
    as_unlike = sum(u <= sure for u in trained.usual)
    if as_unlike < UNLIKE * len(trained.usual):
        return None, sure
    return str(trained.what.classes_[best]), sure
