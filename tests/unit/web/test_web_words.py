from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import ActionCall
from web import words
from web.login import local_path
from web.pages import environment


@given(st.text())
def test_cited_text_is_always_escaped(text: str) -> None:
    """Whatever the text says, only our own links are markup and the words stay the same."""
    marked = str(words.cite(text, {"E1", "L2"}))
    assert re.sub(r'<a class="ref" href="[^"<>]*">([EL]\d+)</a>', r"\1", marked) == str(
        html.escape(text, quote=True)
    ).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


def test_only_known_evidence_becomes_a_link() -> None:
    """An id that nothing stands behind stays text."""
    marked = str(words.cite("because of E1, not E9 or XE1 (L2)", {"E1", "L2"}))
    assert 'href="#E1"' in marked
    assert 'href="/ledger?seq=2#L2"' in marked
    assert "E9</a>" not in marked
    assert marked.count("<a ") == 2


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        " jAvaScript:1",
        "data:text/html,x",
        "//host/x",
        "/x",
        "http:///x",
        "https://a b",
        "file:///etc",
        "",
    ],
)
def test_no_other_scheme_becomes_a_link(target: str) -> None:
    """Only absolute http and https addresses are links."""
    assert words.safe_url(target) == ""


def test_web_addresses_are_links() -> None:
    """Plain addresses pass unchanged."""
    assert words.safe_url(" https://grafana.example/d/1?x=2 ") == "https://grafana.example/d/1?x=2"


@given(st.text(max_size=60))
def test_a_local_path_never_leaves(target: str) -> None:
    """Whatever was asked for, the redirect starts with one slash and stays here."""
    path = local_path(target)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isprintable()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0421, "42 ms"),
        (3.84, "3.8 s"),
        (75, "1 min 15 s"),
        (3725, "1 h 2 min"),
        (None, "–"),
        (timedelta(seconds=2), "2.0 s"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """The largest two units that a person needs."""
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.61, "61 %"), (0.9996, "99.96 %"), (0.99, "99 %"), (1.0, "100 %"), (0.0, "0 %"), (0.004, "0.4 %"), (None, "–")],
)
def test_percentages(share: float | None, text: str) -> None:
    """Shares near 0 and 1 keep what matters."""
    assert words.percent(share) == text


def test_numbers_and_readings() -> None:
    """Counts are grouped, floats rounded, units kept."""
    assert words.number(12345) == "12,345"
    assert words.number(2.0414) == "2.04"
    assert words.number(54321.7) == "54,322"
    assert words.number(True) == "yes"
    assert words.number(None) == "–"
    assert words.reading(0.25, "s") == "250 ms"
    assert words.reading(0.25, "ratio") == "25 %"


def test_calls_read_like_code() -> None:
    """Target first, then the arguments as JSON."""
    assert words.call(ActionCall(action="scale_pool", target="api", args={"size": 12})) == "scale_pool(api, size=12)"
    assert words.call(None) == ""


def test_sparklines() -> None:
    """A line needs two values; gaps are left out and the goal is in sight."""
    assert words.sparkline([1.0]).path == ""
    spark = words.sparkline([0, None, 10], goal=5)
    assert spark.path == "0.0,22.0 100.0,2.0"
    assert spark.goal == 12.0
    assert words.sparkline([3, 3]).path == "0.0,22.0 100.0,22.0"


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=50), st.none() | st.floats(-1e9, 1e9))
def test_sparklines_stay_in_their_box(points: list[float | None], goal: float | None) -> None:
    """No value, however wild, is drawn outside."""
    spark = words.sparkline(points, goal)
    for pair in spark.path.split():
        x, y = map(float, pair.split(","))
        assert 0 <= x <= 100
        assert 1.9 <= y <= 22.1


def test_levels_lines_and_names_in_words() -> None:
    """Objectives say their direction, series their labels, alerts their service; ids are not grouped in thousands."""
    assert words.level("error_ratio") == "requests without error"
    assert words.level("own_thing") == "own thing"
    assert words.line(0.99, "availability", "ratio") == "at least 99 %"
    assert words.line(0.75, "latency_p95", "s") == "at most 750 ms"
    assert words.metric('error_ratio{route="/cart"}') == "error ratio, route /cart"
    assert words.headline("ProcessDown", "api") == "ProcessDown on api"
    assert words.headline("api is down", "api") == "api is down"
    assert words.ticked("`ps <x>` shows R") == "<code>ps &lt;x&gt;</code> shows R"
    assert words.facts({"pid": 11513, "rows": 11513}) == [("pid", "11513"), ("rows", "11,513")]
    assert words.percent(-2.2778) == "-228 %"


def test_gists_of_ledger_rows() -> None:
    """What a person looks for comes first, long ones are cut, digests and nested values are left to the row."""
    steps = [{"call": {"action": "a", "target": "b"}, "digest": "f" * 64}]
    assert words.gist({"by": "rules", "plan": {"id": "plan-0eaba4904be6", "steps": steps}}) == "a(b)"
    assert words.gist({"plan": "plan-0eaba4904be6", "steps": steps}) == "a(b)"
    assert words.gist({"digest": "f" * 64}) == "names and digests only"
    assert words.gist({"x": 1, "target": "api", "action": "restart_service"}) == "restart_service, api"
    assert words.gist({"call": {"action": "a", "target": "b"}, "outcome": "failed"}) == "a(b), failed"
    assert words.gist({}) == "no content"
    assert len(words.gist({"summary": "y" * 500})) == 121


def test_times_and_facts() -> None:
    """Unknown times say so; nested facts become compact JSON."""
    assert "not known" in words.clock(None)
    at = datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
    assert 'datetime="2026-11-02T03:04:05+00:00"' in words.clock(at)
    assert words.day(at) == "2 Nov 2026"
    assert words.facts({"in_use": 5, "routes": {"a": 1}, "none": None}) == [
        ("in use", "5"),
        ("routes", '{"a": 1}'),
        ("none", "–"),
    ]
    assert words.spoken(None) == ""
    assert words.pretty({"a": 1}) == '{\n  "a": 1\n}'


def test_templates_escape_by_default() -> None:
    """A value in a template is text, not markup."""
    template = environment().from_string("{{ x }}")
    assert template.render(x="<script>") == "&lt;script&gt;"
