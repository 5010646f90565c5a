"""Killing real processes at every boundary of a three-step plan."""
