"""The patient: a small real shop to break and mend. Runs alone (`python -m stack up`), imports nothing of its doctor."""
