"""How a link misbehaves, and which backend gets the next connection. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from stack.problem import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxics:
    """Present misbehaviour of a link. The default passes everything on at once."""

    latency_ms: float = 0.0
    """Added to each direction, so a round trip takes twice as much longer."""
    jitter_ms: float = 0.0
    """Uniform ± around the latency."""
    bandwidth_kbps: float = 0.0
    """Kilobytes per second and direction; 0 is unlimited."""
    drop: float = 0.0
    """Share of new connections closed at once, 0..1."""
    reset: float = 0.0
    """Share of new connections answered with a TCP reset, 0..1."""
    cut_after_bytes: int = 0
    """Close a connection after so many bytes in one direction; 0 is never."""
    blackhole: bool = False
    """Accept and read, pass nothing on, answer nothing."""
    refuse: bool = False
    """Stop listening: connections are refused."""

    @property
    def calm(self) -> bool:
        """Nothing is wrong."""
        return self == Toxics()

    def delay_s(self, random: Random) -> float:
        """Seconds to hold back one chunk."""
        if not self.latency_ms and not self.jitter_ms:
            return 0.0
        return max(0.0, self.latency_ms + random.uniform(-self.jitter_ms, self.jitter_ms)) / 1000.0

    def pace_s(self, size: int) -> float:
        """Seconds that `size` bytes take at the given bandwidth."""
        return size / (self.bandwidth_kbps * 1024.0) if self.bandwidth_kbps else 0.0


_SHARES = ("drop", "reset")
_FLAGS = ("blackhole", "refuse")


def parse_toxics(body: Mapping[str, Any]) -> Toxics:
    """Toxics from JSON; unset fields are calm. Raises ProblemError for unknown names and impossible values."""
    known = asdict(Toxics())
    for name, value in body.items():
        if name not in known:
            raise invalid(f"unknown toxic {name!r}", expected=", ".join(known), found=name)
        if name in _FLAGS:
            if not isinstance(value, bool):
                raise invalid(f"{name} is a switch", expected="true or false", found=value)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise invalid(f"{name} is a quantity", expected="a number that is not negative", found=value)
        elif name in _SHARES and value > 1:
            raise invalid(f"{name} is a share", expected="0 to 1", found=value)
    return Toxics(**dict(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where connections go, and how large a share of them."""

    host: str
    port: int
    weight: float = 100.0


def parse_backends(rows: object) -> tuple[Backend, ...]:
    """Backends from JSON rows {host?, port, weight?}. Raises ProblemError."""
    if not isinstance(rows, list) or not rows:
        raise invalid("a proxy needs somewhere to go", expected="a non-empty list of backends", found=rows)
    return tuple(_backend(row) for row in rows)


def _backend(row: object) -> Backend:
    if not isinstance(row, dict) or set(row) - {"host", "port", "weight"}:
        raise invalid("a backend is an object", expected='{"host", "port", "weight"}', found=row)
    port, weight = row.get("port"), row.get("weight", 100)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise invalid("wrong port", expected="1 to 65535", found=port)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
        raise invalid("wrong weight", expected="a number that is not negative", found=weight)
    return Backend(host=str(row.get("host", "127.0.0.1")), port=port, weight=float(weight))


def choose(backends: Sequence[Backend], random: Random) -> Backend:
    """One backend by weight; the first when all weigh nothing."""
    total = sum(backend.weight for backend in backends)
    if total <= 0:
        return backends[0]
    return random.choices(backends, weights=[backend.weight for backend in backends])[0]
