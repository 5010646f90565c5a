"""Pull requests bound as the settings say. GitHub's client is only imported where there is a token for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.errors import ConfigError
from domain.inventory import Inventory
from governance.guard.client import HttpGuard
from graph.contracts.bargains import Bargains
from graph.contracts.rollouts import Rollouts
from graph.settings import Settings

if TYPE_CHECKING:
    from graph.contracts.pulls import Pulls


def pulls_of(
    settings: Settings, inventory: Inventory, bargains: Bargains, rollouts: Rollouts, guard: HttpGuard
) -> Pulls | None:
    """None without a token. Raises ConfigError when the client library is missing."""
    if settings.github_token is None or not settings.github_token.get_secret_value():
        return None
    try:
        from tools.github import Repository
    except ModuleNotFoundError as error:
        hint = "pip install 'firebreak[github]'"
        raise ConfigError(
            "GitHub's client is not installed", expected="githubkit", found="nothing", hint=hint
        ) from error
    from graph.contracts.pull_board import Hub
    from graph.contracts.pull_records import PullRecords
    from graph.contracts.pull_talk import Talk
    from graph.contracts.pulls import Pulls

    async def vouch(name: str) -> str:
        return (await guard.sign_in_github(name)).token

    token, url, author = settings.github_token.get_secret_value(), settings.github_url, settings.github_login
    hub = Hub(
        repository=lambda name: Repository(name=name, token=token, url=url, author=author),
        page=settings.public_url.rstrip("/"),
    )
    talk = Talk(inventory=inventory, bargains=bargains, vouch=vouch if settings.github_signs else None)
    return Pulls(hub, talk=talk, records=PullRecords(settings.home / "pulls"), begin=rollouts.submit)
