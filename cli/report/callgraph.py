"""Who calls whom as SVG, callers left, each service with what it added that nobody below explains. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cli.report.scale import label
from domain.bundle import Edge

BOX_W, BOX_H, GAP_X, GAP_Y, PAD = 200, 46, 52, 14, 8
MOST = 24
CROWDED = 3
"""Calls per service from which a drawing of all of them shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A service's unexplained excess: share of all (0–1) and in words."""

    share: float
    words: str


def call_graph(edges: Iterable[Edge], weights: Mapping[str, Weight], suspects: Sequence[str]) -> str:
    """The part of the graph around who suffers and who is suspected; empty without edges among them."""
    links = sorted({(e.caller, e.callee) for e in edges if e.caller != e.callee})
    names = _chosen(links, [*suspects, *sorted(weights, key=lambda s: -weights[s].share)])
    kept = [(a, b) for a, b in links if a in names and b in names]
    if len(kept) > CROWDED * len(names):  # everybody talks to everybody: only what touches a suspect says anything
        kept = [(a, b) for a, b in kept if {a, b} & {*suspects[:1], *weights}] or kept
    linked = {n for link in kept for n in link}
    names = [n for n in names if n in linked]
    if not names:
        return ""
    places = _places(_layers(names, kept), weights)
    width = max(x for x, _ in places.values()) + BOX_W + PAD
    height = max(y for _, y in places.values()) + BOX_H + PAD
    head = (
        f'<svg viewBox="0 0 {width} {height}" style="min-width:{width}px;max-width:{width}px" role="img" '
        f'aria-label="Call graph of {len(names)} services">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" '
        'markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="arrow" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    pairs = {(a, b) for a, b in kept if (b, a) in kept}
    drawn = [(a, b) for a, b in kept if (a, b) not in pairs or (places[a], a) < (places[b], b)]
    curves = [_curve(places[a], places[b], bad=a in weights and b in weights, both=(a, b) in pairs) for a, b in drawn]
    quiet = "no excess" if weights else ""
    boxes = [_box(n, places[n], weights.get(n) or Weight(share=0.0, words=quiet), n in suspects[:1]) for n in names]
    return head + "".join(curves + boxes) + "</svg>"


def _chosen(links: Sequence[tuple[str, str]], wanted: Sequence[str]) -> list[str]:
    """The wanted services, then their neighbours, at most MOST; everybody when nobody is wanted."""
    known = dict.fromkeys(n for link in links for n in link)
    core = [n for n in dict.fromkeys(wanted) if n in known] or list(known)
    inside = set(core)
    near = [n for a, b in links if a in inside or b in inside for n in (a, b)]
    return list(dict.fromkeys([*core, *near]))[:MOST]


def _layers(names: Sequence[str], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Columns: by the longest way from an entry where there are no circles, else by the shortest."""
    circular = any(_reaches(b, a, links) for a, b in links)
    depth = _shortest(names, links) if circular else _longest(names, links)
    rows: dict[int, list[str]] = defaultdict(list)
    for name in names:
        rows[depth[name]].append(name)
    return [rows[d] for d in sorted(rows)]


def _longest(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for a, b in links:
            depth[b] = max(depth[b], depth[a] + 1)
    return depth


def _shortest(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Steps from the services that nobody calls; a circle nobody calls into starts at its first name."""
    called = {b for _, b in links}
    depth: dict[str, int] = {}
    for start in [*(n for n in names if n not in called), *names]:
        if start in depth:
            continue
        depth[start] = 0
        frontier = [start]
        for here in frontier:
            for following in (b for a, b in links if a == here and b not in depth):
                depth[following] = depth[here] + 1
                frontier.append(following)
    return depth


def _reaches(start: str, goal: str, links: Sequence[tuple[str, str]]) -> bool:
    seen, frontier = {start}, [start]
    while frontier:
        here = frontier.pop()
        if here == goal:
            return True
        following = [b for a, b in links if a == here and b not in seen]
        seen.update(following)
        frontier += following
    return False


def _places(layers: Sequence[Sequence[str]], weights: Mapping[str, Weight]) -> dict[str, tuple[int, int]]:
    """Left upper corners; in a column those with most excess on top."""
    tallest = max(len(column) for column in layers)
    places: dict[str, tuple[int, int]] = {}
    for i, column in enumerate(layers):
        ordered = sorted(column, key=lambda n: (-weights[n].share if n in weights else 0.0, n))
        offset = (tallest - len(column)) * (BOX_H + GAP_Y) // 2
        for j, name in enumerate(ordered):
            places[name] = (PAD + i * (BOX_W + GAP_X), PAD + offset + j * (BOX_H + GAP_Y))
    return places


def _curve(start: tuple[int, int], end: tuple[int, int], *, bad: bool, both: bool) -> str:
    x1, y1 = start[0] + BOX_W, start[1] + BOX_H / 2
    x2, y2 = end[0], end[1] + BOX_H / 2
    bend = GAP_X * 0.6
    kind = "edge bad" if bad else "edge"
    back = ' marker-start="url(#arrow)"' if both else ""
    return f'<path class="{kind}"{back} marker-end="url(#arrow)" d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _box(name: str, place: tuple[int, int], weight: Weight, first: bool) -> str:
    x, y = place
    share, words = weight.share, weight.words
    kind = "node first" if first else "node bad" if share > 0 else "node"
    bar = (
        f'<rect class="share" x="{x}" y="{y + BOX_H - 4}" width="{round(BOX_W * share, 1)}" height="4"/>'
        if share
        else ""
    )
    frame = f'<rect class="{kind}" x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="5"/>'
    title = f'<text class="name" x="{x + 9}" y="{y + 18}">{label(name, 21)}</text>'
    told = f'<text class="tick" x="{x + 9}" y="{y + 34}">{label(words, 32)}</text>'
    return f"<g><title>{label(name)}: {label(words)}</title>{frame}{bar}{title}{told}</g>"
