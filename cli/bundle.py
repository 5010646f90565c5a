"""`firebreak bundle build`: what other systems export, as one redacted incident bundle."""

from __future__ import annotations

import asyncio
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.output import print_json, say
from cli.session import JsonFlag
from domain.bundle import AlertHint, Bundle, Series, Window
from domain.errors import ConfigError
from tools.bundle.assemble import Pieces, assemble
from tools.bundle.imports.document import content_of
from tools.bundle.told import Told
from tools.moment import moment

app = typer.Typer(help="Incident bundles: put one together from what your systems export.")

Files = list[str]
STEP_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One imported file or address and how much came out of it."""

    source: str
    kind: str
    rows: int


@app.callback()
def bundles() -> None:
    """Incident bundles: put one together from what your systems export."""


@app.command("build")
def build(
    out: Annotated[Path, typer.Argument(help="A folder, or a name that ends in .tar.gz.")],
    prometheus: Annotated[
        Files | None,
        typer.Option(help="Range query answer, [METRIC=]FILE, or a server's URL (then --query, --from, --to)."),
    ] = None,
    log: Annotated[
        Files | None,
        typer.Option(help="Log file, [SERVICE=]FILE: JSON lines, logfmt, text, CRI, Docker, journalctl -o json."),
    ] = None,
    loki: Annotated[Files | None, typer.Option(help="Loki's answer to a range query.")] = None,
    otlp: Annotated[Files | None, typer.Option(help="Trace file: OTLP JSON, or Tempo's or Jaeger's answer.")] = None,
    kubernetes: Annotated[Files | None, typer.Option(help="kubectl get … -o json or yaml.")] = None,
    changes: Annotated[Files | None, typer.Option(help="Changes: JSON lines or a JSON list.")] = None,
    query: Annotated[Files | None, typer.Option(help="PromQL for a URL, [METRIC=]QUERY.")] = None,
    start: Annotated[str, typer.Option("--from", help="Start for a URL: ISO 8601 or epoch.")] = "",
    end: Annotated[str, typer.Option("--to", help="End for a URL; now when left out.")] = "",
    step: Annotated[float, typer.Option(min=0.1, help="Seconds between points for a URL.")] = STEP_S,
    token: Annotated[
        str, typer.Option(envvar="PROMETHEUS_TOKEN", help="Bearer token for a URL.", show_envvar=True)
    ] = "",
    service_label: Annotated[
        str, typer.Option(help="Label that names the service, when it is none of the usual.")
    ] = "",
    normal: Annotated[str, typer.Option(help="Window of normal life, FROM/TO.")] = "",
    abnormal: Annotated[str, typer.Option(help="Window of the trouble, FROM/TO.")] = "",
    onset: Annotated[str, typer.Option(help="When the trouble began, if known.")] = "",
    alert: Annotated[str, typer.Option(help="Service that was alerted.")] = "",
    summary: Annotated[str, typer.Option(help="What the alert said.")] = "",
    title: Annotated[str, typer.Option(help="A title for people.")] = "",
    system: Annotated[str, typer.Option(help="Which system it is.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Put an incident bundle together: redacted, with what could not be read told by line.

    Example: firebreak bundle build case.tar.gz --prometheus answer.json --log api=api.log --otlp traces.json
    --onset 2026-03-01T10:00:00Z && firebreak investigate case.tar.gz
    """
    from tools.bundle import write_bundle

    told, pieces, sources = Told(), Pieces(), list[Source]()
    window = (_time(start, "--from"), _time(end, "--to") if end else time.time()) if start else None
    for given in prometheus or []:
        series = _series(given, query or [], window, step, service_label, token, told)
        pieces.series += series
        sources.append(Source(source=given, kind="prometheus", rows=len(series)))
    named = {"log": log, "loki": loki, "otlp": otlp, "kubernetes": kubernetes, "changes": changes}
    sources += _files(pieces, told, {kind: given or [] for kind, given in named.items()}, service_label)
    if not sources:
        raise ConfigError(
            "Nothing to build a bundle from.", expected="at least one file", hint="firebreak bundle build --help"
        )
    began = _time(onset, "--onset") if onset else None
    bundle = assemble(
        pieces,
        identity=out.name.removesuffix(".tgz").removesuffix(".tar.gz"),
        title=title,
        system=system,
        alert=_hint(alert, summary, began),
        onset=began,
        normal=_window(normal, "--normal"),
        abnormal=_window(abnormal, "--abnormal"),
    )
    _tell(write_bundle(bundle, out), sources, told, as_json)


def _hint(service: str, summary: str, began: float | None) -> AlertHint | None:
    """What the alert said; None when nobody told of one."""
    return AlertHint(service=service, summary=summary, started_at=began) if service or summary else None


def _tell(path: Path, sources: Sequence[Source], told: Told, as_json: bool) -> None:
    empty = [s.source for s in sources if not s.rows]
    if as_json:
        rows = [asdict(s) for s in sources]
        print_json(
            {"bundle": str(path), "sources": rows, "empty": empty, "problems": told.problems, "notes": told.notes}
        )
        return
    for source in sources:
        say(f"{source.kind:<11} {source.rows:>8}  {source.source}" + ("  (nothing in it)" if not source.rows else ""))
    for line in told.problems:
        say(line)
    for line in told.notes:
        say(f"note: {line}")
    say(f"wrote {path}; next: firebreak investigate {path}")


def unpack(content: bytes, out: Path) -> Bundle:
    """Put a downloaded bundle where it was wanted: the archive as it is, or its files in a folder; returns what it holds."""
    from tools.bundle import read_bundle

    with tempfile.TemporaryDirectory(prefix="firebreak-") as place:
        archive = Path(place) / "bundle.tar.gz"
        archive.write_bytes(content)
        bundle = read_bundle(archive)
        try:
            if out.name.endswith((".tar.gz", ".tgz")):
                out.write_bytes(content)
            else:
                _spread(archive, out)
        except OSError as error:
            raise ConfigError(
                "The bundle cannot be written.", expected="a place to write to", found=str(error)
            ) from error
    return bundle


def _spread(archive: Path, folder: Path) -> None:
    """The files of an archive without its outer folder."""
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            _, _, inside = member.name.partition("/")
            content = packed.extractfile(member)
            if inside and content is not None and ".." not in Path(inside).parts:
                target = folder / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())


def _files(pieces: Pieces, told: Told, named: Mapping[str, Sequence[str]], label: str) -> list[Source]:
    from tools.bundle.imports.changes import read_changes
    from tools.bundle.imports.log_file import read_log
    from tools.bundle.imports.platform_dump import read_platform
    from tools.bundle.imports.streams import read_streams
    from tools.bundle.imports.traces import read_traces

    now = time.time()

    def lines(given: str) -> int:
        service, path = _named(given)
        found = read_log(
            content_of(path), path.name, told, service=service or _stem(path), fixed=bool(service), now=now
        )
        pieces.logs += found
        return len(found)

    def streams(given: str) -> int:
        found = read_streams(content_of(Path(given)), Path(given).name, told, label=label, now=now)
        pieces.logs += found
        return len(found)

    def spans(given: str) -> int:
        found = read_traces(content_of(Path(given)), Path(given).name, told)
        pieces.spans += found
        return len(found)

    def objects(given: str) -> int:
        found = read_platform(content_of(Path(given)), Path(given).name)
        pieces.platform += found
        return len(found)

    def edits(given: str) -> int:
        found = read_changes(content_of(Path(given)), Path(given).name, told)
        pieces.changes += found
        return len(found)

    readers: dict[str, Callable[[str], int]] = {
        "log": lines, "loki": streams, "otlp": spans, "kubernetes": objects, "changes": edits,
    }  # fmt: skip
    return [Source(source=g, kind=kind, rows=readers[kind](g)) for kind, given in named.items() for g in given]


def _series(
    given: str, queries: Sequence[str], window: Window | None, step: float, label: str, token: str, told: Told
) -> list[Series]:
    from tools.bundle.imports.range_answer import range_series, read_range

    if not given.startswith(("http://", "https://")):
        metric, path = _named(given)
        return read_range(content_of(path), path.name, told, metric=metric or _stem(path), label=label)
    if not queries or window is None:
        raise ConfigError("A URL needs to be asked something.", expected="--query and --from", found=given)
    found: list[Series] = []
    for asked in queries:
        metric, promql = _query(asked)
        answer = asyncio.run(_ask(given, promql, window, step, token))
        found += range_series(answer, given, told, metric=metric or "value", label=label)
    return found


async def _ask(url: str, promql: str, window: Window, step: float, token: str) -> object:
    from tools.telemetry.http_api import Access, HttpApi
    from tools.telemetry.prometheus import PrometheusApi

    return await PrometheusApi(HttpApi("Prometheus", Access(url=url, token=token))).query_range(promql, window, step)


def _named(given: str) -> tuple[str, Path]:
    """`NAME=FILE`, unless a file of that whole name exists."""
    name, equals, path = given.partition("=")
    return (name, Path(path)) if equals and not Path(given).exists() else ("", Path(given))


def _query(given: str) -> tuple[str, str]:
    name, equals, promql = given.partition("=")
    return (name, promql) if equals and name.isidentifier() else ("", given)


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def _time(text: str, option: str) -> float:
    try:
        return moment(text)[0]
    except ValueError as error:
        raise ConfigError(f"{option} is no time.", expected="epoch seconds or ISO 8601", found=text) from error


def _window(text: str, option: str) -> Window | None:
    if not text:
        return None
    first, slash, last = text.partition("/")
    if not slash:
        raise ConfigError(f"{option} is no window.", expected="FROM/TO", found=text)
    ends = sorted((_time(first, option), _time(last, option)))
    return (ends[0], ends[1])
