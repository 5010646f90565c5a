"""The commands of `firebreak contract` that carry one out (enforce, rollouts, stop) or hand it on (export)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from cli.client import AppClient, connect
from cli.output import Exit, note, print_json, say
from cli.session import SESSION, JsonFlag
from cli.skill_live import patient_get
from domain.contract import Contract
from domain.errors import ConfigError

POLL_S = 1.0
ENDED = ("fulfilled", "rolled_back", "violated")
RolloutId = Annotated[str, typer.Argument(help="A rollout's id, as `firebreak contract rollouts` prints it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (("enforce", enforce), ("rollouts", rollouts), ("stop", stop), ("export", export)):
        app.command(name)(command)


def enforce(
    contract: Annotated[
        str, typer.Argument(help="The id of a contract on the table, or a file that `contract draft --json` wrote.")
    ],
    version: Annotated[str, typer.Option(help="The version that goes out; the contract's when unsaid.")] = "",
    exempt: Annotated[
        str, typer.Option(help="security or p0_fix: goes out although the error budget is used up.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why it is exempt; goes to the ledger.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Begin it and return; the app goes on watching.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Roll a release out under its contract: stage by stage, judged in each, taken back by itself when a term is broken.

    Exit code 0 when every term was kept, 3 when the release was taken back, 4 when a person must act.
    Example: firebreak contract enforce contract.json --version v2
    """
    with connect(SESSION.home) as client:
        found = read_contract(Path(contract)) if Path(contract).is_file() else on_the_table(client, contract)
        order: dict[str, Any] = {"contract": found.model_dump(mode="json"), "version": version}
        order |= {"exemption": exempt, "reason": reason} if exempt else {}
        rollout = client.post("/api/rollouts", order)
        if not detach:
            rollout = follow(client, rollout, quiet=as_json)
    if as_json:
        print_json(rollout)
    elif detach:
        say(f"{rollout['id']} began; firebreak contract rollouts {rollout['id']}")
    else:
        for line in ending(rollout):
            say(line)
    if not detach:
        leave(rollout)


def rollouts(
    rollout: Annotated[str, typer.Argument(help="One rollout; all when left out.")] = "", as_json: JsonFlag = False
) -> None:
    """List rollouts, or show one with its stages and reasons.

    Example: firebreak contract rollouts --json
    """
    with connect(SESSION.home) as client:
        document = client.get(f"/api/rollouts/{rollout}" if rollout else "/api/rollouts")
    if as_json:
        print_json(document)
    elif rollout:
        for line in [*stages(document), *ending(document)]:
            say(line)
    elif not document["rollouts"]:
        say("No rollout yet. Begin one: firebreak contract enforce CONTRACT.json")
    else:
        table = Table("id", "service", "version", "status", "stage", "started")
        for row in document["rollouts"]:
            at = f"{row['stage'] + 1} of {len(row['stages'])}"
            table.add_row(row["id"], row["service"], row["version"], row["status"], at, row["started_at"][:19])
        Console().print(table)


def stop(
    rollout: RolloutId,
    reason: Annotated[str, typer.Option(help="Why; goes to the ledger.")],
    as_json: JsonFlag = False,
) -> None:
    """Take a release back now, whatever its judge says.

    Example: firebreak contract stop dep-4f2a9c1be07d --reason "customers call"
    """
    with connect(SESSION.home) as client:
        client.post(f"/api/rollouts/{rollout}/stop", {"reason": reason})
        document = follow(client, client.get(f"/api/rollouts/{rollout}"), quiet=True)
    if as_json:
        print_json(document)
        return
    for line in ending(document):
        say(line)


def export(
    contract: Annotated[Path, typer.Argument(help="A contract, as `firebreak contract draft --json` prints it.")],
) -> None:
    """Print the contract for Argo Rollouts: an AnalysisTemplate and the canary steps, as YAML.

    Example: firebreak contract export contract.json | kubectl apply --dry-run=server -f -
    """
    from contracts.argo import exported

    say(exported(read_contract(contract)).rstrip())


def on_the_table(client: AppClient, contract: str) -> Contract:
    """A contract that is kept by the app, as it stands. Raises NotFoundError."""
    document = client.get(f"/api/contracts/{contract}")
    return Contract.model_validate({name: document[name] for name in Contract.model_fields if name in document})


def read_contract(file: Path) -> Contract:
    """A contract whose terms are those that its digest names. Raises ConfigError."""
    try:
        document = json.loads(file.read_bytes())
        digest = document.pop("digest", "")
        found = Contract.model_validate({k: v for k, v in document.items() if k in Contract.model_fields})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        expected = "a contract as `firebreak contract draft --json` prints it"
        raise ConfigError(f"{file} is no contract", expected=expected, found=_mistakes(error)) from error
    if digest and digest != found.terms_digest():
        raise ConfigError(
            f"the terms in {file} are not those that were drafted",
            expected=f"terms with digest {digest[:12]}…",
            found=f"{found.terms_digest()[:12]}…",
            hint="draft the contract again; terms are bargained for, not edited",
        )
    return found


def _mistakes(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:4])
    return str(error).splitlines()[0][:200]


def follow(client: AppClient, rollout: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Poll until it ended; each look is told."""
    if not quiet:
        for line in stages(rollout):
            note(line)
    said, asked = 0, ""
    while rollout["status"] not in ENDED:
        time.sleep(POLL_S)
        rollout = patient_get(client, f"/api/rollouts/{rollout['id']}")
        question = rollout["stages"][rollout["stage"]]["approval"] if rollout["status"] == "waiting" else ""
        asked = tell_question(rollout["id"], question, asked)
        for look in rollout["judgements"][said:] if not quiet else []:
            note(look_line(rollout, look))
        said = len(rollout["judgements"])
    return rollout


def tell_question(change: str, question: str, asked: str) -> str:
    """Say once, beside the result, that a person is waited for and where to answer; the question that was told."""
    if question and question != asked:
        note(f"waiting for a person: firebreak incident approvals {change}, or the approvals page")
    return question


def stages(rollout: dict[str, Any]) -> list[str]:
    """The stages with what each will be able to see."""
    lines = [f"{rollout['id']}  {rollout['service']} {rollout['former']} → {rollout['version']}"]
    for number, row in enumerate(rollout["stages"], 1):
        seen = f"sees {'; '.join(row['sees'][:4])}" if row["sees"] else "limits and budget only"
        result = f"  {row['result']}" if row["result"] else ""
        lines.append(f"  stage {number}: {row['percent']:g} % for {row['seconds']:g} s, {seen}{result}")
    if any(row["sees"] for row in rollout["stages"]):
        lines.append("  a smaller effect than these goes through unseen: this traffic cannot show it in the time given")
    return lines


def look_line(rollout: dict[str, Any], look: dict[str, Any]) -> str:
    """One look for a person."""
    row = rollout["stages"][look["stage"]]
    word = look["result"] if look["over"] or look["result"] == "failed" else "goes on"
    return f"  {look['at']:>5.0f} s  {row['percent']:g} %  {word}: {look['reasons'][0]}"


def ending(rollout: dict[str, Any]) -> list[str]:
    """How it ended, why, and what it cost."""
    head = f"{rollout['id']}  {rollout['version']} of {rollout['service']}: {rollout['status'].replace('_', ' ')}"
    lines = [head, *(f"  {line}" for line in rollout["explanation"])]
    if rollout["ended_at"]:
        lost = f"{rollout['budget_lost']:.3%} of 30 days' error budget"
        lines.append(f"  {rollout['exposed']} requests were answered by {rollout['version']}; cost: {lost}")
    return lines + [f"  note: {text}" for text in rollout["notes"]]


def leave(rollout: dict[str, Any]) -> None:
    """The exit code of a rollout."""
    code = {"fulfilled": Exit.OK, "rolled_back": Exit.FINDING}.get(rollout["status"], Exit.APPROVAL)
    if code is not Exit.OK:
        raise typer.Exit(int(code))
