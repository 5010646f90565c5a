"""`firebreak stack …`: the local patient alone, reached from outside like any customer's system."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated, Any

import typer

from cli.output import Exit, print_json, say
from cli.session import SESSION, JsonFlag
from cli.supervisor.spec import inherited_env, python_module
from domain.errors import ProcessError

app = typer.Typer(help="Start, stop and look at the local stack alone.")


@app.command("up")
def stack_up(
    rps: Annotated[float, typer.Option(min=0, help="Requests per second of the load generator; 0 is off.")] = 8.0,
) -> None:
    """Run the stack in the foreground until Ctrl-C.

    Example: firebreak stack up --rps 20
    """
    SESSION.home.prepare()
    argv = python_module("stack", "up", "--home", str(SESSION.home.stack), "--rps", str(rps))
    raise typer.Exit(_run_until_interrupted(argv))


@app.command("down")
def stack_down(as_json: JsonFlag = False) -> None:
    """Stop the stack and clear what a crash left.

    Example: firebreak stack down
    """
    stop_stack()
    if as_json:
        print_json({"stopped": True})
    else:
        say("The stack is down.")


@app.command("status")
def stack_status(as_json: JsonFlag = False) -> None:
    """Show the stack's processes.

    Example: firebreak stack status --json
    """
    document = read_status()
    if as_json:
        print_json(document)
        return
    for row in document.get("processes", []):
        say(f"{row['name']:<16} {row['state']:<10} {row.get('pid') or '-':<8} {row.get('url') or ''}")
    if not document.get("processes"):
        say("The stack is not running. Start everything with: firebreak up --detach")
        raise typer.Exit(int(Exit.FINDING))


def read_status() -> dict[str, Any]:
    """What `python -m stack status` prints; an empty document when nothing runs."""
    argv = python_module("stack", "status", "--home", str(SESSION.home.stack))
    done = subprocess.run(argv, capture_output=True, text=True, env=inherited_env(), timeout=30, check=False)
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"processes": []}
    return document


def stop_stack() -> None:
    """Stop the stack of this home, also after a crash. Raises ProcessError when something remains."""
    argv = python_module("stack", "down", "--home", str(SESSION.home.stack))
    done = subprocess.run(argv, capture_output=True, text=True, env=inherited_env(), timeout=60, check=False)
    if done.returncode:
        raise ProcessError("The stack could not be stopped.", found=(done.stderr or done.stdout).strip()[-800:])


def _run_until_interrupted(argv: tuple[str, ...]) -> int:
    process = subprocess.Popen(argv, env=inherited_env(), stdout=sys.stdout)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(20)
        return int(Exit.INTERRUPTED)
