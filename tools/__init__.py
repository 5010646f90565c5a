"""The hands and the eyes: typed actions, read-only probes, telemetry and intake."""
