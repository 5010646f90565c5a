"""Paying for an order: the primary provider now, or the fallback, which defers it to the worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import httpx

from stack.problem import ProblemError
from stack.shop.api.metrics import ApiMetrics
from stack.shop.spans import Tracing, outgoing


class Payments:
    """Client of the payment service."""

    def __init__(
        self, values: Callable[[], Mapping[str, str]], http: httpx.AsyncClient, metrics: ApiMetrics, tracing: Tracing
    ) -> None:
        self._values = values
        self._http = http
        self._metrics = metrics
        self._tracing = tracing

    @property
    def deferred(self) -> bool:
        """Whether orders are accepted now and charged later."""
        return self._values()["PAYMENTS_PROVIDER"] == "fallback"

    async def charge(self, order_id: str, cents: int) -> str:
        """The charge's id, or an empty string when it is deferred. Raises ProblemError when payment is not possible now."""
        if self.deferred:
            self._metrics.upstream.labels("payments", "fallback", "202").inc()
            return ""
        values = self._values()
        started = time.monotonic()
        status = "error"
        try:
            with self._tracing.span("payments.charge", {"peer.service": "payments"}) as span:
                response = await self._http.post(
                    f"{values['PAYMENTS_URL']}/charge",
                    json={"order_id": order_id, "amount_cents": cents},
                    headers={"X-Api-Key": values["PAYMENTS_API_KEY"], **outgoing()},
                    timeout=float(values["PAYMENTS_TIMEOUT_S"]),
                )
                status = str(response.status_code)
                span.set_attribute("http.response.status_code", response.status_code)
        except httpx.TimeoutException as error:
            status = "timeout"
            raise ProblemError(504, "payments.timeout", "payments did not answer in time") from error
        except httpx.TransportError as error:
            status = "refused" if isinstance(error, httpx.ConnectError) else "error"
            raise ProblemError(502, "payments.unreachable", f"payments: {type(error).__name__}: {error}") from error
        finally:
            self._metrics.upstream.labels("payments", "primary", status).inc()
            self._metrics.upstream_seconds.labels("payments").observe(time.monotonic() - started)
        if response.status_code != 200:
            raise ProblemError(
                503 if response.status_code == 429 else 502,
                f"payments.{response.status_code}",
                f"payments answered {response.status_code}: {response.text[:160]}",
            )
        return str(response.json()["charge_id"])
