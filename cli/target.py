"""`firebreak target …`: hosts and clusters that are not this machine, checked without any risk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.output import Exit, print_json, say
from cli.session import JsonFlag
from domain.runner import Profile

app = typer.Typer(help="Check how a remote host or a cluster is reached.")


@app.command("check")
def check(
    target: Annotated[Path, typer.Argument(help="TARGET file: how a host or a cluster is reached.")],
    as_json: JsonFlag = False,
) -> None:
    """Look whether a TARGET can be reached and what may be done there; changes nothing. Exit code 3 when something is amiss.

    Examples:  firebreak target check docs/examples/target-ssh.yaml
               firebreak target check cluster.yaml --json
    """
    from tools.remote import load_target
    from tools.runners.choose import profiles

    located = load_target(target)
    found = asyncio.run(profiles(located, os.environ))
    problems = [problem for profile in found for problem in profile.problems]
    if as_json:
        rows = [profile.model_dump(mode="json") for profile in found]
        print_json({"target": located.target.name, "ok": not problems, "profiles": rows})
    else:
        for profile in found:
            say("\n".join(lines_of(profile)))
    if problems:
        raise typer.Exit(int(Exit.FINDING))


def lines_of(profile: Profile) -> list[str]:
    """A profile as a person reads it: what is wrong first."""
    state = "reachable" if profile.reachable else "cannot be reached"
    rows = [f"{profile.target} ({profile.runner}): {state}"]
    rows += [f"  problem: {problem}" for problem in profile.problems]
    rows += [f"  {name}: {version}" for name, version in profile.versions.items()]
    parts = (("node", profile.nodes), ("may", profile.permissions), ("custom resource", profile.custom_resources))
    rows += [f"  {label}: {text}" for label, texts in parts for text in texts]
    rows += [f"  tools: {', '.join(sorted(profile.tools))}"] if profile.tools else []
    return rows
