"""Numbers for `/metrics`, counted from the leases. While a fault is blind its name is no label."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from chaos.lease import Lease, LeaseState


class Meters:
    """A registry over one reading of the lease store."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        self._leases = leases
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """injections_total, active_faults, restore_failures_total, fault_duration_seconds."""
        injections = CounterMetricFamily("firebreak_chaos_injections", "Faults injected.", labels=["fault"])
        for name, n in Tally(label(lease) for lease in self._leases).items():
            injections.add_metric([name], n)
        yield injections
        active = sum(not lease.state.finished for lease in self._leases)
        yield GaugeMetricFamily("firebreak_chaos_active_faults", "Faults that stand now.", value=active)
        failures = sum(max(0, lease.attempts - lease.state.finished) for lease in self._leases)
        yield CounterMetricFamily("firebreak_chaos_restore_failures", "Restorations tried again.", value=failures)
        lasted = [seconds(lease) for lease in self._leases if lease.state is LeaseState.RESTORED]
        duration = SummaryMetricFamily("firebreak_chaos_fault_duration_seconds", "Injection to restoration.")
        duration.add_metric([], count_value=len(lasted), sum_value=sum(lasted))
        yield duration


def label(lease: Lease) -> str:
    """The fault's name, or `sealed` for as long as nobody may know."""
    return "sealed" if lease.blind else lease.fault


def seconds(lease: Lease) -> float:
    """How long it stood."""
    start, end = lease.injected_at or lease.prepared_at, lease.restored_at
    return (end - start).total_seconds() if end else 0.0
