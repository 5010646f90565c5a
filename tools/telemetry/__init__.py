"""What is observed: collector, embedded store, alert rules; or the same from a real Prometheus."""
