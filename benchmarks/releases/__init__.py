"""Releases replayed from recorded traffic: what the judge of contracts lets through, what it stops, and where."""

from benchmarks.releases.figures import main

__all__ = ["main"]
