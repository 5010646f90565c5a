"""What can be wrong with a system that is looked after: the classes that a hypothesis may name."""

from __future__ import annotations

FAULT_CLASSES: tuple[str, ...] = (
    "crash", "crash_loop", "hang", "cpu_hog", "thread_exhaustion", "fd_exhaustion", "slow_start", "wrong_binary",
    "memory_leak", "oom", "disk_full", "read_only_volume", "log_flood", "silent_corruption",
    "latency", "packet_loss", "reset", "bandwidth", "partition", "port_blocked", "dns_failure", "cert_expired", "cert_wrong_host",
    "down", "pool_exhaustion", "connection_limit", "long_transactions", "missing_index", "read_only", "credential_revoked",
    "user_dropped", "schema_mismatch", "failed_migration", "deadlock",
    "cache_down", "cache_stampede", "cache_poison", "consumer_stopped", "queue_lag", "poison_message",
    "wrong_env", "missing_env", "wrong_port", "stale_secret", "latent_flag", "bad_release", "slow_release",
    "incompatible_release", "half_rollout",
    "upstream_5xx", "upstream_slow", "upstream_429", "upstream_wrong_payload", "expired_key", "traffic_spike", "retry_storm",
)  # fmt: skip
"""By family: process, memory and disk, network, database, cache and queue, configuration and release, dependency and load."""

OTHER = "other"
"""For what none of the classes names; then the statement's words are all there is."""
