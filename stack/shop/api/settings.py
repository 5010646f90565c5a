"""What the api needs to know before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.shop.settings import Setting, choice, integer, number, text, url

KEYS: tuple[Setting, ...] = (
    text("DB_HOST"),
    integer("DB_PORT", 1, 65535),
    text("DB_NAME"),
    text("DB_USER"),
    integer("DB_POOL_SIZE", 1, 40),
    number("DB_POOL_TIMEOUT_S", 0.1, 30),
    url("CACHE_URL", "redis"),
    number("CATALOGUE_TTL_S", 0.5, 3600),
    url("PAYMENTS_URL", "http", "https"),
    text("PAYMENTS_API_KEY"),
    number("PAYMENTS_TIMEOUT_S", 0.1, 30),
    choice("PAYMENTS_PROVIDER", "primary", "fallback"),
    choice("LOG_LEVEL", "debug", "info", "warning", "error"),
)
"""Required keys of config/api.env."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the supervisor says about one process of the api; not configuration."""

    port: int
    version: str
    data: Path
    env_file: Path
    secret_file: Path
    spans: Path
    quota_bytes: int = 0
    """Limit for the data directory where it could not be given a file system of its own; 0 is none."""


def conninfo(values: Mapping[str, str]) -> str:
    """libpq connection string without the password."""
    pairs = {
        "host": values["DB_HOST"],
        "port": values["DB_PORT"],
        "dbname": values["DB_NAME"],
        "user": values["DB_USER"],
        "application_name": "shop-api",
        # The server ends what waits too long, so that one held lock cannot hold the whole pool for ever.
        "options": "-c lock_timeout=1200 -c statement_timeout=2500",
        "connect_timeout": "3",
    }
    return " ".join(f"{key}='{_quoted(value)}'" for key, value in pairs.items())


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
