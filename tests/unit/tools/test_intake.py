"""Deliveries as senders write them: what they become, and how malformed ones are refused."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alert import Alert, AlertStatus
from domain.errors import IntakeError
from domain.inventory import Inventory
from domain.severity import Severity
from tools.intake import (
    SOURCES,
    Normalised,
    OpenIncident,
    dedup_key,
    describe,
    detect,
    normalise,
    proof,
    resolve_service,
    route,
)
from tools.intake.generic import GenericMapping
from tools.intake.route import group_of

PAYLOADS = Path(__file__).parents[2] / "data" / "payloads"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = sorted([*PAYLOADS.glob("alertmanager_*.json"), *PAYLOADS.glob("prometheus_*.json")])


def read(source: str, body: object, **headers: str) -> Normalised:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return normalise(source, {k.replace("_", "-"): v for k, v in headers.items()}, raw, NOW, "d1")


def sample(name: str) -> Normalised:
    return normalise("alertmanager", {}, (PAYLOADS / name).read_bytes(), NOW, "d1")


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.stem)
def test_every_alertmanager_sample_normalises(path: Path) -> None:
    """Each sample gives its alerts, is recognised by its shape, and has a route."""
    found = sample(path.name)
    assert len(found.alerts) == len(json.loads(path.read_bytes())["alerts"])
    assert all(a.title and a.identity and a.group_key and a.raw_ref == "d1" for a in found.alerts)
    assert detect(path.read_bytes()) == "alertmanager"
    assert {a["route"] for a in describe(path.read_bytes())["alerts"]} <= {"opened", "grouped", "ignored"}


def test_a_huge_integer_group_key_keeps_all_its_digits() -> None:
    """Version 3 sends an integer beyond 64 bits."""
    assert sample("alertmanager_v3_int_groupkey.json").alerts[0].group_key == "43434343434343434343"


def test_fingerprints_are_never_recomputed() -> None:
    """Two alerts that look the same and are not stay two."""
    alerts = sample("alertmanager_v4_two_same_host_empty_grouplabels.json").alerts
    assert [a.identity for a in alerts] == ["a1bc48475b20e73d", "c2ea85182f28cbd9"]
    assert alerts[0].labels == alerts[1].labels


def test_a_missing_fingerprint_is_made_from_the_labels() -> None:
    """The same labels give the same identity, whatever the order."""
    labels = {"alertname": "A", "host": "h"}
    one = read("alertmanager", {"alerts": [{"labels": labels}]}).alerts[0]
    two = read("alertmanager", {"alerts": [{"labels": dict(reversed(labels.items()))}]}).alerts[0]
    assert one.identity == two.identity
    assert one.status is AlertStatus.FIRING


def test_times_with_nine_digits_offsets_and_year_one() -> None:
    """The sample's -05:00 offset and nanoseconds are understood; year 1 means still open."""
    alert = sample("alertmanager_v4_no_fingerprint_no_generator.json").alerts[0]
    assert alert.started_at == datetime(2018, 3, 7, 11, 33, 21, 873077, tzinfo=UTC)
    assert alert.ended_at is None


def test_resolved_alerts_in_a_firing_group_are_resolved() -> None:
    """Status is read per alert."""
    body = {
        "status": "firing",
        "truncatedAlerts": 3,
        "notification_reason": "repeat",
        "alerts": [
            {
                "labels": {"alertname": "A"},
                "status": "resolved",
                "startsAt": "2026-01-01T00:00:00Z",
                "endsAt": "2026-01-01T00:05:00Z",
            },
            {"labels": {"alertname": "B"}, "startsAt": "2026-01-01T00:00:00Z"},
            {"labels": {"alertname": "C"}, "status": "odd"},
        ],
    }
    found = read("alertmanager", body)
    assert [a.status.value for a in found.alerts] == ["resolved", "firing", "unknown"]
    assert found.alerts[0].ended_at == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    assert (found.truncated, found.reason) == (3, "repeat")


def test_a_repeat_is_the_same_episode_and_a_new_start_is_another() -> None:
    """Identity plus start is the episode."""

    def alert(start: str) -> str:
        return dedup_key(read("alertmanager", {"alerts": [{"labels": {"a": "b"}, "startsAt": start}]}).alerts[0])

    assert alert("2026-01-01T00:00:00Z") == alert("2026-01-01T01:00:00+01:00") != alert("2026-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("CRITICAL", Severity.CRITICAL),
        ("Warn", Severity.WARNING),
        ("P2", Severity.HIGH),
        ("purple", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
    ],
)
def test_severity_words(word: str, severity: Severity) -> None:
    """Capitals do not matter, and a word nobody knows stays unknown with the word kept."""
    alert = read("generic", {"title": "x", "severity": word}).alerts[0]
    assert (alert.severity, alert.severity_raw) == (severity, word)


def test_text_is_moved_never_formatted() -> None:
    """Template and markup characters of a stranger arrive as they are; script links do not arrive."""
    alert = read(
        "alertmanager",
        {"alerts": [{"labels": {"alertname": "{0.__class__} %s {{x}} <b>"}, "generatorURL": "javascript:alert(1)"}]},
    ).alerts[0]
    assert alert.title == "{0.__class__} %s {{x}} <b>"
    assert alert.links == {}


def test_the_proof_of_whoever_verified_is_kept() -> None:
    """The verifier's header becomes the signature."""
    found = read("generic", {"title": "x"}, X_Firebreak_Proof="bearer")
    assert found.alerts[0].signature.verified
    assert not read("generic", {"title": "x"}).alerts[0].signature.verified


def test_the_plain_list_that_prometheus_sends() -> None:
    """Alerts without a group around them normalise too."""
    body = [
        {
            "labels": {"alertname": "A", "service": "api"},
            "startsAt": "2026-01-01T00:00:00Z",
            "generatorURL": "http://p/g",
        }
    ]
    assert read("alertmanager", body).alerts[0].service == "api"
    assert detect(json.dumps(body).encode()) == "alertmanager"


MALFORMED = [
    ("alertmanager", b"", "the body"),
    ("alertmanager", b"{", "the body"),
    ("alertmanager", b"\xff\xfe", "the body"),
    ("alertmanager", b"[" * 100_000, "the body"),
    ("alertmanager", b'{"alerts": [{"labels": {"v": NaN}}]}', "the body"),
    ("alertmanager", b"{}", "alerts"),
    ("alertmanager", b'{"alerts": []}', "alerts"),
    ("alertmanager", b'{"alerts": {}}', "alerts"),
    ("alertmanager", b'{"alerts": [3]}', "alerts[0]"),
    ("alertmanager", b'{"alerts": [{}]}', "alerts[0]"),
    ("alertmanager", b'{"version": "1", "alerts": [{"labels": {"a": "b"}}]}', "version"),
    ("alertmanager", b'{"alerts": [{"labels": "x"}]}', "alerts[0].labels"),
    ("alertmanager", b'{"alerts": [{"labels": {"a": "b"}, "startsAt": "noon"}]}', "alerts[0].startsAt"),
    ("alertmanager", b'{"truncatedAlerts": "x", "alerts": [{"labels": {"a": "b"}}]}', "truncatedAlerts"),
    ("generic", b'{"message": "x"}', "says nothing"),
    ("generic", b'{"title": {"a": 1}}', "title"),
    ("change", b'{"kind": "party", "summary": "x"}', "kind"),
    ("change", b'{"kind": "deploy"}', "change 0"),
    ("change", b'{"summary": "x", "files": "a"}', "files"),
]


@pytest.mark.parametrize(("source", "body", "place"), MALFORMED)
def test_malformed_deliveries_say_what_was_expected(source: str, body: bytes, place: str) -> None:
    """The error names the place, what was expected and what was found."""
    with pytest.raises(IntakeError) as error:
        normalise(source, {}, body, NOW, "d")
    assert place in error.value.message
    assert error.value.expected
    assert error.value.found


@pytest.mark.parametrize(
    "name", ["grafana_v9_mixed_firing_resolved.json", "pagerduty_v3_triggered.json", "riemann_ok.json"]
)
def test_unknown_sources_are_told_the_known_ones(name: str) -> None:
    """Neither by name nor by shape is a source guessed."""
    body = (PAYLOADS / name).read_bytes()
    with pytest.raises(IntakeError) as error:
        normalise(name.partition("_")[0], {}, body, NOW, "d")
    assert all(source in error.value.expected for source in SOURCES)
    with pytest.raises(IntakeError) as error:
        describe(body)
    assert error.value.code == "intake.unknown_source"


def test_the_generic_shape_with_all_fields() -> None:
    """Every documented field arrives; the alias of identity too."""
    alert = read(
        "generic",
        {
            "title": "t",
            "summary": "s",
            "status": "OK",
            "severity": "high",
            "service": "api",
            "environment": "prod",
            "dedup_key": "k",
            "group_key": "g",
            "started_at": 1_767_225_600_000,
            "ended_at": "2026-01-01T00:01:00Z",
            "labels": {"a": 1, "nested": {"b": 2}},
            "annotations": {"n": None},
            "links": {"run": "https://x/y", "bad": "ftp://x"},
            "values": {"big": 2**70, "ratio": 0.5, "word": "w"},
        },
    ).alerts[0]
    assert (alert.identity, alert.group_key, alert.status, alert.environment) == (
        "k",
        "g",
        AlertStatus.RESOLVED,
        "prod",
    )
    assert alert.started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert alert.labels == {"a": "1", "nested": '{"b": 2}'}
    assert alert.links == {"run": "https://x/y"}
    assert alert.values == {"big": 2**70, "ratio": 0.5, "word": "w"}


def test_a_mapping_moves_fields_of_another_shape() -> None:
    """Dotted paths, constants and words for statuses and severities."""
    mapping = GenericMapping(
        items="problems",
        fields={"title": "what.name", "identity": "id", "status": "state", "severity": "level", "service": "tags.0"},
        constants={"environment": "lab"},
        statuses={"bad": AlertStatus.FIRING, "fine": AlertStatus.RESOLVED},
        severities={"9": Severity.CRITICAL},
    )
    body = {"problems": [{"what": {"name": "disk"}, "id": 7, "state": "fine", "level": 9, "tags": ["db"]}]}
    alert = normalise("generic", {}, json.dumps(body).encode(), NOW, "d", mapping=mapping).alerts[0]
    assert (alert.title, alert.identity, alert.status, alert.severity) == (
        "disk",
        "7",
        AlertStatus.RESOLVED,
        Severity.CRITICAL,
    )
    assert (alert.service, alert.environment) == ("db", "lab")
    assert describe(json.dumps(body).encode(), mapping=mapping)["source"] == "generic"


def test_changes_normalise_and_are_redacted() -> None:
    """One, a list or wrapped; deploy when unsaid; the same change gets the same id; secrets go."""
    body = {"service": "api", "version": "2", "time": "2026-01-01T00:00:00Z", "diff": "+password=hunter2"}
    one = read("change", body).changes[0]
    assert (one.kind, one.version) == ("deploy", "2")
    assert "hunter2" not in one.diff
    assert read("change", [body]).changes == read("change", {"changes": [body]}).changes == [one]
    assert detect(b'{"kind": "flag", "summary": "x"}') == "change"


def test_alerts_find_their_service_in_the_inventory() -> None:
    """By `alert_match` first, by name else, and otherwise they keep what they said."""
    inventory = Inventory.model_validate(
        {
            "services": [
                {"name": "api", "kind": "api", "alert_match": {"job": "shop-api"}},
                {"name": "db", "kind": "database"},
            ]
        }
    )

    def found(**labels: str) -> str:
        return resolve_service(read("alertmanager", {"alerts": [{"labels": labels}]}).alerts[0], inventory).service

    assert found(job="shop-api") == "api"
    assert found(service="DB") == "db"
    assert found(service="other") == "other"


def firing(identity: str = "i", group: str = "g", service: str = "", status: str = "firing") -> Alert:
    return read(
        "generic",
        {
            "title": "t",
            "identity": identity,
            "group_key": group,
            "service": service,
            "status": status,
            "started_at": 1_767_225_600,
        },
    ).alerts[0]


def test_routing_rules_in_their_order() -> None:
    """Each rule has a case, and each decision says its rule."""
    alert = firing()
    holder = OpenIncident(
        id="inc",
        group_key=group_of(alert),
        opened_at=NOW,
        services=frozenset({"api"}),
        episodes=frozenset({dedup_key(alert)}),
    )
    late = NOW + timedelta(hours=1)
    cases: list[tuple[Alert, list[OpenIncident], dict[str, Any], str, str | None]] = [
        (alert, [], {}, "opened", None),
        (alert, [holder], {}, "duplicate", "inc"),
        (firing("other"), [holder], {}, "grouped", "inc"),
        (firing("x", "y", "api"), [holder], {}, "grouped", "inc"),
        (firing("x", "y", "db"), [holder], {"neighbours": {"db": {"api"}}}, "grouped", "inc"),
        (firing("x", "y", "db"), [holder], {"neighbours": {"db": {"api"}}, "now": late}, "opened", None),
        (firing("x", "y"), [holder], {"opened_lately": 99}, "throttled", "inc"),
        (firing(status="resolved"), [holder], {}, "resolved", "inc"),
        (firing(status="resolved"), [], {}, "ignored", None),
        (firing(status="ack"), [holder], {}, "suppressed", "inc"),
        (firing(status="silenced"), [], {}, "suppressed", None),
        (firing(status="whatever"), [], {}, "opened", None),
    ]
    for given_alert, incidents, more, rule, incident in cases:
        decided = route(given_alert, incidents, **{"now": NOW, **more})
        assert (decided.rule, decided.incident) == (rule, incident), decided
        assert decided.text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["firing", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "alerts",
                    "labels",
                    "annotations",
                    "status",
                    "startsAt",
                    "endsAt",
                    "version",
                    "groupKey",
                    "fingerprint",
                    "title",
                    "summary",
                    "kind",
                    "time",
                    "changes",
                    "values",
                    "links",
                    "commonLabels",
                    "truncatedAlerts",
                    "service",
                    "files",
                    "id",
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(source=st.sampled_from(SOURCES), body=JSON.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_delivery_is_normalised_or_refused(source: str, body: bytes) -> None:
    """Whatever arrives: a result that can be stored, or an IntakeError. Nothing else, ever."""
    with contextlib.suppress(IntakeError):
        assert normalise(source, {}, body, NOW, "d").model_dump_json().encode()
    with contextlib.suppress(IntakeError):
        assert json.dumps(describe(body)).encode()


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_normalising_is_deterministic(value: object) -> None:
    """The same bytes give the same result, so that a delivery can be replayed."""
    body = json.dumps({"alerts": [{"labels": {"a": "b"}, "annotations": {"v": value}}]}).encode()
    try:
        first = normalise("alertmanager", {}, body, NOW, "d")
    except IntakeError:
        return
    assert first == normalise("alertmanager", {}, body, NOW, "d")


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "Webhook-Timestamp": "1614265330",
    "webhook-signature": "v2,zzz v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY = b'{"test": 2432232314}'


def test_standard_webhooks_signatures() -> None:
    """The published vector holds; a changed body, id, old stamp, other secret or missing header does not."""
    assert proof.standard_webhooks(SIGNED, BODY, ["", "whsec_AAAA", SECRET], now=1614265331).verified
    assert not proof.standard_webhooks(SIGNED, BODY + b" ", [SECRET], now=1614265331).verified
    assert not proof.standard_webhooks(SIGNED | {"webhook-id": "x"}, BODY, [SECRET], now=1614265331).verified
    assert not proof.standard_webhooks(SIGNED, BODY, [SECRET], now=1614265331 + 301).verified
    assert not proof.standard_webhooks(SIGNED, BODY, ["whsec_AAAA", "not base64!"], now=1614265331).verified
    assert not proof.standard_webhooks({}, BODY, [SECRET], now=1614265331).verified
    assert not proof.standard_webhooks(SIGNED | {"Webhook-Timestamp": "١"}, BODY, [SECRET], now=1.0).verified


def test_plain_hmac_over_raw_bytes_with_several_secrets() -> None:
    """The published vector holds over the exact bytes, among several signatures and several secrets."""
    body = (PAYLOADS / "pagerduty_v3_priority_updated_signed.raw.txt").read_bytes()
    secret = "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK"
    given_header = "v1=00, v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd"
    assert proof.hmac_sha256(given_header, body, ["old", secret], prefix="v1=").verified
    assert not proof.hmac_sha256(given_header, body + b"\n", [secret], prefix="v1=").verified
    assert not proof.hmac_sha256("", body, [secret], prefix="v1=").verified


def test_bearer_tokens() -> None:
    """Several tokens are valid at once; an empty one never is."""
    assert proof.bearer({"Authorization": "Bearer b"}, ["a", "b"]).verified
    assert not proof.bearer({"Authorization": "Bearer "}, ["", "b"]).verified
    assert not proof.bearer({"Authorization": "Basic b"}, ["b"]).verified
    assert not proof.bearer({}, ["b"]).verified


@given(st.binary(max_size=64), st.binary(min_size=1, max_size=32))
def test_a_signature_of_one_body_proves_no_other(body: bytes, key: bytes) -> None:
    """Signing and checking agree, and any other body fails."""
    secret = "whsec_" + base64.b64encode(key).decode()
    mac = hmac.new(key, b"m.1000." + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": "1000",
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    assert proof.standard_webhooks(headers, body, [secret], now=1000).verified
    assert not proof.standard_webhooks(headers, body + b"x", [secret], now=1000).verified
