"""Containers' logs behind the Telemetry port: `docker logs --timestamps` as an argument list, here or over ssh.

What a program wrote to its error stream comes on ours; the time that Docker puts first (RFC 3339 with nanoseconds) is the line's.
Reading them takes access to the daemon's socket, which is as much as root: over ssh, a forced command can grant this one alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.bundle import LogLine, Window
from domain.clock import SystemClock
from domain.errors import CircuitOpenError, EvidenceError, ToolError
from domain.inventory import Inventory, Service
from domain.telemetry import SourceCheck
from governance.health import Breaker
from tools.moment import moment
from tools.telemetry.http_api import TIMEOUT_S, side_by_side
from tools.telemetry.lines import log_line
from tools.telemetry.listing import at_host, listed
from tools.telemetry.sampling import thinned
from tools.telemetry.telling import RECENT_S, TellsNothing, checked

GRANT = "usermod -aG docker USER, then start Firebreak again; or an ssh user whose forced command is `docker logs`"
NOT_HERE = b"No such container"
"""What docker says of a service that does not run in it: no lines, and no failure."""


class DockerTelemetry(TellsNothing):
    """Log lines of the inventory's containers. It has no series, spans or changes to tell.

    `host`: an ssh destination; empty reads this machine's daemon (or DOCKER_HOST). Raises ToolError when docker or ssh is missing,
    EvidenceError when it cannot read.
    """

    def __init__(
        self, inventory: Inventory, *, host: str = "", timeout_s: float = TIMEOUT_S, breaker: Breaker | None = None
    ) -> None:
        self._inventory, self._host, self._timeout_s = inventory, host, timeout_s
        self._breaker = breaker or Breaker("docker", SystemClock())

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """See the port."""
        wanted = [s for s in self._inventory.services if not services or s.name in services]
        found, self.gaps = await side_by_side(
            lambda service: self._lines(service, window),
            wanted,
            timeout_s=self._timeout_s,
            name="docker",
            what="logs",
        )
        return thinned(sorted(found, key=lambda line: line.time), limit)

    async def check(self, now: float) -> SourceCheck:
        """See `Checkable`. A service without a container shows no lines here; a daemon that refuses is an error."""
        found = await self.logs((now - RECENT_S, now), limit=100_000)
        newest = {line.service: line.time for line in found}
        return checked("docker, lines", newest, self._inventory.names(), now)

    async def _lines(self, service: Service, window: Window) -> list[LogLine]:
        container = service.telemetry.container or service.name
        span = (f"--since={window[0]:.3f}", f"--until={window[1] + 0.001:.3f}")
        words = at_host(self._host, ["docker", "logs", "--timestamps", *span, "--", container])
        try:
            async with self._breaker.watching(EvidenceError, ToolError):
                said = await listed(words)
                if said.code != 0 and NOT_HERE in said.err:
                    return []
                said.well(f"the logs of container {container}", GRANT)
        except CircuitOpenError as error:
            raise EvidenceError(
                "docker cannot be asked", expected="docker logs", found=error.message, hint=error.hint
            ) from error
        read = (stamped(row, service.name) for row in (*said.out.splitlines(), *said.err.splitlines()))
        return [line for line in read if line is not None and window[0] <= line.time <= window[1]]


def stamped(row: bytes, service: str) -> LogLine | None:
    """A line after Docker's time; None for what carries none (a cut first line, Docker's own words)."""
    stamp, _, text = row.partition(b" ")
    try:
        when, _ = moment(stamp.decode())
    except ValueError:
        return None
    line = log_line(text, service, when)
    return LogLine(
        time=when,
        service=service,
        message=line.message,
        level=line.level,
        trace_id=line.trace_id,
        span_id=line.span_id,
        attributes=line.attributes,
    )
