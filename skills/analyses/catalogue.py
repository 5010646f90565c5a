"""Every analysis, once. Adding one is a function in its family's module and a line in that module's `ANALYSES`."""

from __future__ import annotations

from skills.analyses import alerts, causes, signals

ANALYSES = (*signals.ANALYSES, *alerts.ANALYSES, *causes.ANALYSES)
