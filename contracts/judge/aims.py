"""What a contract asks of a rollout, in the judge's terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.errors import ConfigError

MIB = 1024 * 1024


class Staged(Protocol):
    """A stage of a rollout: `percent` of the requests go to the new version for `seconds`."""

    @property
    def percent(self) -> float: ...
    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimit:
    """At most 1 − `quantile` of the requests may take longer than `seconds`: p95 < 0.5 s is (0.95, 0.5)."""

    quantile: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit:
    """The new version's memory must not be on its way beyond `bytes` within `horizon_s`."""

    bytes: float = 512 * MIB
    horizon_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """Accepted risks, tolerances and limits. Raises ConfigError for what cannot be."""

    alpha: float = 0.01
    """Accepted chance that a release without any change is stopped, over all its stages, looks and checks together."""
    power: float = 0.95
    """Wanted chance that an effect of the stated size is stopped."""
    tolerance: float = 0.01
    """Durations that are longer by this share are no reason to stop: two processes of one version differ by as much."""
    least_gap: float = 0.001
    """A rise of the failure ratio below this is no reason to stop."""
    error_limit: float | None = None
    """Largest share of failed requests; None is no limit."""
    latency_limits: tuple[LatencyLimit, ...] = ()
    memory: MemoryLimit | None = None
    budget: float | None = None
    """Share of requests that may fail by the service's objective (1 − target); None turns burn rates off."""
    window_s: float = 10.0
    """Requests are only compared with those of the same window and route."""
    dispersion: float = 2.0
    """Least factor on the variance of durations: windows of two processes of one version differ by as much more than
    independent requests would (measured on the recorded shop: 1.8 to 2.4)."""
    looks: int = 2
    """Looks per stage, the last one when it is over."""
    extensions: int = 3
    """Looks in reserve for stages that stayed inconclusive."""
    minimum: int = 50
    """Requests of each version below which nothing is compared."""

    def __post_init__(self) -> None:
        shares = {"alpha": self.alpha, "power": self.power, "error limit": self.error_limit, "budget": self.budget}
        for name, share in shares.items():
            if share is not None and not 0.0 < share < 1.0:
                raise ConfigError(f"the {name} is a share", expected="above 0 and below 1", found=str(share))
        if min(self.tolerance, self.least_gap) < 0 or self.window_s <= 0 or min(self.looks, self.minimum) < 1:
            raise ConfigError("a tolerance, a window or a count is impossible", expected="not negative, at least 1")
