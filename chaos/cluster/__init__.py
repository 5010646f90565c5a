"""Faults of a cluster: fields of its objects, changed on purpose and put back."""
