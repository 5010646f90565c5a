"""The one reader of the environment. Every setting is documented where it stands; `.env.example` is generated from here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings. Nothing is built when this module is imported; secrets have no defaults."""

    model_config = SettingsConfigDict(env_prefix="FIREBREAK_", frozen=True, extra="ignore", populate_by_name=True)

    home: Path = Field(default=Path(".firebreak"), description="Where all state lives. Two homes run side by side.")
    host: str = Field(default="127.0.0.1", description="Address to listen on. Loopback unless you say otherwise.")
    port: int = Field(default=0, ge=0, lt=65536, description="Port of the app; 0 takes a free one.")
    config: Path | None = Field(
        default=None, description="Inventory (firebreak.yaml). Unset: the local stack's own, written by `firebreak up`."
    )
    policy: str = Field(
        default="",
        description="Policy by name (sandbox, production) or path; empty takes the inventory's, else `default`.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe log level."
    )

    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias="REDIS_URL",
        description="Redis, Valkey or DragonflyDB for checkpoints and coordination. Unset: an embedded redis-server.",
    )
    prometheus_url: str = Field(
        default="", validation_alias="PROMETHEUS_URL", description="Read metrics from this Prometheus too."
    )
    loki_url: str = Field(default="", validation_alias="LOKI_URL", description="Read logs from this Loki too.")
    database_url: SecretStr | None = Field(
        default=None,
        description="Superuser's URL of a PostgreSQL server, not used otherwise, for the local stack instead of the embedded one.",
    )

    ledger_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL that keeps the ledger (postgresql://…), for several machines. Unset: a file in the home.",
    )
    ledger_git: Path | None = Field(
        default=None,
        description="Git repository that gets a commit per anchor of the ledger; relative to the home. Unset: none.",
    )

    model_base_url: str = Field(
        default="", description="OpenAI-compatible endpoint, e.g. http://127.0.0.1:11434/v1. Unset with a key: OpenAI."
    )
    model: str = Field(default="", description="Model name. Unset and no endpoint: rules only.")
    model_api_key: SecretStr | None = Field(
        default=None, validation_alias="OPENAI_API_KEY", description="Key for the endpoint; never logged."
    )
    model_azure_endpoint: str = Field(default="", description="Azure OpenAI resource endpoint, instead of base_url.")
    model_azure_api_version: str = Field(default="", description="Azure OpenAI API version.")
    model_timeout_s: float = Field(
        default=20.0, gt=0, description="Seconds one answer may take before rules take over."
    )
    model_token_budget: int = Field(default=120_000, gt=0, description="Tokens one incident may cost in all.")
    model_call_budget: int = Field(default=40, gt=0, description="Questions one incident may ask a model in all.")
    model_seconds_budget: float = Field(
        default=300.0, gt=0, description="Seconds one incident may wait for a model in all."
    )
    model_money_budget: float = Field(
        default=0.0, ge=0, description="Money one incident may cost in all, by the prices below. 0: no limit."
    )
    model_price_input: float = Field(
        default=0.0, ge=0, description="Price of a million prompt tokens. Both prices 0: cost is not shown."
    )
    model_price_output: float = Field(default=0.0, ge=0, description="Price of a million answer tokens.")
    redact_patterns: list[str] = Field(
        default=[],
        description='Regular expressions of what no prompt may hold beside the usual secrets, as JSON: ["ACME-[0-9]+"].',
    )
    model_currency: str = Field(default="USD", description="Currency of the prices.")

    intake_token: SecretStr | None = Field(
        default=None,
        description="Bearer token for alert senders. Unset: one is made in the home (secrets/intake.token).",
    )
    intake_secrets: str = Field(
        default="", description="Comma-separated Standard Webhooks secrets (whsec_…); several are valid at once."
    )
    github_token: SecretStr | None = Field(
        default=None,
        description="Token that reads pull requests and writes their contract's comment and status. Unset: none are read.",
    )
    github_url: str = Field(default="https://api.github.com", description="Address of GitHub's API.")
    github_login: str = Field(
        default="", description="Login that the token writes as, e.g. `firebreak[bot]`. Unset: GitHub is asked."
    )
    github_signs: bool = Field(
        default=False,
        description="Whether people of the inventory may sign and reject contracts by comment: the app's word counts then.",
    )
    oidc_issuer: str = Field(
        default="", description="OpenID provider for signing in, e.g. https://login.example.com/realms/ops."
    )
    oidc_client_id: str = Field(default="", description="Our client id there.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Our client secret there. Unset: a public client; PKCE protects the code either way."
    )
    oidc_claim: str = Field(
        default="preferred_username", description="Claim of the ID token that is the name in the inventory's `people`."
    )
    public_url: str = Field(
        default="", description="Address that browsers use, e.g. https://firebreak.example.com. Unset: as they asked."
    )
    trusted_proxies: str = Field(
        default="", description="Comma-separated addresses or networks of proxies that sign people in. Empty: none."
    )
    trusted_proxy_header: str = Field(
        default="X-Forwarded-User", description="Header in which a trusted proxy names the person."
    )
    load_rps: float = Field(default=8.0, ge=0, description="Requests per second of the local load; 0 is off.")
    autonomy: Literal["inherit", "observe", "shadow"] = Field(
        default="inherit",
        description="What the responder may do with incidents: inherit lets modes and tiers decide, observe only"
        " diagnoses, shadow judges and does nothing.",
    )
    max_replans: int = Field(default=2, ge=0, description="Replans before an incident escalates.")
    approval_ttl_s: int = Field(default=900, gt=0, description="Seconds an approval stays open.")
    retention_s: int = Field(default=6 * 3600, gt=0, description="Seconds the embedded telemetry store keeps samples.")
    verify_s: float = Field(default=6.0, gt=0, description="Seconds of good service before a cure counts.")


def load_settings() -> Settings:
    """Read the environment once. Raises pydantic.ValidationError; the cli turns it into a readable error."""
    return Settings()
