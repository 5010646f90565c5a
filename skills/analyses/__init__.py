"""Looks at what was observed as a whole: telemetry, alerts and the diagnosis, as readings that a skill's checks can judge."""
