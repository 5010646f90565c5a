"""`firebreak contract comment | check`: the contract on its pull request, and whether a pipeline goes on with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.contract_bargain import contract_in
from cli.output import Exit, print_json, say
from cli.session import JsonFlag
from domain.contract import Contract
from domain.errors import ConfigError
from domain.risk import RiskLevel


def comment(
    file: Annotated[Path, typer.Argument(metavar="CONTRACT.json", help="What `contract draft --json` printed.")],
    pull_request: Annotated[int, typer.Option("--pr", min=1, help="Number of the pull request.")],
    repository: Annotated[str, typer.Option("--github", envvar="GITHUB_REPOSITORY", help="owner/name.")],
    author: Annotated[
        str, typer.Option(help="Login the token writes as; only its comment is updated.")
    ] = "github-actions[bot]",
    status: Annotated[bool, typer.Option(help="Also set the commit's status.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Write or update the contract's comment. The token comes from GITHUB_TOKEN, the address from GITHUB_API_URL.

    Example: firebreak contract comment contract.json --pr 12 --github acme/shop
    """
    from contracts.comment import comment_of, marker_of, state_of, summary_of

    try:
        from tools.github import Repository
    except ModuleNotFoundError as error:
        hint = "pip install 'firebreak[github]'"
        raise ConfigError(
            "GitHub's client is not installed", expected="githubkit", found="nothing", hint=hint
        ) from error
    contract = contract_in(file)
    token = os.environ.get("GITHUB_TOKEN", "")
    if not token:
        raise ConfigError("there is no token for GitHub", expected="GITHUB_TOKEN", found="nothing in the environment")
    url = os.environ.get("GITHUB_API_URL", "") or "https://api.github.com"
    place = Repository(name=repository, token=token, url=url, author=author)
    address = place.keep_comment(pull_request, marker_of(contract.service), comment_of(contract))
    if status and contract.head:
        place.set_status(contract.head, state_of(contract), summary_of(contract), "firebreak/contract")
    if as_json:
        print_json({"comment": address, "state": state_of(contract)})
    else:
        say(address)


def check(
    file: Annotated[Path, typer.Argument(metavar="CONTRACT.json", help="What `contract draft --json` printed.")],
    at_most: Annotated[RiskLevel, typer.Option(help="Highest level that passes.")] = RiskLevel.HIGH,
    irreversible: Annotated[
        Literal["allow", "refuse"], typer.Option(help="Whether what cannot be taken back passes.")
    ] = "refuse",
    output: Annotated[
        Path | None, typer.Option(help="File that gets level=, score= and file= (GITHUB_OUTPUT).")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Pass or fail by a contract: exit code 0, or 3 with the reasons.

    Example: firebreak contract check contract.json --at-most medium
    """
    contract = contract_in(file)
    found = list(_objections(contract, at_most, irreversible == "allow"))
    if output is not None:
        with output.open("a") as lines:
            lines.write(f"level={contract.risk.level.value}\nscore={contract.risk.score:.1f}\nfile={file}\n")
    if as_json:
        print_json({"passes": not found, "level": contract.risk.level.value, "reasons": found})
    else:
        say("\n".join(found) or f"passes: {contract.risk.level.value} risk, {contract.risk.score:.1f} of 100")
    if found:
        raise typer.Exit(int(Exit.FINDING))


def _objections(contract: Contract, at_most: RiskLevel, irreversible: bool) -> Iterator[str]:
    risk = contract.risk
    if risk.level.rank > at_most.rank:
        yield f"{risk.level.value} risk ({risk.score:.1f} of 100) is above {at_most.value}"
        yield from (f"  {f.weight:.1f} {f.name.value}: {f.reason}" for f in risk.factors[:8])
    if not contract.rollback.possible and not irreversible:
        yield f"it cannot be taken back: {'; '.join(contract.rollback.reasons) or 'no way back is known'}"
