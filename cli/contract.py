"""`firebreak contract …`: what a deployment promises, drafted from the change itself."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import contract_bargain, contract_baseline, contract_github, contract_live, contract_rehearse
from cli.output import note, print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.change.subject import Subject
    from contracts.context import DeploymentContext

app = typer.Typer(help="Deployments as contracts: risk, guardrails, canary, proofs and the way back.")

Repository = Annotated[Path, typer.Option("--repo", help="Git repository that --range is in.")]
Range = Annotated[
    str, typer.Option("--range", help="BASE..HEAD: what HEAD adds since it left BASE, read from its diff.")
]


contract_live.register(app)


@app.callback()
def group() -> None:
    """Deployments as contracts: risk, guardrails, canary, proofs and the way back."""


@app.command("draft")
def draft(
    context: Annotated[
        Path | None,
        typer.Argument(help="Deployment context (JSON); - reads standard input. With --range, its files are ignored."),
    ] = None,
    repo: Repository = Path("."),
    commits: Range = "",
    service: Annotated[
        str, typer.Option(help="Service that goes out; with --range, the repository's name when unsaid.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", help="Inventory: neighbours, dependants, objectives.")
    ] = None,
    slo: Annotated[
        list[Path] | None, typer.Option("--slo", help="OpenSLO v1 document; may be given several times.")
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="Prometheus that measures the service today; unsaid: the one that --config names.")
    ] = "",
    window: Annotated[
        int, typer.Option("--baseline-window", min=60, max=604_800, help="Seconds of traffic that are looked at.")
    ] = 3600,
    keep: Annotated[
        bool, typer.Option("--keep", help="Put it on the table of the running app, to be negotiated and signed.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Draft the contract of one deployment: what could break, what is asked of it and why.

    Examples: firebreak contract draft docs/examples/deployment-context.json
    firebreak contract draft --repo . --range main..feature --service payments --baseline http://prometheus:9090
    """
    from contracts.card import lines_of
    from contracts.draft import draft_contract
    from domain.value import new_id

    found = _subject(context, repo, commits, service, _placing(config, slo or []))
    found = contract_baseline.measured(found, baseline, config, window)
    if keep:
        contract_bargain.put(found, as_json)
        return
    contract = draft_contract(
        found.context, id=new_id("con"), at=datetime.now(UTC), findings=found.findings, doubts=found.doubts
    )
    if as_json:
        print_json(contract.document())
        return
    for line in lines_of(contract):
        say(line)


app.command("show")(contract_bargain.show)
app.command("negotiate")(contract_bargain.negotiate)
app.command("rehearse")(contract_rehearse.rehearse)
app.command("comment")(contract_github.comment)
app.command("check")(contract_github.check)

Placing = tuple["Callable[[DeploymentContext], DeploymentContext]", list[str]]
"""What surrounds a context, and what of the objectives was left out."""


def _placing(config: Path | None, slo: list[Path]) -> Placing:
    from cli.config import load_inventory
    from contracts.openslo import read_openslo
    from contracts.surroundings import aimed, placed

    inventory = load_inventory(config) if config else None
    read = [read_openslo(_bytes(file, "OpenSLO v1 (YAML)").decode(errors="replace"), str(file)) for file in slo]
    objectives = [objective for found, _ in read for objective in found]

    def place(context: DeploymentContext) -> DeploymentContext:
        return aimed(placed(context, inventory) if inventory else context, objectives)

    return place, [word for _, told in read for word in told]


def _subject(file: Path | None, repo: Path, commits: str, service: str, placing: Placing) -> Subject:
    from contracts.change.subject import Subject, subject_of
    from contracts.draft import described
    from tools.repository import GitRepository

    if file is None and not commits:
        raise ConfigError(
            "there is nothing to draft a contract from",
            expected="a deployment context (JSON), or --range BASE..HEAD",
            found="neither",
            hint="firebreak contract draft --repo . --range main..feature",
        )
    unknown: tuple[str, ...] = ()
    about = _unsaid(repo, commits)
    if file is not None:
        about, unknown = _read(file)
    if service:
        about = about.model_copy(update={"service_name": service})
    place, left_out = placing
    about = place(about)
    for name in (*unknown, *left_out):
        note(f"not used: {name}")
    doubts = [(f"not used: {name}", 0.0) for name in (*unknown, *left_out)[:20]]
    if not commits:
        return Subject(context=about, findings=described(about), doubts=doubts)
    found = asyncio.run(subject_of(GitRepository(folder=repo), commits, about))
    return Subject(context=found.context, findings=found.findings, doubts=[*doubts, *found.doubts])


def _unsaid(repo: Path, commits: str) -> DeploymentContext:
    from contracts.context import DeploymentContext

    name = repo.resolve().name
    return DeploymentContext(deployment_id=f"{name}:{commits}"[:200], service_name=name or "service")


def _read(file: Path) -> tuple[DeploymentContext, tuple[str, ...]]:
    from contracts.reading import read_context

    text = sys.stdin.buffer.read() if str(file) == "-" else _bytes(file, "a deployment context (JSON)")
    found = read_context(text, "standard input" if str(file) == "-" else str(file))
    return found.context, found.unknown


def _bytes(file: Path, expected: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read", expected=expected, found=error.strerror or str(error)) from error
