"""How facts are put on a page: times, numbers, links and citations. Pure; everything that leaves here is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape

_CITATION = re.compile(r"\b([EL])(\d{1,7})\b")


def clock(at: datetime | None) -> Markup:
    """A time of day with its full form for machines and hovering; the browser adds how long ago it was."""
    if at is None:
        return Markup('<span class="muted">not known</span>')
    full = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), full, at.strftime("%H:%M:%S"))


def day(at: datetime) -> str:
    """`21 Nov 2026`."""
    return f"{at.day} {at.strftime('%b %Y')}"


def percent(share: float | None) -> str:
    """0.934 → `93 %`; small and nearly whole shares keep what matters."""
    if share is None:
        return "–"
    value = share * 100
    digits = 2 if abs(value) < 1 or 99 <= value <= 100 else 0
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text} %"


def duration(seconds: float | timedelta | None) -> str:
    """Seconds in the largest two units that a person needs."""
    if seconds is None:
        return "–"
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if total < 1:
        return f"{total * 1000:.0f} ms"
    if total < 60:
        return f"{total:.1f} s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def number(value: Any) -> str:
    """A figure with three significant digits; anything else as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:,d}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def reading(value: float | None, unit: str) -> str:
    """A service level in its unit: seconds as a duration, a ratio as a percentage."""
    return duration(value) if unit == "s" else percent(value)


_LEVELS = {
    "availability": "outside checks that pass",
    "error_ratio": "requests without error",
    "latency_p95": "95 % of requests are faster than",
    "saturation": "share of the capacity in use",
    "freshness": "age of the oldest waiting work",
    "process": "time that the process runs",
}
_AT_MOST = frozenset({"latency_p95", "saturation", "freshness"})


def level(sli: str) -> str:
    """What a kind of service level counts, in words."""
    return _LEVELS.get(sli, spoken(sli))


def line(target: float, sli: str, unit: str) -> str:
    """An objective with its direction: `at least 99 %`, `at most 750 ms`."""
    return f"{'at most' if sli in _AT_MOST else 'at least'} {reading(target, unit)}"


def metric(name: str) -> str:
    """A series' name with its labels as words: `error ratio{route="/cart"}` → `error ratio, route /cart`."""
    head, _, labels = name.replace("_", " ").partition("{")
    return ", ".join([head, *(f"{k} {v}" for k, v in re.findall(r'(\w[\w ]*)="([^"]*)"', labels))])


def ticked(text: str) -> Markup:
    """Text whose `backticks` become code."""
    out = Markup()
    for i, part in enumerate(text.split("`")):
        out += Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
    return out


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def headline(title: str, service: str) -> str:
    """An alert's name with the service, unless it names it already."""
    return title if not service or service.lower() in title.lower() else f"{title} on {service}"


def spoken(word: str | None) -> str:
    """`long_transactions` → `long transactions`; dots and underscores become spaces."""
    return re.sub(r"[._]+", " ", word or "")


def safe_url(target: str) -> str:
    """The address when it is http or https, else an empty string: no other scheme becomes a link."""
    parts = urlsplit(target.strip())
    plain = target.isprintable() and not any(c.isspace() for c in target.strip())
    return target.strip() if plain and parts.scheme in {"http", "https"} and parts.netloc else ""


def cite(text: str, known: Iterable[str] = ()) -> Markup:
    """The text with `E3` and `L17` as links: evidence on this page, entries of the ledger. Unknown ids stay text."""
    ids = set(known)
    out = Markup()
    end = 0
    for match in _CITATION.finditer(text):
        name = match.group(0)
        out += escape(text[end : match.start()])
        out += ref(name) if name in ids else escape(name)
        end = match.end()
    return out + escape(text[end:])


def ref(name: str) -> Markup:
    """One reference as a link."""
    if re.fullmatch(r"L\d+", name):
        return Markup('<a class="ref" href="/ledger?seq={}#{}">{}</a>').format(name[1:], name, name)
    return Markup('<a class="ref" href="#{}">{}</a>').format(quote(name), name)


def refs(names: Sequence[str]) -> Markup:
    """Several references, separated by spaces."""
    return Markup(" ").join(ref(n) for n in names)


def call(action: Any) -> str:
    """`scale_pool(api, size=10)`."""
    if action is None:
        return ""
    args = ", ".join([action.target, *(f"{k}={json.dumps(v)}" for k, v in action.args.items())])
    return f"{action.action}({args})"


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A flat listing of plain JSON: nested values as compact JSON, cut to a readable length."""
    return [(spoken(k), str(v) if _names(k, v) else _plain(v)) for k, v in values.items()]


def _names(key: str, value: Any) -> bool:
    """Whether a whole number is a name rather than an amount: process ids and ports are not grouped in thousands."""
    return isinstance(value, int) and not isinstance(value, bool) and key.split("_")[-1] in {"pid", "port", "id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A small line in a box of 100 × 24: SVG points, and the height of the goal where one is in sight."""

    path: str
    goal: float | None


def sparkline(points: Sequence[float | None], goal: float | None = None) -> Spark:
    """The last values as an SVG path; fewer than two give none. The goal widens the scale so that it is seen."""
    known = [p for p in points if p is not None]
    if len(known) < 2:
        return Spark(path="", goal=None)
    seen: list[float] = known if goal is None else [*known, goal]
    low, high = min(seen), max(seen)
    spread = (high - low) or 1.0

    def height(value: float) -> float:
        return round(22 - 20 * (value - low) / spread, 2)

    step = 100 / (len(points) - 1)
    path = " ".join(f"{round(i * step, 2)},{height(p)}" for i, p in enumerate(points) if p is not None)
    return Spark(path=path, goal=height(goal) if goal is not None else None)


_FIRST = (
    "action",
    "target",
    "verdict",
    "fault_class",
    "service",
    "outcome",
    "decision",
    "event",
    "summary",
    "reason",
    "why",
)
_MACHINE = re.compile(r"[0-9a-f]{32,}|[a-z]{2,8}-[0-9a-f]{6,}")
"""Digests and ids: needed in the row, not in its headline."""


def gist(content: Mapping[str, Any]) -> str:
    """One line about a ledger row: the calls it is about and the facts a person looks for first; no digests, no JSON."""
    plan = content.get("plan")
    inner = plan if isinstance(plan, Mapping) else content
    calls = [c for c in (content.get("call"), *_calls(inner.get("steps"))) if isinstance(c, Mapping)]
    parts = [f"{c.get('action')}({c.get('target')})" for c in calls]
    keys = [k for k in _FIRST if k in content] or (
        [] if parts else [k for k in content if k not in {"schema_version", "format"}][:4]
    )
    parts += [spoken(text) if k in {"fault_class", "event"} else text for k in keys if (text := _fact(content[k]))]
    joined = ", ".join(dict.fromkeys(parts))
    if not joined:
        return "names and digests only" if content else "no content"
    return joined[:120] + "…" if len(joined) > 120 else joined


def _calls(steps: Any) -> list[Any]:
    rows = steps if isinstance(steps, list) else []
    return [row.get("call") for row in rows if isinstance(row, Mapping)]


def _fact(value: Any) -> str:
    """A plain value that a person can read, else nothing."""
    if value is None or isinstance(value, Mapping | list):
        return ""
    text = _plain(value).rstrip(".")
    return "" if _MACHINE.fullmatch(text) else text


def short(digest: str, length: int = 12) -> str:
    """The first digits of a digest."""
    return digest[:length]


def pretty(value: Any) -> str:
    """Plain JSON on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else number(value) if isinstance(value, int | float) else None
    if text is None:
        text = "–" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 400 else text[:400] + "…"


FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "day": day,
    "percent": percent,
    "duration": duration,
    "number": number,
    "reading": reading,
    "spoken": spoken,
    "safe_url": safe_url,
    "cite": cite,
    "ref": ref,
    "refs": refs,
    "call": call,
    "facts": facts,
    "gist": gist,
    "headline": headline,
    "level": level,
    "line": line,
    "ticked": ticked,
    "sentence": sentence,
    "short": short,
    "sparkline": sparkline,
    "pretty": pretty,
}
