"""The collector: what polls, follows, judges and writes, once a second. `run_collector` is the way in."""

from tools.telemetry.collector.collector import run_collector

__all__ = ["run_collector"]
