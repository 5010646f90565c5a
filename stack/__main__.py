"""`python -m stack up|down|status --home DIR`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from stack.home import Home, at, load_identity


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 could not, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m stack", description="A small real shop to break and mend.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run the stack in the foreground; one JSON line when it serves")
    up.add_argument("--rps", type=float, default=None, help="requests per second of the load generator (8 at first)")
    down = commands.add_parser("down", help="stop it, also what a crash left behind")
    status = commands.add_parser("status", help="print its state as JSON")
    for command in (up, down, status):
        command.add_argument("--home", default=".stack", help="directory of this stack (default .stack)")
    found = parser.parse_args(argv)
    home = at(found.home)
    if found.command == "up":
        if found.rps is not None and not 0 <= found.rps <= 500:
            parser.error("--rps: expected 0 to 500")
        return asyncio.run(_up(home, found.rps))
    return _down(home) if found.command == "down" else asyncio.run(_status(home))


def _print(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def _up(home: Home, rps: float | None) -> int:
    from stack.problem import ProblemError
    from stack.supervisor.claim import AlreadyRunningError, claim
    from stack.supervisor.control import Control
    from stack.supervisor.supervisor import Supervisor
    from stack.wire import serve

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    begun, first = time.monotonic(), load_identity(home) is None
    try:
        site, held = claim(home)
        stack = Supervisor(site, begun=begun, rps=8.0 if rps is None and first else rps)
    except AlreadyRunningError as error:
        _print(ready=False, error=str(error), hint="python -m stack down --home …")
        return 1
    except RuntimeError as error:
        _print(ready=False, error=str(error))
        return 1
    server = await serve(Control(stack), sock=held)
    code = await _run(stack, stop, (ProblemError, RuntimeError, OSError))
    server.close()
    await stack.take_down()
    return code


async def _run(stack: Any, stop: asyncio.Event, known: tuple[type[Exception], ...]) -> int:
    coming = asyncio.create_task(stack.bring_up())
    leaving = asyncio.create_task(stop.wait())
    await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if not coming.done():
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        return 0
    error = coming.exception()
    if error is not None:
        leaving.cancel()
        _print(ready=False, error=str(error))
        if not isinstance(error, known):
            await stack.take_down()
            raise error
        return 1
    seconds = round(time.monotonic() - stack.begun, 2)
    _print(
        ready=True,
        home=str(stack.site.home.root),
        shop_url=stack.site.identity.url("frontend"),
        control_url=stack.site.control_url,
        data_fs=stack.site.volume.kind,
        late=stack.late,
        seconds=seconds,
    )
    await leaving
    return 0


def _down(home: Home) -> int:
    import os

    from stack.supervisor import orphans
    from stack.supervisor.supervisor import clear_traces

    if not home.root.is_dir():
        _print(down=True, stopped=[], home=str(home.root))
        return 0
    pid = orphans.supervisor_pid(home)
    if pid:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        deadline = time.monotonic() + 20
        while orphans.supervisor_pid(home) == pid and time.monotonic() < deadline:
            time.sleep(0.05)
        if orphans.supervisor_pid(home) == pid:
            os.kill(pid, signal.SIGKILL)
    ended = clear_traces(home)
    left = orphans.find(home)
    _print(down=not left, stopped=([pid] if pid else []) + ended, left=left, home=str(home.root))
    return 1 if left else 0


async def _status(home: Home) -> int:
    from stack.supervisor import orphans
    from stack.wire import fetch

    identity = load_identity(home)
    if identity is None:
        _print(running=False, home=str(home.root), processes=[])
        return 0
    try:
        headers = {"Authorization": f"Bearer {identity.read_token}"}
        answer = await fetch("GET", f"{identity.url('control')}/status", headers=headers, timeout_s=3)
        body = json.loads(answer.body) if answer.status == 200 else {}
    except (OSError, TimeoutError, ValueError):
        body = {}
    if body.get("home") == str(home.root):
        _print(running=True, **body)
    else:
        _print(running=False, home=str(home.root), processes=[], orphans=orphans.find(home))
    return 0


if __name__ == "__main__":
    sys.exit(main())
