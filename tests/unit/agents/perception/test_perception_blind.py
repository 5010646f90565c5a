"""What is not seen: silence behind proxies, failures counted for the first time, and an asker that is itself too slow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.perception import diagnose
from agents.perception.blindness import OWN_METRICS, missing
from agents.perception.claim import Claim, Sign, finding
from agents.perception.confidence import less_without
from agents.perception.contrast import appeared, contrasts
from agents.perception.facts import Facts
from agents.perception.ranking import merge
from agents.perception.silence import silent
from agents.perception.timing import slower
from agents.perception.traces import forest
from agents.perception.windows import find_windows
from domain.bundle import Bundle, Edge, Node, Origin, Reading, Series, Span
from domain.conditions import Condition
from domain.diagnosis import DiagnosisVerdict
from tests.unit.agents.perception.shop_world import NOW, World

ONSET = 1_780_000_000.0
END = ONSET + 30.0


def series(service: str, metric: str, before: float | None, during: float | None, *, until: float = END) -> Series:
    """A point a second; None where nothing is reported."""
    times = [ONSET - 120 + i for i in range(150)]
    rows = [(t, before if t < ONSET else during) for t in times]
    kept = [(t, v * (1 + 0.01 * (int(t) % 3))) for t, v in rows if v is not None and t <= until]
    return Series(service=service, metric=metric, times=tuple(t for t, _ in kept), values=tuple(v for _, v in kept))


def shop(*rows: Series, kind: str = "proxy") -> Bundle:
    """A web page that calls an api through a link."""
    return Bundle(
        id="i",
        onset=ONSET,
        normal=(ONSET - 120, ONSET),
        abnormal=(ONSET, END),
        services=("web", "link", "api"),
        edges=(Edge(caller="web", callee="link"), Edge(caller="link", callee="api")),
        nodes=(Node(name="link", kind=kind),),
        series=rows,
    )


def hung(kind: str = "proxy") -> Bundle:
    """The api reports nothing any more; who calls it fails."""
    mine = [series("api", f"{name}_seconds", 0.05, 0.05, until=ONSET) for name in ("read", "write", "search")]
    seen = [series("api", 'probe_up{probe="health"}', 1.0, 0.0), series("link", "process_up", 1.0, 1.0)]
    web = [series("web", "request_rate", 9.0, 9.0), series("web", "error_ratio", 0.0, 0.6)]
    return shop(*mine, *seen, *web, kind=kind)


def test_who_fell_silent_behind_a_proxy_is_the_origin() -> None:
    """The page fails because the api behind the link answers nobody; the link passes calls on and explains nothing."""
    facts = Facts(hung())
    assert (facts.callees("web"), facts.callers("api")) == (["link", "api"], ["link", "web"])
    assert [s.service for s in silent(facts)] == ["api"]
    top = diagnose(hung()).top
    assert top is not None
    assert top.service == "api"
    assert Facts(hung(kind="api")).callees("web") == ["link"]


def test_what_is_silent_for_most_of_the_trouble_is_silent() -> None:
    """One report as it begins, or some as it ends, do not hide it; one that is late does not make it."""
    gap = series("api", "read_seconds", 0.05, 0.05)
    times = [t for t in gap.times if not ONSET + 1 < t < ONSET + 22]
    gone = replace(gap, times=tuple(times), values=tuple(0.05 for _ in times))
    others = [series("web", "read_seconds", 0.05, 0.05), series("link", "read_seconds", 0.05, 0.05)]
    assert [s.service for s in silent(Facts(shop(gone, *others)))] == ["api"]
    times = [t for t in gap.times if not ONSET + 1 < t < ONSET + 5]
    late = replace(gap, times=tuple(times), values=tuple(0.05 for _ in times))
    assert silent(Facts(shop(late, *others))) == []


def test_the_first_failures_that_are_counted_are_a_change() -> None:
    """A counter with a label appears with its first event: none were before. New traffic or latencies are no failures."""
    rows = [
        series("api", 'requests_total{status="200"}', 5.0, 5.0),
        series("api", 'requests_total{status="429"}', None, 4.0),
        series("api", 'requests_total{status="201"}', None, 4.0),
        series("api", 'query_seconds{query="order_fail"}', None, 0.1),
        series("api", 'query_seconds{query="order"}', 0.1, 0.1),
        series("link", 'errors_total{kind="x"}', None, 4.0),
    ]
    bundle = shop(*rows)
    (found,) = appeared(rows, find_windows(bundle))
    assert (found.metric, found.values[0], found.values[-1] > 3.9) == (rows[1].metric, 0.0, True)
    (seen,) = [c for c in contrasts(bundle, find_windows(bundle)) if c.metric == rows[1].metric]
    assert (seen.before, seen.reach > 5) == (0.0, True)


def unanswered(world: World, *pairs: tuple[str, str]) -> Bundle:
    """The world, in which these probes got no answer in time."""
    gaps = [Reading(probe=p, service=s, time=NOW, ok=None, data_gap="no answer within 2 s") for p, s in pairs]
    kept = tuple(r for r in world.bundle().readings if (r.probe, r.service) not in pairs)
    return replace(world.bundle(), readings=(*kept, *gaps))


def mute_database() -> World:
    world = World().users_fail("timed out")
    return world.say("db_activity", "postgres", False, reachable=False, error="no answer in time")


STRANGERS = (("http_health", "payments"), ("tcp_health", "cache"), ("cache_health", "cache"))


@pytest.mark.parametrize(
    ("pairs", "verdict"), [((), DiagnosisVerdict.FAULT), (STRANGERS, DiagnosisVerdict.INCONCLUSIVE)]
)
def test_an_asker_that_is_too_slow_accuses_nobody(
    pairs: tuple[tuple[str, str], ...], verdict: DiagnosisVerdict
) -> None:
    """That a database did not answer in time means little where what has nothing to do with it did not answer either."""
    found = diagnose(unanswered(mute_database(), *pairs))
    assert found.top is not None
    assert (found.verdict, found.top.service) == (verdict, "postgres")


def test_a_host_that_does_not_answer_is_no_symptom() -> None:
    """What the machine or its supervisor tells cannot be silenced by a service: such a gap costs confidence."""
    spoken, unknown = mute_database(), unanswered(mute_database(), ("process_state", "postgres"))
    known, blind = diagnose(spoken.bundle()), diagnose(unknown)
    assert blind.confidence < known.confidence
    assert any("process_state of postgres" in spot for spot in blind.blind_spots)
    own_page = diagnose(unanswered(mute_database(), ("http_health", "api")))
    assert own_page.confidence == pytest.approx(known.confidence, abs=0.01)


def call(number: int, *, slow: float, other: dict[str, str]) -> list[Span]:
    """A request to the api, which calls something that has no spans of its own."""
    entry = Span(
        trace_id=f"t{number}",
        span_id=f"a{number}",
        service="api",
        operation="GET /",
        start=ONSET - 120 + number,
        duration_ms=20.0 + slow,
    )
    waits = replace(
        entry,
        span_id=f"b{number}",
        parent_id=f"a{number}",
        operation="query",
        duration_ms=10.0 + slow,
        attributes=other,
    )
    return [entry, waits]


def stored(**other: str) -> Bundle:
    """The api keeps its data behind a link, and its calls there become slow with the onset."""
    spans = [s for i in range(150) for s in call(i, slow=0.0 if i < 120 else 900.0, other=dict(other))]
    return Bundle(
        id="i",
        onset=ONSET,
        normal=(ONSET - 120, ONSET),
        abnormal=(ONSET, END),
        services=("api", "link", "store", "cache"),
        edges=tuple(Edge(caller=a, callee=b) for a, b in (("api", "link"), ("link", "store"), ("api", "cache"))),
        nodes=tuple(Node(name=n, kind=k) for n, k in (("link", "proxy"), ("store", "database"), ("cache", "cache"))),
        spans=tuple(spans),
    )


@pytest.mark.parametrize("attributes", [{"peer.service": "store"}, {"db.system": "postgresql"}])
def test_a_call_without_an_other_end_is_waiting_for_it(attributes: dict[str, str]) -> None:
    """Its time is no work of the caller's; nothing tells a slow store from a slow way to it, so both are suspected, half each."""
    slow, _ = slower(Facts(stored(**attributes)), forest(stored(**attributes).spans))
    assert {s.service: round(s.share, 2) for s in slow} == {"store": 0.5, "link": 0.5}
    found = diagnose(stored(**attributes))
    assert {h.service for h in found.hypotheses[:2]} == {"store", "link"}
    assert found.confidence < 0.8


def test_a_call_to_nobody_known_stays_the_callers_own() -> None:
    """A system of another kind, or none that is named, explains nothing."""
    for attributes in ({"db.system": "cassandra-nowhere", "peer.service": "moon"}, {}):
        bundle = replace(stored(**attributes), nodes=())
        slow, _ = slower(Facts(bundle), forest(bundle.spans))
        assert [s.service for s in slow] == ["api"]


def test_a_log_speaks_where_the_calls_could_not_be_counted() -> None:
    """Nobody counted the calls to payments; what the api wrote names the dependency and the class, with less confidence."""
    world = World().users_fail().log("api", "POST /orders failed: payments answered 429: too many requests")
    counted = world.bundle()
    world.say(
        "upstream_status", "api", False, dependency="payments", statuses={"200": 5, "429": 50}, recent_error_ratio=0.9
    )
    known, told = diagnose(world.bundle()), diagnose(unanswered(World(), ("upstream_status", "api")))
    gap = diagnose(replace(unanswered(World().users_fail(), ("upstream_status", "api")), logs=counted.logs))
    assert gap.top is not None
    assert (gap.top.service, gap.top.fault_class) == ("payments", "upstream_429")
    assert gap.confidence < known.confidence
    assert told.verdict is DiagnosisVerdict.HEALTHY


def test_signals_are_evidence_of_what_a_rule_says_about_the_same_service() -> None:
    """One hypothesis with both, instead of two that share the belief; a rule that is unsure takes nothing up."""
    sign = Sign(kind="metric", source="metrics:api", excerpt="slow", supports="it is slow")
    mere = Claim(service="api", fault_class=None, strength=0.8, statement="here", signs=(sign,))
    found = (finding(Condition.POOL_SATURATED, "api"),)
    for strength, left in ((0.6, [("pool_exhaustion", 0.8)]), (0.4, [(None, 0.8), ("pool_exhaustion", 0.4)])):
        ruled = Claim(service="api", fault_class="pool_exhaustion", strength=strength, statement="full", findings=found)
        kept = merge([mere, ruled])
        assert [(c.fault_class, c.strength) for c in kept] == left
    assert sign in merge([mere, replace(ruled, strength=0.6)])[0].signs


@pytest.mark.parametrize(("slower_queries", "verdict"), [(1, DiagnosisVerdict.HEALTHY), (2, DiagnosisVerdict.FAULT)])
def test_one_odd_series_is_no_trouble_while_users_are_served(slower_queries: int, verdict: DiagnosisVerdict) -> None:
    """Of hundreds of series one always looks odd; outside checks that pass outweigh it, and not what two services tell."""
    served = Reading(probe="http_health", service="web", time=END, ok=True, values={"user_facing": True})
    slow = [series(s, "query_seconds", 0.01, 0.04) for s in ("api", "link")[:slower_queries]]
    calm = [series("web", "latency_seconds", 0.05, 0.05), series("web", "error_ratio", 0.0, 0.0)]
    assert diagnose(replace(shop(*slow, *calm), readings=(served,))).verdict is verdict


def test_a_culprit_without_metrics_of_its_own_is_believed_less() -> None:
    """Metrics are read, and none of them is the culprit's; without any metrics that is no second gap."""
    measured = looked_at(shop(series("web", "error_ratio", 0.0, 0.6)))
    assert missing(measured, "api") == [*missing(measured, "web"), OWN_METRICS]
    assert OWN_METRICS not in missing(looked_at(shop()), "api")


def looked_at(bundle: Bundle) -> Facts:
    """The bundle of an incident that probes looked at."""
    return Facts(replace(bundle, readings=(Reading(probe="http_health", service="web", time=END, ok=True),)))


def asked(kind: str, rows: int, gap: str = "") -> Origin:
    return Origin(source=f"{kind} store", kind=kind, window=(ONSET, END), rows=rows, gap=gap)


def test_only_a_source_that_there_was_is_missed() -> None:
    """What was never told is no gap of this incident; what was told and is not here is, and what could not tell as well."""
    bundle = shop(series("web", "error_ratio", 0.0, 0.6))
    assert missing(Facts(bundle), "web") == []
    told = (asked("metrics", 3), asked("logs", 0), asked("spans", 0, "no answer within 10 s"))
    assert missing(Facts(replace(bundle, origins=told)), "web") == ["spans"]
    probed = replace(bundle, origins=(asked("probes", 12),))
    assert missing(Facts(probed), "web") == ["logs", "spans", "probes"]
    assert missing(looked_at(bundle), "web") == ["logs", "spans"]


KINDS = st.lists(st.sampled_from(["metrics", "logs", "spans", "probes", OWN_METRICS]), unique=True)


@given(said=st.floats(0.01, 1.0), gone=KINDS, also=KINDS, direct=st.booleans())
def test_the_more_is_missing_the_less_is_left(said: float, gone: list[str], also: list[str], direct: bool) -> None:
    """A probability stays one; a reading of the abnormal state itself needs other sources less than signals do."""
    more = [*gone, *(kind for kind in also if kind not in gone)]
    left, less = less_without(said, gone, direct=direct), less_without(said, more, direct=direct)
    assert 0.0 <= less <= left <= 1.0
    assert less_without(said, more, direct=False) <= less_without(said, more, direct=True)


def test_signals_alone_are_believed_less_where_probes_used_to_look() -> None:
    """The same signals, once of a system that nobody probes, once of one whose probes' answers are gone."""
    bundle = hung()
    alone, robbed = diagnose(bundle), diagnose(replace(bundle, origins=(asked("probes", 12),)))
    assert robbed.top is not None
    assert alone.top is not None
    assert robbed.top.service == alone.top.service
    assert robbed.confidence < alone.confidence
