"""`firebreak contract rehearse`: try the way back out before anybody signs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.contract_bargain import ContractId
from cli.contract_live import tell_question
from cli.output import Exit, note, print_json, say
from cli.session import SESSION, JsonFlag
from cli.skill_live import patient_get

POLL_S = 0.5


def rehearse(
    contract: ContractId,
    on: Annotated[
        str, typer.Option("--on", help="Service of the inventory that stands for the contract's; never in production.")
    ] = "",
    version: Annotated[str, typer.Option(help="The version that is tried; the contract's when unsaid.")] = "",
    revision: Annotated[
        str, typer.Option(help="Schema revision that it needs; unsaid: the next one the environment has to run.")
    ] = "",
    watch: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds for which users' requests are counted after each change.")
    ] = 8.0,
    as_json: JsonFlag = False,
) -> None:
    """Release the change in a sandbox or in staging, take it back as the contract says, and compare with before.

    Migrates up, looks whether the old code lives with the new schema and the new code with the old one, releases, takes
    back, migrates down, and measures how long that takes. Each change goes through the guard. A rehearsal that passes is
    proof on the table. Exit code 3 when it does not.
    Examples: firebreak contract rehearse con-4f2a9c1be07d
    firebreak contract rehearse con-4f2a9c1be07d --on payments-staging --version v2 --revision 0042
    """
    wish = {"on": on, "version": version, "revision": revision, "watch_s": watch}
    with connect(SESSION.home) as client:
        found = client.post(f"/api/contracts/{contract}/rehearsals", wish)
        told, asked = 0, ""
        while True:
            found = patient_get(client, f"/api/contract-rehearsals/{found['id']}")
            ready = found["rows"] if found["ended_at"] else found["rows"][:-1]
            for row in ready[told:] if not as_json else []:
                note(row_line(row))
            told = len(ready)
            if found["ended_at"]:
                break
            question = found["rows"][-1]["approval"] if found["status"] == "waiting" else ""
            asked = tell_question(found["id"], question, asked)
            time.sleep(POLL_S)
    if as_json:
        print_json(found)
    else:
        for line in trial_lines(found):
            say(line)
    if found["status"] != "passed":
        raise typer.Exit(int(Exit.FINDING))


def row_line(row: dict[str, Any]) -> str:
    """One leg for a person."""
    seen = {True: "works", False: "does not work", None: ""}[row["works"]]
    word = seen or row["outcome"] or ""
    return f"  {row['leg'].replace('_', ' '):<24}{row['seconds']:>6.1f} s  {word}: {row['said']}"


def trial_lines(found: dict[str, Any]) -> Iterator[str]:
    """How it ended, and why it is no proof."""
    yield f"{found['id']}  {found['former']} → {found['version']} of {found['service']}: {found['status']}"
    yield f"  back in {found['seconds']:.1f} s"
    yield from (f"  not as before: {line}" for line in found["differences"])
    yield from (f"  {line}" for line in found["problems"])
