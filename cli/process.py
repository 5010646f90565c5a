"""Hidden entry points of our own processes: `python -m cli.process <name> --home … [--port …]`.

Each reads its settings once, builds its parts, and serves. What a process may know was put into its environment by
the supervisor; nothing here hands it on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cli.config import load_inventory
from cli.home import Home, write_private
from cli.logs import configure_logs
from cli.offline import ledger_place
from cli.output import say
from domain.errors import FirebreakError
from domain.inventory import Inventory
from graph.settings import Settings, load_settings

if TYPE_CHECKING:
    from chaos.executor import InjectionExecutor
    from governance.oidc import OidcVerifier
    from governance.pulse import Pulses


def action_server(home: Home, settings: Settings, port: int) -> None:
    """Guard, claims, ledger and executors: the only process that can change anything."""
    from cli.vault import issuer_of
    from domain.clock import SystemClock
    from domain.zone import with_zone
    from governance.guard.build import build_guard
    from governance.guard.people import SignIn
    from governance.guard.server import build_action_server
    from governance.guard.several import SeveralExecutors
    from governance.identity import home_identities
    from governance.ledger.opening import open_ledger
    from governance.people import FILE, People
    from governance.policy import load_policy
    from tools.baselines import FileBaselines
    from tools.registry import ActionRegistry

    config, inventory = _inventory(settings)
    ledger = open_ledger(ledger_place(home, settings))
    issuing = issuer_of(home, ledger)
    people = People(home.secrets / FILE, SystemClock(), inventory.people)
    registry = ActionRegistry(inventory, issuing.variables, root=config.parent, secrets=issuing.secrets)
    guard = build_guard(
        executor=SeveralExecutors(registry, *_injections(home)),
        inventory=with_zone(inventory),
        ledger=ledger,
        identities=home_identities(home.secrets, people),
        policy=load_policy(settings.policy or inventory.policy or "default"),
        credentials=issuing.credentials,
        approval_ttl_s=settings.approval_ttl_s,
        baselines=FileBaselines(inventory, config.parent),
    )
    sign_in = SignIn(
        people=people,
        oidc=_verifier(settings),
        by_proxy=bool(settings.trusted_proxies),
        by_github=settings.github_signs,
    )
    _serve(build_action_server(guard, sign_in, _pulses(settings)), settings.host, port)


def _pulses(settings: Settings) -> Pulses | None:
    """Heartbeats in the store that the agents' process shares with this one; nowhere without such a store."""
    if settings.redis_url is None:
        return None
    from domain.clock import SystemClock
    from governance.state.crew import Crew
    from governance.state.pulses import CrewPulses
    from governance.state.redis import RedisState

    clock = SystemClock()
    return CrewPulses(Crew(RedisState(settings.redis_url.get_secret_value(), clock), clock), clock)


def _verifier(settings: Settings) -> OidcVerifier | None:
    if not settings.oidc_issuer:
        return None
    from domain.clock import SystemClock
    from governance.oidc import OidcVerifier, Provider

    provider = Provider(issuer=settings.oidc_issuer, client_id=settings.oidc_client_id, claim=settings.oidc_claim)
    return OidcVerifier(provider, SystemClock())


def _injections(home: Home) -> list[InjectionExecutor]:
    """The hand of the guard in the chaos process, where there is one."""
    from chaos.executor import InjectionExecutor
    from chaos.http import Http

    url = os.environ.get("FIREBREAK_CHAOS_URL", "")
    return [InjectionExecutor(Http(), url, home.token("guard"))] if url else []


def app(home: Home, settings: Settings, port: int) -> None:
    """Pages, API and the graph."""
    from app import create

    config, inventory = _inventory(settings)
    _serve(create(settings, inventory, root=config.parent), settings.host, port, forwarded=not settings.trusted_proxies)


def chaos(home: Home, settings: Settings, port: int) -> None:
    """Breaks on purpose, and judges from outside."""
    from chaos.running import Place, open_chaos
    from chaos.server import build_chaos_server

    config = _own_config(home, settings)
    if config:
        write_private(home.chaos_config, str(config))
    place = Place(
        home=home.path,
        stack_home=home.stack,
        config=config,
        app_url=os.environ["FIREBREAK_APP_URL"],
        action_url=os.environ["FIREBREAK_ACTION_URL"],
        chaos_token=home.token("chaos"),
        intake_token=home.token("intake"),
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else "",
    )
    _serve(
        build_chaos_server(lambda: open_chaos(place), token=home.token("chaos"), guard_token=home.token("guard")),
        settings.host,
        port,
    )


def reaper(home: Home, settings: Settings, port: int) -> None:
    """Restores what a lease let go of."""
    from chaos.running import reap_forever

    write_private(home.run / "reaper.json", json.dumps({"pid": os.getpid()}))
    config = _own_config(home, settings)
    _run(lambda: reap_forever(home.path, home.stack, config))


def collector(home: Home, settings: Settings, port: int) -> None:
    """Observes, and pages through the public intake."""
    from tools.telemetry.collector import run_collector

    config, inventory = _inventory(settings)
    _run(
        lambda: run_collector(
            inventory,
            home.path,
            app_url=os.environ["FIREBREAK_APP_URL"],
            intake_token=home.token("intake"),
            env=os.environ,
            root=config.parent,
            retention_s=settings.retention_s,
        )
    )


def supervisor(home: Home, settings: Settings, port: int) -> None:
    """The parent of all the others, in the background."""
    from cli.installation import serve_until_signal

    serve_until_signal(home, settings.config, say)


PROCESSES: dict[str, Callable[[Home, Settings, int], None]] = {
    "action-server": action_server,
    "app": app,
    "chaos": chaos,
    "reaper": reaper,
    "collector": collector,
    "supervisor": supervisor,
}


def main(argv: list[str]) -> int:
    """Start the process that was named."""
    parser = argparse.ArgumentParser(prog="python -m cli.process")
    parser.add_argument("name", choices=sorted(PROCESSES))
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--config", type=Path, default=None)
    chosen = parser.parse_args(argv)
    if chosen.config:
        os.environ["FIREBREAK_CONFIG"] = str(chosen.config)
    os.environ["FIREBREAK_HOME"] = str(chosen.home)
    settings = load_settings()
    configure_logs(settings.log_level)
    try:
        PROCESSES[chosen.name](Home.at(chosen.home), settings, chosen.port)
    except FirebreakError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    return 0


def _inventory(settings: Settings) -> tuple[Path, Inventory]:
    config = settings.config or settings.home / "stack" / "firebreak.yaml"
    return config, load_inventory(config)


def _own_config(home: Home, settings: Settings) -> Path | None:
    """Someone's own inventory; None where the stack's is used."""
    ours = home.stack / "firebreak.yaml"
    return settings.config if settings.config and settings.config.resolve() != ours.resolve() else None


def _serve(application: object, host: str, port: int, *, forwarded: bool = True) -> None:
    """`forwarded` False: the peer stays the proxy that connected, whatever it says of others."""
    import uvicorn

    config = uvicorn.Config(
        application,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=forwarded,
        timeout_graceful_shutdown=4,
        lifespan="on",
    )
    uvicorn.Server(config).run()


def _run(work: Callable[[], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT, which cancel."""

    async def until_stopped() -> None:
        task = asyncio.ensure_future(work())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(until_stopped())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
