"""`make bench`: every table, one after the other; `BENCH_ARGS="retrieval"` picks some.

Options of a benchmark follow its name: `python -m benchmarks crash_points --every=10`.
"""

from __future__ import annotations

import argparse
import importlib
import sys

BENCHMARKS = (
    "retrieval",
    "apart",
    "bundles",
    "graph_overhead",
    "guard",
    "footprint",
    "revocation",
    "drills",
    "releases",
    "rollouts",
    "rehearsals",
    "release_incident",
    "ledger",
    "crash_points",
    "diagnosis",
    "local_faults",
    "skills",
    "contracts",
)


def main() -> int:
    """Run the chosen benchmarks; the worst exit code wins."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", add_help=False)
    parser.add_argument("-h", "--help", action="store_true", help="after a name: the options of that benchmark")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all when left out")
    asked, options = parser.parse_known_args()
    if asked.help and not asked.names:
        parser.print_help()
        return 0
    options += ["--help"] if asked.help else []
    if unknown := set(asked.names) - set(BENCHMARKS):
        parser.error(f"expected one of {', '.join(BENCHMARKS)}; found {', '.join(sorted(unknown))}")
    if options and len(asked.names) != 1:
        parser.error(f"options such as {options[0]} belong to one benchmark: name exactly one")
    worst = 0
    for name in asked.names or BENCHMARKS:
        sys.stdout.write(f"\n== {name} ==\n")
        sys.stdout.flush()
        saved, sys.argv = sys.argv, [name, *options]
        try:
            worst = max(worst, int(importlib.import_module(f"benchmarks.{name}").main() or 0))
        finally:
            sys.argv = saved
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
