"""The `firebreak` command. Each noun lives in its own file, imported when it is asked for."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cli.nouns import Nouns
from cli.output import Exit, fail, note
from cli.session import SESSION
from domain.errors import ConfigError, FirebreakError

app = typer.Typer(
    name="firebreak",
    cls=Nouns,
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
