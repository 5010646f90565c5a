"""Diagnosis under conditions that the labelled cases do not show: perturbed cases and synthesised scenarios, printed as tables."""

from benchmarks.diagnosis.table import main

__all__ = ["main"]
