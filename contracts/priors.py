"""What is assumed before anything was observed: one table per quantity, each number a judgement, none of them data.

The order follows what published outage studies name as causes of failed changes (configuration, data schema and traffic
routing before code); the sizes are ours. Recorded outcomes move the predictions made from them, never these tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.risk import FactorName as F

POINTS: Mapping[F, float] = {
    F.SCHEMA: 45,
    F.API_BREAK: 35,
    F.SECRETS: 35,
    F.PERMISSIONS: 35,
    F.ROUTING: 30,
    F.INFRASTRUCTURE: 30,
    F.CONCURRENCY: 28,
    F.STORAGE: 28,
    F.CACHING: 25,
    F.TRAFFIC: 22,
    F.OBSERVABILITY: 20,
    F.CONFIGURATION: 18,
    F.DEPENDENCY: 15,
    F.TESTS: 15,
    F.HISTORY: 15,
    F.TOPOLOGY: 15,
    F.SIZE: 25,
    F.CHURN: 12,
    F.OWNERSHIP: 8,
    F.TIME: 8,
}
"""Points (0 to 100) that an ordinary case of the factor has alone; for the last eight the most that they can have."""

LATENCY: Mapping[F, tuple[float, float]] = {
    F.SCHEMA: (4.0, 12.0),
    F.CACHING: (6.0, 18.0),
    F.CONCURRENCY: (4.0, 14.0),
    F.TRAFFIC: (3.0, 8.0),
    F.ROUTING: (2.0, 7.0),
    F.STORAGE: (3.0, 9.0),
    F.DEPENDENCY: (1.0, 5.0),
    F.API_BREAK: (1.0, 3.0),
    F.CONFIGURATION: (1.0, 6.0),
    F.SIZE: (1.0, 3.0),
}
"""Expected change of p95 in percent of the baseline and its standard deviation, for a case of ordinary points."""

ERRORS: Mapping[F, tuple[float, float]] = {
    F.SCHEMA: (0.10, 0.40),
    F.API_BREAK: (0.12, 0.45),
    F.PERMISSIONS: (0.08, 0.40),
    F.SECRETS: (0.08, 0.40),
    F.ROUTING: (0.06, 0.30),
    F.CONCURRENCY: (0.05, 0.25),
    F.CONFIGURATION: (0.05, 0.25),
    F.CACHING: (0.03, 0.12),
    F.STORAGE: (0.03, 0.15),
    F.DEPENDENCY: (0.03, 0.15),
    F.SIZE: (0.02, 0.08),
}
"""Expected change of the error rate in percentage points and its standard deviation."""
