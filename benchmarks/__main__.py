"""`make bench`: every table, one after the other; `BENCH_ARGS="retrieval"` picks some."""

from __future__ import annotations

import argparse
import importlib
import sys

BENCHMARKS = (
    "retrieval",
    "bundles",
    "graph_overhead",
    "guard",
    "footprint",
    "revocation",
    "drills",
    "ledger",
    "crash_points",
    "diagnosis",
)


def main() -> int:
    """Run the chosen benchmarks; the worst exit code wins."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which ones; all when left out")
    names = parser.parse_args().names or BENCHMARKS
    worst = 0
    for name in names:
        sys.stdout.write(f"\n== {name} ==\n")
        sys.stdout.flush()
        saved, sys.argv = sys.argv, [name]
        try:
            worst = max(worst, int(importlib.import_module(f"benchmarks.{name}").main() or 0))
        finally:
            sys.argv = saved
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
