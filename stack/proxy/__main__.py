"""`python -m stack.proxy NAME --port P --admin-port A --state FILE --backend HOST:PORT`; token from PROXY_TOKEN."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path

from stack.home import write_atomic
from stack.problem import ProblemError
from stack.proxy.link import Link
from stack.proxy.toxics import Backend, Toxics, parse_backends, parse_toxics
from stack.shop.lines import log_line
from stack.wire import Request, Response, answer, require, serve


class Admin:
    """The admin port: GET /toxics, PUT or POST /toxics, DELETE /toxics, GET/POST /backends, POST /cut, GET /metrics.

    What is set survives a restart of the process: a bad network is not mended by restarting who crosses it.
    """

    def __init__(self, name: str, link: Link, state: Path, token: str) -> None:
        self.name = name
        self.link = link
        self.state = state
        self.token = token

    async def __call__(self, request: Request) -> Response:
        if request.path == "/healthz":
            return answer({"status": "ok", "name": self.name})
        if request.path == "/metrics":
            return Response(body=self.metrics().encode(), content_type="text/plain; version=0.0.4")
        require(request, self.token)
        match (request.method, request.path):
            case ("GET", "/" | "/toxics"):
                return answer(asdict(self.link.toxics))
            case ("PUT" | "POST", "/toxics"):
                return await self.set_toxics(parse_toxics(request.json()))
            case ("DELETE", "/toxics"):
                return await self.set_toxics(Toxics())
            case ("GET", "/backends"):
                return self.backends()
            case ("PUT" | "POST", "/backends"):
                self.link.backends = parse_backends(request.json().get("backends"))
                self.save()
                return self.backends()
            case ("POST", "/cut"):
                self.link.cut()
                return answer({"cut": True})
            case _:
                raise ProblemError(404, "http.no_route", f"nothing at {request.method} {request.path}")

    async def set_toxics(self, toxics: Toxics) -> Response:
        """Apply, remember, answer what is set now."""
        await self.link.set_toxics(toxics)
        self.save()
        return answer(asdict(toxics))

    def backends(self) -> Response:
        """Present backends."""
        return answer({"backends": [asdict(backend) for backend in self.link.backends]})

    def metrics(self) -> str:
        """Exposition text. Never says which toxics are set: that is not for those who diagnose."""
        link = self.link
        rows = (
            ("proxy_connections", "gauge", link.connections),
            ("proxy_connections_total", "counter", link.accepted),
            ("proxy_connect_failures_total", "counter", link.failed),
            ("proxy_bytes_total", "counter", link.bytes_passed),
        )
        return "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, kind, value in rows)

    def save(self) -> None:
        """Remember for the next start."""
        rows = [asdict(backend) for backend in self.link.backends]
        write_atomic(self.state, json.dumps({"toxics": asdict(self.link.toxics), "backends": rows}), mode=0o600)

    def restore(self) -> None:
        """Take up what the last run was told, if that is readable."""
        try:
            found = json.loads(self.state.read_text())
            self.link.toxics = parse_toxics(found["toxics"])
            self.link.backends = parse_backends(found["backends"])
        except (OSError, ValueError, KeyError, TypeError, ProblemError):
            return


async def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    host, _, port = arguments.backend.rpartition(":")
    link = Link(port=arguments.port, backends=(Backend(host=host, port=int(port)),))
    admin = Admin(arguments.name, link, arguments.state, os.environ.get("PROXY_TOKEN", ""))
    admin.restore()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await link.open()
    server = await serve(admin, port=arguments.admin_port)
    log_line(arguments.name, "info", "listening", port=arguments.port, backends=[b.port for b in link.backends])
    await stop.wait()
    server.close()
    await link.close()


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="stack.proxy")
    parser.add_argument("name")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--admin-port", type=int, required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--state", type=Path, required=True)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
