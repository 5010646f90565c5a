"""Sending one webhook: signed (Standard Webhooks), to an address that may be reached, without following anything.

Server-side request forgery is answered here: the name is resolved once, every address it has must be public (unless the
inventory says `private: true`), and the connection goes to the address that was checked. No redirects, no proxies.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook as Signer

from domain.errors import ConfigError
from domain.inventory import Webhook
from tools.http import trust

TIMEOUT_S = 10.0
"""Seconds a receiver may take for one try."""
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a try came to."""

    status: int | None
    """HTTP status; None when there was no answer."""
    text: str

    @property
    def arrived(self) -> bool:
        """Only 2xx counts."""
        return self.status is not None and 200 <= self.status < 300


def checked_url(webhook: Webhook) -> tuple[str, int]:
    """Host and port. Raises ConfigError for what is not https, unless it is private."""
    parts = urlsplit(webhook.url)
    schemes = {"https", "http"} if webhook.private else {"https"}
    if parts.scheme not in schemes or not parts.hostname or parts.username or parts.password:
        raise ConfigError(
            f"webhook {webhook.name} has an address that is not sent to",
            expected="https://host/path without user and password; http only with private: true",
            found=f"{parts.scheme}://{parts.hostname or ''}"[:200],
        )
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def allowed(addresses: Sequence[Address], webhook: Webhook) -> Address:
    """The address to connect to. Raises ConfigError when the name leads to a place inside."""
    inside = [a for a in addresses if not a.is_global or a.is_multicast]
    if inside and not webhook.private:
        raise ConfigError(
            f"webhook {webhook.name} leads inside",
            expected="a public address",
            found=str(inside[0]),
            hint="set private: true on this webhook when a receiver on your own network is meant",
        )
    return addresses[0]


async def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(info[4][0]).partition("%")[0]) for info in found]


async def send(webhook: Webhook, secret: str, message_id: str, body: str, now: datetime) -> Answer:
    """One try. Never raises for what the far end does."""
    try:
        host, port = checked_url(webhook)
        address = allowed(await resolve(host, port), webhook)
        request = _request(webhook, address, host, {**_signed(secret, message_id, body, now)}, body)
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S, trust_env=False, follow_redirects=False, verify=trust()
        ) as client:
            answer = await client.send(request, stream=True)
            await answer.aclose()  # the body is nobody's business
    except ConfigError as error:
        return Answer(status=None, text="; ".join(error.lines()))
    except (httpx.HTTPError, OSError) as error:
        return Answer(status=None, text=f"{type(error).__name__}: {str(error)[:200]}")
    return Answer(status=answer.status_code, text=f"HTTP {answer.status_code}")


def _signed(secret: str, message_id: str, body: str, now: datetime) -> dict[str, str]:
    return {
        "Content-Type": "application/cloudevents+json",
        "User-Agent": "Firebreak",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(secret).sign(message_id, now, body),
    }


def _request(webhook: Webhook, address: Address, host: str, headers: dict[str, str], body: str) -> httpx.Request:
    """To the checked address; the name stays in the Host header and in the certificate that is asked for."""
    url = httpx.URL(webhook.url)
    named = {**headers, "Host": url.netloc.decode()}
    extensions = {"sni_hostname": host}
    return httpx.Request("POST", url.copy_with(host=str(address)), headers=named, content=body, extensions=extensions)
