"""Probes of a namespace: what stands there, compared with what the inventory declares to be needed."""
