"""Which change did it, or none: what each could do, where it was rolled out, when, and whether the symptoms speak of it.

Time proximity alone is the decoy; a change that cannot alter behaviour, went elsewhere or came after the onset is not named.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents.perception.claim import Claim, Sign, of_change
from agents.perception.diffs import Effect, effect, words
from agents.perception.facts import Facts
from domain.alert import Change
from domain.second_opinion import DiffReading

NAMED = 0.42
"""From this score on a change is named; below it the answer is: none of them."""
UNREAD = 0.5
"""The same where nobody could read what the change does."""
POSSIBLE = 0.2
"""From this score on a change that nobody could read keeps the answer open."""
LEAD = 1.15
"""Times the next one's score that a change must reach to be named alone."""
SLACK_S = 60.0
TIP = 0.1
"""Difference of scores up to which evidence holds two changes about equal; between such a reading of their diffs may decide."""
UNKNOWN_SCOPE = 0.8
"""Reach of a change of which nobody says where it went, where no deploy is recorded at all."""
NAMES = r"no such host|enotfound|servfail|nxdomain|name (or service not known|resolution)|could not resolve"
PROVIDER = (
    r"service ?unavailable|slow ?down|throttl\w+ by|region[= ]|status ?page|"
    r"(provider|vendor|third.party|partner|upstreams?)\W+(is |are )?(outage|incident|down|degraded|unavailable)"
)
STREAM = r"(record|partition|offset|feed|producer|batch|payload)"
MALFORMED = r"(out of range|invalid|malformed|corrupt|unpars\w+|undecodable|poison|redeliver\w*)"
OUTSIDE = re.compile(f"{NAMES}|{PROVIDER}|{STREAM}\\b.*{MALFORMED}|{MALFORMED}.*{STREAM}|dead.letter", re.I)
"""Trouble from outside: names that nobody resolves, a provider's outage, data that a producer sends malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One change with its score and the reasons for it."""

    change: Change
    service: str
    score: float
    effect: Effect
    linked: tuple[str, ...]


def attribute(facts: Facts) -> list[Claim]:
    """Changes that could have done it, best first; empty when nobody asked or none fits."""
    if not facts.bundle.changes_asked:
        return []
    found = suspects(facts)
    able = [s for s in found if s.score >= (NAMED if s.effect.read else UNREAD)]
    if not able:
        unread = [s for s in found if not s.effect.read and s.score >= POSSIBLE]
        outside = any(OUTSIDE.search(text) for text in _texts(facts))
        return [_undecided(facts, unread) if unread and not outside else _none(facts, found)]
    named = tipped(able, facts.diffs_read)
    rivals = [_place(s, facts.diffs_read) for s in found if s is not named[0]]
    if rivals and _place(named[0], facts.diffs_read) < LEAD * max(rivals):
        return [_undecided(facts, found)]
    return [_claim(facts, s) for s in named[:3]]


def tipped(named: list[Suspect], read: Mapping[str, DiffReading]) -> list[Suspect]:
    """The named suspects in the order that readings of their diffs suggest; none is named, dropped or believed more for it."""
    return sorted(named, key=lambda s: (-_place(s, read), s.change.id))


def _place(suspect: Suspect, read: Mapping[str, DiffReading]) -> float:
    reading = read.get(suspect.change.id)
    return suspect.score + (TIP * (reading.could - 0.5) if reading else 0.0)


def suspects(facts: Facts) -> list[Suspect]:
    """Every change with a score, best first. A deploy is the roll-out of a commit, unless it carries its diff itself."""
    commits = [
        c
        for c in facts.bundle.changes
        if c.kind in ("commit", "config", "migration") or (c.kind == "deploy" and c.diff)
    ]
    newest_first = sorted(facts.bundle.changes, key=lambda c: c.time, reverse=True)
    rolled = {
        c.commit: c for c in newest_first if c.kind == "deploy" and c.commit
    }  # the first roll-out of each commit stays
    effects = {c.id: effect(c.diff, list(c.files), c.summary) for c in commits}
    common = Counter(n for e in effects.values() for n in e.names)
    talk = _talk(facts)
    outside = any(OUTSIDE.search(text) for text in _texts(facts))
    found = []
    for change in commits:
        linked = sorted(effects[change.id].names & talk.keys(), key=lambda n: -talk[n] / common[n])
        link = sum(talk[n] * math.log(1 + len(commits) / common[n]) for n in linked[:6])
        deploy = rolled.get(change.commit or change.id) or rolled.get(change.id)
        reach = _reach(facts, change, deploy)
        risk = effects[change.id].risk
        score = (
            reach
            * (0.75 * risk + 0.25 * link / (link + 6.0))
            * (0.45 if outside and risk < 0.8 else 0.8 if outside else 1.0)
        )
        service = deploy.service if deploy else change.service
        found.append(
            Suspect(change=change, service=service, score=score, effect=effects[change.id], linked=tuple(linked[:4]))
        )
    return sorted(found, key=lambda s: (-s.score, s.change.id))


def _reach(facts: Facts, change: Change, deploy: Change | None) -> float:
    onset = facts.windows.onset + 60
    when = (deploy or change).time.timestamp()
    if change.time.timestamp() > onset or when > onset + SLACK_S:
        return 0.1
    if deploy is None and not change.service:
        return 0.35 if any(c.kind == "deploy" for c in facts.bundle.changes) else UNKNOWN_SCOPE
    service = (deploy or change).service
    alerted = facts.bundle.alert.service if facts.bundle.alert else ""
    if service == alerted:
        return 1.0
    return 0.9 if service in {s.service for s in facts.bundle.signals} | facts.dependencies(alerted) else 0.4


def _texts(facts: Facts) -> list[str]:
    title = facts.bundle.alert.summary if facts.bundle.alert else facts.bundle.title
    news = [s.name for s in facts.bundle.signals if not re.search(r"change -|feature flag", f"{s.text} {s.name}")]
    return [title, *news]


def _talk(facts: Facts) -> dict[str, float]:
    """Words that the symptoms use, each with its weight."""
    counts: Counter[str] = Counter()
    for text in _texts(facts):
        counts.update(set(words(text)))
    return {w: min(2.0, float(n)) for w, n in counts.items()}


def _claim(facts: Facts, suspect: Suspect) -> Claim:
    service = suspect.service or (facts.bundle.alert.service if facts.bundle.alert else "")
    alerted = facts.bundle.alert.service if facts.bundle.alert else service
    where = f"rolled out to {service or 'unknown'} before the trouble"
    link = f"; the symptoms speak of {', '.join(suspect.linked)}" if suspect.linked else ""
    return Claim(
        service=alerted or service,
        fault_class="bad_release",
        change=suspect.change.id,
        strength=min(0.9, suspect.score),
        indicator="change",
        statement=f"{suspect.change.summary or suspect.change.id}: {suspect.effect.kind}, {where}{link}.",
        signs=(of_change(suspect.change, suspect.effect.kind),),
        falsify="instances without this change fail in the same way",
        probe=("release", service, "the version before fails as well"),
        details=reading_of(facts, suspect.change),
    )


def reading_of(facts: Facts, change: Change) -> dict[str, Any]:
    """What a mind made of the change's diff, as details of a claim; empty when none read it."""
    found = facts.diffs_read.get(change.id)
    return {"diff_read": found.model_dump(mode="json")} if found else {}


def _undecided(facts: Facts, found: list[Suspect]) -> Claim:
    """Several changes fit equally well: to name one would be a guess."""
    close = [s for s in found if LEAD * s.score >= found[0].score][:4]
    service = facts.bundle.alert.service if facts.bundle.alert else ""
    names = ", ".join(s.change.summary or s.change.id for s in close)
    return Claim(
        service=service or close[0].service, fault_class="bad_release", strength=UNREAD, indicator="change",
        statement=f"One of {len(close)} changes, and nothing tells which: {names}"[:400] + ".",
        signs=tuple(of_change(s.change, s.effect.kind) for s in close),
        falsify="undoing all of them leaves the trouble as it is",
    )  # fmt: skip


def take_up(changes: list[Claim], others: list[Claim]) -> list[Claim]:
    """The change at fault (or none of them) leads; what else is said about its service becomes its evidence."""
    if not changes:
        return others
    strongest = max(others, key=lambda c: c.strength, default=None)
    if strongest is not None and not changes[0].service:  # nobody alerted: where the other evidence points
        changes = [replace(c, service=c.service or strongest.service) for c in changes]
    lead = changes[0]
    mine = [c for c in others if c.service == lead.service and not c.direct]
    signs = tuple(s for c in mine for s in c.signs[:2])
    support = max((c.strength for c in mine), default=0.0)
    named = next((c.fault_class for c in sorted(mine, key=lambda c: -c.strength) if c.fault_class), None)
    lead = replace(
        lead,
        signs=(*lead.signs, *signs),
        strength=min(0.95, 1 - (1 - lead.strength) * (1 - 0.5 * support)),
        fault_class=lead.fault_class or named,
    )
    kept = [c if c not in mine else c.scaled(0.5) for c in others]
    return [lead, *(c.scaled(0.6) for c in changes[1:]), *(c.scaled(min(1.0, 0.9 * lead.strength)) for c in kept)]


def _none(facts: Facts, found: list[Suspect]) -> Claim:
    service = facts.bundle.alert.service if facts.bundle.alert else ""
    outside = [t for t in _texts(facts) if OUTSIDE.search(t)]
    signs = [
        Sign(
            kind="alert",
            source="alerts",
            service=service,
            excerpt=t[:240],
            supports="the trouble comes from outside",
            tainted=True,
        )
        for t in outside[:2]
    ]
    return Claim(
        service=service, fault_class=None, change="none", external=bool(outside), indicator="change",
        strength=0.7 if outside else 0.45,
        statement=f"None of the {len(found)} recorded changes explains it{'; it comes from outside' if outside else ''}.",
        signs=tuple(signs), doubts=tuple(of_change(s.change, f"closest: {s.effect.kind}") for s in found[:1]),
        falsify="undoing one of the changes ends the trouble",
    )  # fmt: skip
