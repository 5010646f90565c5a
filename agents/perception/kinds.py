"""What kind of thing a service is: by the topology, else by the words of its name. Pure."""

from __future__ import annotations

import re

DATABASE_KINDS = frozenset({"database", "postgres", "postgresql", "db"})
CACHE_KINDS = frozenset({"cache", "redis"})
WORKER_KINDS = frozenset({"worker", "consumer", "queue"})
PROXY_KINDS = frozenset({"proxy", "link"})
_DATABASES = DATABASE_KINDS | {"mysql", "mongodb"}
_NAMED = (
    (CACHE_KINDS | {"memcached"}, "cache"),
    (WORKER_KINDS, "worker"),
    (PROXY_KINDS, "proxy"),
)


def kind_by_name(service: str) -> str:
    """`database`, `cache`, `worker`, `proxy`, or '' for a name that tells none (`orders-db` and `ordersdb` are databases)."""
    words = set(re.split(r"[^a-z]+", service.lower()))
    if words & _DATABASES or any(w.endswith("db") for w in words):
        return "database"
    return next((name for kinds, name in _NAMED if words & kinds), "")
