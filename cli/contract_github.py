"""`firebreak contract comment`: the contract on its pull request, one comment that is kept up to date."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.contract_bargain import contract_in
from cli.output import print_json, say
from cli.session import JsonFlag
from domain.errors import ConfigError


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
