"""`firebreak backtest`: what would have been said about past alerts, and how that compares with what was true."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import note, print_json, say
from cli.session import SESSION, JsonFlag
from domain.clock import SystemClock
from domain.errors import ConfigError, EvidenceError
from graph.settings import Settings, load_settings
from tools.moment import moment

if TYPE_CHECKING:
    from domain.bundle import Window
    from domain.inventory import Inventory
    from graph.backtest.agreement import Accuracy, Share
    from graph.backtest.kept import Backtest, FileBacktests
    from tools.telemetry.prometheus import PrometheusApi

app = typer.Typer(help="Replay past alerts: what would have been said, and was it true.")

EXAMPLES = """Examples:

  firebreak backtest --from 2026-03-01 --to 2026-03-08 --prometheus http://prometheus:9090

  firebreak backtest --from 2026-03-01 --config firebreak.yaml --json

  firebreak backtest label bt-4f2a9c1be07d --truth db/disk_full

  firebreak backtest list
"""
STEP_S = 30.0


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def backtest(
    context: typer.Context,
    start: Annotated[str, typer.Option("--from", help="From when: ISO 8601 or epoch.")] = "",
    end: Annotated[str, typer.Option("--to", help="Until when; now when left out.")] = "",
    config: Annotated[
        Path | None, typer.Option(help="Inventory with connectors; without one the scraped jobs are the services.")
    ] = None,
    prometheus: Annotated[str, typer.Option(help="Prometheus whose ALERTS are replayed.")] = "",
    loki: Annotated[str, typer.Option(help="Loki to read logs from.")] = "",
    step: Annotated[float, typer.Option(min=1, help="Seconds between looks for firing alerts.")] = STEP_S,
    most: Annotated[int, typer.Option(min=1, help="At most so many alerts, the newest.")] = 200,
    as_json: JsonFlag = False,
) -> None:
    """Replay the alerts that Prometheus remembers and show what Firebreak would have said two minutes into each.

    Nothing is changed anywhere; results are kept in the home, so that you can say what was true and see the accuracy.
    """
    if context.invoked_subcommand is not None:
        return
    if not start:
        raise ConfigError(
            "Which time?", expected="--from, for example --from 2026-03-01", hint="firebreak backtest --help"
        )
    window = (_time(start, "--from"), _time(end, "--to") if end else time.time())
    if window[0] >= window[1]:
        raise ConfigError("The time ends before it begins.", expected="--from before --to", found=f"{start} … {end}")
    settings = _settings(config, prometheus, loki)
    rows, left_out = asyncio.run(_run(settings, window, step, most, as_json))
    kept = _kept().all()
    if as_json:
        print_json({"backtests": [_row(r) for r in rows], "left_out": left_out, "accuracy": _accuracy(kept)})
        return
    if not rows:
        say("No alert fired in that time. Does this Prometheus evaluate alerting rules? Look at its /alerts page.")
        return
    if left_out:
        say(f"{left_out} older alerts were left out (--most {most}).")
    say()
    _say_accuracy(kept)


@app.command("list")
def show(as_json: JsonFlag = False) -> None:
    """Show every kept result with the truth where it was told, and the accuracy.

    Example: firebreak backtest list --json
    """
    kept = _kept().all()
    if as_json:
        print_json({"backtests": [_row(r) for r in kept], "accuracy": _accuracy(kept)})
        return
    if not kept:
        say("No alert was replayed yet. Try: firebreak backtest --from 2026-03-01 --prometheus URL")
        return
    for row in kept:
        _say_row(row)
    say()
    _say_accuracy(kept)


@app.command("label")
def label(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As the list names it.")],
    truth: Annotated[str, typer.Option(help="What was true: SERVICE, SERVICE/CLASS, healthy or external.")],
    as_json: JsonFlag = False,
) -> None:
    """Say what was true; the accuracy counts it, and `firebreak eval diagnosis` and `--history` can read it.

    Example: firebreak backtest label bt-4f2a9c1be07d --truth db/disk_full
    """
    from graph.backtest.kept import label_of

    store = _kept()
    row = store.label(identity, label_of(truth, by=getpass.getuser(), at=SystemClock().now()))
    if as_json:
        print_json({"backtest": _row(row), "accuracy": _accuracy(store.all())})
        return
    _say_row(row)
    _say_accuracy(store.all())


async def _run(settings: Settings, window: Window, step: float, most: int, quiet: bool) -> tuple[list[Backtest], int]:
    """Replay, keep and show alert by alert; how many older ones were left out."""
    from agents.perception import diagnose
    from graph.backtest.replay import Past, past_alerts, replay
    from graph.sources import sources_of
    from tools.telemetry.embedded import SqliteTelemetry

    inventory, api = await _asked(settings, window)
    store = SqliteTelemetry(SESSION.home.path / "telemetry.db")
    root = settings.config.parent if settings.config else Path()
    sources = sources_of(store, settings, inventory, os.environ, SystemClock(), root=root)
    past = Past(telemetry=sources.telemetry, inventory=inventory, diagnose=diagnose, origins=sources.origins)
    found = await past_alerts(api, window, step)
    chosen, kept, rows = found[-most:], _kept(), []
    for number, firing in enumerate(chosen, 1):
        note(f"[{number}/{len(chosen)}] {firing.name} of {datetime.fromtimestamp(firing.started, UTC):%Y-%m-%d %H:%M}")
        bundle, said = await replay(firing, past)
        rows.append(kept.keep(bundle, said))
        if not quiet:
            _say_row(rows[-1])
    return rows, len(found) - len(chosen)


async def _asked(settings: Settings, window: Window) -> tuple[Inventory, PrometheusApi]:
    """The inventory (guessed from the scraped jobs without one), and the Prometheus that knows the alerts."""
    from cli.config import load_inventory
    from domain.inventory import Inventory, Service
    from graph.backtest.replay import guessed_inventory, jobs_of
    from graph.sources import first_prometheus

    nobody = Inventory(services=[Service(name="nobody", kind="unknown")])
    inventory = load_inventory(settings.config) if settings.config else nobody
    root = settings.config.parent if settings.config else Path()
    api = first_prometheus(settings, inventory, os.environ, root=root)
    if api is None:
        raise ConfigError(
            "No Prometheus is configured whose alerts could be replayed.",
            expected="--prometheus URL, PROMETHEUS_URL or a connector in the inventory",
            found="none",
        )
    if settings.config:
        return inventory, api
    jobs = await jobs_of(api, window)
    if not jobs:
        raise EvidenceError(
            "This Prometheus scraped nothing in that time.",
            expected="series called up",
            found="none",
            hint="widen --from and --to, or name your services in an inventory (--config)",
        )
    return guessed_inventory(jobs), api


def _settings(config: Path | None, prometheus: str, loki: str) -> Settings:
    """The settings with what was said on the command line."""
    given = {"config": config, "prometheus_url": prometheus, "loki_url": loki}
    return load_settings().model_copy(update={name: value for name, value in given.items() if value})


def _kept() -> FileBacktests:
    from graph.backtest.kept import FileBacktests

    return FileBacktests(SESSION.home.path / "backtest")


def _time(text: str, option: str) -> float:
    words = f"{text}T00:00:00Z" if len(text) == 10 and text[4:5] == "-" else text
    try:
        return moment(words)[0]
    except ValueError as error:
        raise ConfigError(f"{option} is no time.", expected="epoch seconds or ISO 8601", found=text) from error


def _row(row: Backtest) -> dict[str, Any]:
    from graph.backtest.agreement import mark

    top = row.diagnosis.top
    return {
        "id": row.id,
        "alert": row.alert,
        "service": row.service,
        "started_at": row.started_at.isoformat(),
        "ended_at": row.ended_at.isoformat(),
        "verdict": row.diagnosis.verdict.value,
        "confidence": row.diagnosis.confidence,
        "cause": {"service": top.service, "fault_class": top.fault_class, "statement": top.statement} if top else None,
        "evidence": [e.excerpt for e in row.diagnosis.evidence if top and e.id in top.evidence][:6],
        "blind_spots": [*row.diagnosis.blind_spots, *row.diagnosis.unseen],
        "truth": row.truth.words() if row.truth else None,
        "mark": mark(row.diagnosis, row.truth).value if row.truth else None,
    }


def _say_row(row: Backtest) -> None:
    shown = _row(row)
    at = datetime.fromisoformat(shown["started_at"])
    truth = f"  truth {shown['truth']}: {shown['mark']}" if shown["truth"] else ""
    say(f"{row.id}  {at:%Y-%m-%d %H:%M}  {row.alert} ({row.service or 'no service'})")
    cause = shown["cause"]
    said = f"{cause['service']}: {cause['statement']}" if cause and shown["verdict"] == "fault" else ""
    say(f"    {shown['verdict']} {shown['confidence']:.2f}  {said}{truth}")
    for line in shown["evidence"][:3]:
        say(f"      for  {line[:160]}")


def _accuracy(rows: list[Backtest]) -> dict[str, Any]:
    from graph.backtest.agreement import accuracy

    return accuracy(rows).model_dump(mode="json")


def _say_accuracy(rows: list[Backtest]) -> None:
    from graph.backtest.agreement import accuracy

    for line in accuracy_lines(accuracy(rows)):
        say(line)


def accuracy_lines(found: Accuracy) -> list[str]:
    """The measures as a person reads them."""
    if not found.labelled:
        return [f"alerts: {found.alerts}, none labelled: firebreak backtest label ID --truth SERVICE/CLASS"]
    return [
        f"alerts: {found.alerts}, labelled: {found.labelled}",
        f"  right first        {_share(found.first)}",
        f"  among first three  {_share(found.first_three)}",
        f"  fault class        {_share(found.fault_class)}",
        f"  wrong and sure     {found.wrong_and_sure}",
    ]


def _share(share: Share) -> str:
    if share.share is None:
        return "no label to compare with"
    return f"{share.right} of {share.of}  ({share.share:.2f}, 95 % {share.low:.2f} – {share.high:.2f})"
