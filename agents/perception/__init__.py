"""Perception: from evidence to ranked causes, with what speaks against each.

One engine for live incidents and for bundles read from a folder. Pure: it reads nothing and changes nothing.
"""

from __future__ import annotations

from agents.perception.engine import diagnose

__all__ = ["diagnose"]
