"""Alert and change deliveries as their senders write them → alerts and changes in our words. Pure (spec: Alert intake)."""

from tools.intake.describe import describe, detect
from tools.intake.normalise import SOURCES, Normalised, normalise, resolve_service
from tools.intake.route import OpenIncident, Route, dedup_key, route

__all__ = [
    "SOURCES",
    "Normalised",
    "OpenIncident",
    "Route",
    "dedup_key",
    "describe",
    "detect",
    "normalise",
    "resolve_service",
    "route",
]
