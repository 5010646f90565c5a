"""The standard normal distribution."""

from __future__ import annotations

from statistics import NormalDist

_STANDARD = NormalDist()


def quantile(probability: float) -> float:
    """The value below which that share lies."""
    return _STANDARD.inv_cdf(probability)


def beyond(z: float) -> float:
    """Chance of more than `z`; exact also far out, where 1 − cdf would be rounded away."""
    return _STANDARD.cdf(-z)
