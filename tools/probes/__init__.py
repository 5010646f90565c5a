"""The eyes: read-only probes, each bounded in time and size; `runner` runs them side by side."""
