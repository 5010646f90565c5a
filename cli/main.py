"""The `firebreak` command. Each noun lives in its own file; heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cli import (
    agent,
    backtest,
    bundle,
    change,
    chat,
    checkpoint,
    config,
    contract,
    demo,
    doctor,
    drill,
    evaluate,
    events,
    findings,
    incident,
    intake,
    investigate,
    kill,
    ledger,
    people,
    pipeline,
    policy,
    rag,
    shadow,
    skill,
    stack,
    target,
    tiers,
    up,
    vault,
    webhook,
)
from cli.output import Exit, fail, note
from cli.session import SESSION
from domain.errors import ConfigError, FirebreakError

app = typer.Typer(
    name="firebreak",
    help="Takes an alert, finds the cause, mends it through one guarded door, and proves what it did.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"firebreak {version('firebreak')}")
        raise typer.Exit


@app.callback()
def session(
    home: Annotated[
        Path | None,
        typer.Option("--home", envvar="FIREBREAK_HOME", help="Where all state lives.", show_default=".firebreak"),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and nothing else.")
    ] = False,
) -> None:
    """Takes an alert, finds the cause, mends it through one guarded door, and proves what it did.

    Start here:  firebreak demo  ·  firebreak up --detach  ·  firebreak serve --config firebreak.yaml
    """
    SESSION.use(home)


for module in (demo, up, doctor, investigate, chat, kill):
    module.register(app)
for name, group in (
    ("incident", incident.app),
    ("bundle", bundle.app),
    ("drill", drill.app),
    ("stack", stack.app),
    ("config", config.app),
    ("intake", intake.app),
    ("change", change.app),
    ("checkpoint", checkpoint.app),
    ("rag", rag.app),
    ("tiers", tiers.app),
    ("findings", findings.app),
    ("ledger", ledger.app),
    ("events", events.app),
    ("webhook", webhook.app),
    ("policy", policy.app),
    ("pipeline", pipeline.app),
    ("skill", skill.app),
    ("contract", contract.app),
    ("agent", agent.app),
    ("eval", evaluate.app),
    ("vault", vault.app),
    ("people", people.app),
    ("shadow", shadow.app),
    ("target", target.app),
):
    app.add_typer(group, name=name, no_args_is_help=True)
app.add_typer(backtest.app, name="backtest")


def run() -> None:
    """Entry point of the console script: errors become lines and exit codes."""
    try:
        app()
    except FirebreakError as error:
        fail(error, SESSION.as_json)
    except ValidationError as error:
        fail(settings_error(error), SESSION.as_json)
    except KeyboardInterrupt:
        note("interrupted")
        raise SystemExit(int(Exit.INTERRUPTED)) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None


def settings_error(error: ValidationError) -> ConfigError:
    """A wrong environment variable, said so that a person can mend it."""
    rows = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']} (found {e.get('input')!r})" for e in error.errors()]
    return ConfigError(
        "A setting is wrong.",
        expected="values as .env.example describes them",
        found="; ".join(rows),
        hint="see .env.example",
    )
