"""`firebreak up | down | status | serve | login`: everything of one home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli import installation
from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from domain.errors import ConfigError

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", exists=False, help="Your firebreak.yaml: looks after your own systems instead."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    for command in (up, down, status, serve, login):
        app.command(command.__name__)(command)


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything is ready.")] = False,
    policy: Annotated[str, typer.Option(help="Policy by name (sandbox, production) or path.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Start everything local: stack, collector, action server, chaos server, reaper, app.

    Example: firebreak up --detach && firebreak drill run
    """
    _start(None, policy, detach, as_json)


def serve(
    config: ConfigOption = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything is ready.")] = False,
    policy: Annotated[str, typer.Option(help="Policy by name or path.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Look after your own systems: starts neither stack nor load nor chaos.

    Example: firebreak serve --config firebreak.yaml
    """
    if config is None:
        raise ConfigError(
            "Which systems shall Firebreak look after?",
            expected="--config firebreak.yaml",
            found="no --config",
            hint="firebreak config example > firebreak.yaml writes one to start from; firebreak up runs the local stack",
        )
    from cli.config import load_inventory

    load_inventory(config)
    _start(config.resolve(), policy, detach, as_json)


def down(as_json: JsonFlag = False) -> None:
    """Stop everything of this home, also after a crash.

    Example: firebreak down
    """
    stopped = installation.stop(SESSION.home)
    if as_json:
        print_json({"stopped": stopped})
    else:
        say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running here.")


def status(as_json: JsonFlag = False) -> None:
    """List every process, and for the stack how a person can break it by hand.

    Example: firebreak status --json
    """
    from cli.stack import read_status

    rows = installation.status(SESSION.home)
    stack = read_status() if SESSION.home.stack.exists() else {}
    rows += [_stack_row(row) for row in stack.get("processes", [])]
    facts = SESSION.home.stack_facts() if stack.get("processes") else {}
    extra: dict[str, Any] = {
        key: facts[key] for key in ("admin_dsn", "data_dirs", "config_files", "shop_url") if key in facts
    }
    if as_json:
        print_json({"processes": rows, "stack": {**extra, **{k: v for k, v in stack.items() if k != "processes"}}})
    else:
        _print_status(rows, extra)
    if not rows:
        raise typer.Exit(int(Exit.FINDING))


def login(as_json: JsonFlag = False) -> None:
    """Print a fresh link that signs one browser in, once. The operator's token itself is never printed.

    Example: firebreak login
    """
    from cli.client import connect

    with connect(SESSION.home) as client:
        link = client.login_link()
    if as_json:
        print_json({"url": link})
    else:
        say(f"Open  {link}  (once, within ten minutes)")


def _start(config: Path | None, policy: str, detach: bool, as_json: bool) -> None:
    import os

    if policy:
        os.environ["FIREBREAK_POLICY"] = policy
    if not detach:
        _greet_when_ready(config)
        return
    installation.start_detached(SESSION.home, config)
    if as_json:
        print_json({"processes": installation.status(SESSION.home), "url": app_url()})
        return
    _greet()


def _greet_when_ready(config: Path | None) -> None:
    def report(text: str) -> None:
        say(text)
        if text.startswith("ready"):
            _greet()

    installation.serve_until_signal(SESSION.home, config, report)


def _greet() -> None:
    login()
    shop = SESSION.home.stack_facts().get("shop_url")
    if shop:
        say(f"Shop  {shop}")
    say("Next  firebreak drill run · firebreak incident list · firebreak login (another link) · firebreak down")


def app_url() -> str:
    """Where the app of this home listens, from the processes' table."""
    return next((str(r["url"]) for r in installation.status(SESSION.home) if r["name"] == "app"), "")


def _stack_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"url": "", "log_file": "", **row, "kind": f"stack/{row.get('kind', '')}"}


def _print_status(rows: list[dict[str, Any]], extra: dict[str, Any]) -> None:
    if not rows:
        say("Nothing runs here. Start everything with: firebreak up --detach")
        return
    table = Table("name", "kind", "pid", "state", "url")
    for row in rows:
        table.add_row(row["name"], row["kind"], str(row.get("pid") or "-"), row["state"], row.get("url") or "")
    Console().print(table)
    for key, value in extra.items():
        say(f"{key}: {value}")
