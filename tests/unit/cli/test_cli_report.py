"""The HTML report: complete, self-contained, and safe whatever the bundle holds."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from agents.perception import diagnose
from agents.perception.contrast import contrasts
from agents.perception.facts import Facts
from cli.main import app
from cli.report import render
from cli.report.callgraph import Weight, call_graph
from cli.report.first_signs import first_signs
from cli.report.scale import number, span, thinned, ticks
from domain.alert import Change
from domain.bundle import AlertHint, Bundle, Edge, Series
from domain.diagnosis import DiagnosisVerdict, Evidence, SecondOpinion
from domain.report import Sentence
from domain.usage import Usage
from tools.bundle import write_bundle

T0 = 1_772_359_200.0
EVIL = "<script>alert(1)</script>\" onload='x' \u202e&"


def shop(name: str = "cart", **more: object) -> Bundle:
    """Two services; the callee slows down from T0 on, after a deploy."""
    times = tuple(T0 - 600 + 10 * i for i in range(90))
    slow = tuple(0.1 + 0.001 * (i % 7) + (0.9 if t >= T0 else 0.0) for i, t in enumerate(times))
    fields: dict[str, object] = {
        "id": "case-1",
        "title": f"{name} is slow",
        "alert": AlertHint(service="web", summary=f"slow {name}", started_at=T0 + 30),
        "normal": (T0 - 600, T0),
        "abnormal": (T0, T0 + 300),
        "services": ("web", name),
        "edges": (Edge(caller="web", callee=name), Edge(caller=name, callee="web")),
        "series": tuple(Series(service=s, metric="latency_p95", times=times, values=slow) for s in ("web", name)),
        "changes": (Change(id="d" * 40, kind="deploy", time=datetime.fromtimestamp(T0 - 60, UTC), service=name),),
    }
    return Bundle(**{**fields, **more})  # type: ignore[arg-type]


class _Page(HTMLParser):
    """Collects tags and what they refer to; a real parser, so that an escape that fails shows as a tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_the_report_shows_verdict_plots_graph_and_timeline() -> None:
    """Everything the diagnosis says, with drawings of what moved."""
    bundle = shop()
    html = render(bundle, diagnose(bundle))
    page = _Page(html)
    assert page.tags.count("svg") == 3
    assert page.tags.count("figure") == 2
    for heading in (
        "Hypotheses",
        "Before and during",
        "Call graph",
        "Timeline",
        "Blind spots",
        "Next probes",
        "Evidence",
    ):
        assert f"<h2>{heading}</h2>" in html
    assert "trouble begins" in html
    assert "−1 min" in html


@pytest.mark.parametrize("bundle", [shop(EVIL), Bundle(id=EVIL), shop(title="", alert=None, series=())])
def test_the_report_needs_nothing_and_lets_nothing_through(bundle: Bundle) -> None:
    """No script, no handler, no address of anything outside; hostile names are text; empty bundles have empty states."""
    html = render(bundle, diagnose(bundle))
    page = _Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {n for n in names if n.startswith("on")} | ({"src", "srcset"} & names)
    assert all((value or "").startswith("#") for name, value in page.attributes if name == "href")
    assert not re.findall(r"url\((?!#)", html)
    assert "\u202e" not in html


def test_every_cited_piece_of_evidence_can_be_reached() -> None:
    """Links within the page lead somewhere."""
    bundle = shop()
    page = _Page(render(bundle, diagnose(bundle)))
    ids = {value for name, value in page.attributes if name == "id"}
    assert {value[1:] for name, value in page.attributes if name == "href" and value} <= {i for i in ids if i}


def test_the_command_writes_the_report(tmp_path: Path) -> None:
    """`--report` writes one file; a folder that is not there is an error a person understands."""
    case = write_bundle(shop(), tmp_path / "case")
    result = CliRunner().invoke(app, ["investigate", str(case), "--report", str(tmp_path / "r.html")])
    assert result.exit_code == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=20))
def test_any_graph_can_be_drawn(pairs: list[tuple[str, str]]) -> None:
    """Circles, loops and islands included; every service that is linked has one box."""
    edges = [Edge(caller=a, callee=b) for a, b in pairs]
    drawn = call_graph(edges, {"a": Weight(share=0.5, words="half")}, ["a"])
    links = {(a, b) for a, b in pairs if a != b}
    near = {n for link in links if "a" in link for n in link}
    boxes = drawn.count("<g>")
    assert boxes == len(near or {n for link in links for n in link})


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_within(low: float, width: float) -> None:
    """A handful of round values between both ends."""
    found = ticks(low, low + width)
    assert len(found) <= 5
    assert all(low - width * 1e-6 <= t <= low + width * (1 + 1e-6) for t in found)


def test_numbers_and_spans_as_people_read_them() -> None:
    """Three figures; two units; spikes survive thinning."""
    assert [number(v) for v in (0.01234, 1234, 12345, 2.5e9)] == ["0.0123", "1234", "12.3k", "2.5G"]
    assert [span(s) for s in (0, -200, 90061)] == ["±0 s", "−3 min 20 s", "+1 d 1 h"]
    values = [0.0] * 5000
    values[1234] = 9.0
    kept = thinned(range(5000), values)
    assert len(kept) <= 260
    assert 9.0 in [v for _, v in kept]


def one_way() -> Bundle:
    """The same without mutual calls: the callee is the cause."""
    return shop(edges=(Edge(caller="web", callee="cart"),))


def test_the_timeline_tells_who_left_the_normal_range_first() -> None:
    """The series that suffer, in order; one that was outside from its first point on says so."""
    bundle = one_way()
    facts = Facts(bundle)
    signs = first_signs(bundle, contrasts(bundle, facts.windows), facts.windows, ["cart"])
    assert [(s.time, s.service) for s in signs] == [(T0, "cart"), (T0, "web")]
    assert "leaves its normal range (0.103 → 1)" in signs[0].text
    late = replace(bundle, series=tuple(replace(s, times=s.times[62:], values=s.values[62:]) for s in bundle.series))
    again = first_signs(late, contrasts(bundle, facts.windows), facts.windows)
    assert all("is already outside of" in s.text for s in again)
    assert "leaves its normal range" in render(bundle, diagnose(bundle))


def test_faint_hypotheses_unfold() -> None:
    """What is hardly believed does not push the plots off the page."""
    found = diagnose(one_way())
    faint = found.hypotheses[0].model_copy(update={"rank": 2, "confidence": 0.04, "statement": "hardly"})
    html = render(one_way(), found.model_copy(update={"hypotheses": [found.hypotheses[0], faint]}))
    assert "1 fainter hypothesis" in html
    assert html.index("fainter") < html.index("hardly")


def test_second_opinions_and_runbooks_are_shown_escaped() -> None:
    """Who said what, what was dropped, what it cost, what tells the cause apart; a model's words are text like any other."""
    found = diagnose(one_way())
    told = Evidence(id="E99", kind="runbook", source="runbooks/x", excerpt=f"unlike a lock {EVIL}", tainted=True)
    second = SecondOpinion(
        by=f"openai:{EVIL}",
        engine_verdict=DiagnosisVerdict.FAULT,
        engine_confidence=0.9,
        speaks_for=[Sentence(text=f"for it {EVIL}", evidence=["E1"])],
        speaks_against=[Sentence(text="against it", evidence=["E2"])],
        dropped=[f"invented {EVIL}"],
        fell_back="openai:m1: too slow",
        usage=Usage(calls=3, input_tokens=1200, cost=0.01, currency="EUR"),
    )
    held = found.hypotheses[0].model_copy(update={"apart": ["E99"], "by": "openai:m1"})
    shown = found.model_copy(
        update={"hypotheses": [held], "evidence": [*found.evidence, told], "second_opinion": second}
    )
    html = render(one_way(), shown)
    assert "script" not in _Page(html).tags
    for words in ("told apart by", "unlike a lock", "only openai:m1 holds it", "for it", "against it", "1 claim dropped",
                  "too slow", "3 calls, 1,200 tokens, 0.0 s, 0.0100 EUR"):  # fmt: skip
        assert words in html


def test_investigating_loads_nothing_heavy(tmp_path: Path) -> None:
    """A cold start stays quick: no model client, graph, index or learner is imported for a look at a bundle."""
    write_bundle(one_way(), tmp_path / "case")
    heavy = (
        "{'langchain_core', 'langgraph', 'langchain_openai', 'chromadb', 'sklearn', 'bm25s', 'kubernetes', 'psycopg'}"
    )
    code = (
        f"import sys; sys.argv = ['firebreak', 'investigate', {str(tmp_path / 'case')!r}]\n"
        "from cli.main import run\n"
        "try:\n    run()\nfinally:\n"
        f"    print('HEAVY', sorted(set(sys.modules) & {heavy}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
