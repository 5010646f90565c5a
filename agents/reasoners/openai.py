"""A mind behind any OpenAI-compatible endpoint, or Azure OpenAI by configuration, through langchain-openai."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from agents.reasoners.asked import incident_of, messages
from agents.reasoners.spending import DEFAULT_LIMITS, NO_PRICES, Limits, Prices, Spending
from domain.errors import ModelError, ModelUnavailableError
from domain.reasoning import Question
from domain.redaction import redact
from domain.usage import Usage
from domain.value import Value

A = TypeVar("A", bound=Value)
ANSWER_TOKENS = 4_000
"""Longest answer; a longer one is cut off and then unusable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Which model, where, and what one answer and one incident may cost."""

    model: str
    base_url: str = ""
    api_key: SecretStr | None = None
    azure_endpoint: str = ""
    azure_api_version: str = ""
    timeout_s: float = 20.0
    secrets: tuple[re.Pattern[str], ...] = ()
    """Patterns that are taken out of every prompt beside the usual ones."""
    limits: Limits = DEFAULT_LIMITS
    prices: Prices = NO_PRICES


class OpenAiReasoner:
    """Structured answers over chat completions. Everything that comes back is untrusted; agents ground it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: Any = None
        self._spending = Spending(endpoint.limits, endpoint.prices)

    @property
    def name(self) -> str:
        """`openai:<model>`."""
        return f"openai:{self._endpoint.model}"

    @property
    def usage(self) -> Usage:
        """What this process has spent, all incidents together."""
        return self._spending.total

    def spent(self, incident: str) -> Usage:
        """What one incident has cost."""
        return self._spending.of(incident)

    def recall(self, incident: str, usage: Usage) -> None:
        """What an earlier process spent on an incident counts against its budget."""
        self._spending.at_least(incident, usage)

    async def answer(self, question: Question[A]) -> A:
        """Raises ModelUnavailableError (no answer, too slow, refused) or ModelError (no budget, unusable answer)."""
        asked, incident = messages(question, self._endpoint.secrets), incident_of(question)
        self._client = self._client or await asyncio.to_thread(chat_model, self._endpoint)
        price = self._spending.reserve(incident, sum(len(text) for _, text in asked), ANSWER_TOKENS)
        started, used, failed = time.monotonic(), None, True
        try:
            found = await self._ask(question, asked, self._spending.seconds_left(incident))
            used = tokens(found.get("raw"))
            answer = self._parsed(question, found)
            failed = False
            return answer
        finally:
            self._spending.settle(incident, price, time.monotonic() - started, used, failed=failed)

    async def _ask(self, question: Question[A], asked: list[tuple[str, str]], left_s: float) -> dict[str, Any]:
        patience = min(self._endpoint.timeout_s, left_s)
        try:
            async with asyncio.timeout(patience):
                return await _structured(self._client, question, asked)
        except TimeoutError as error:
            raise ModelUnavailableError(
                "the model is too slow", expected=f"an answer within {patience:.3g} s", found="none"
            ) from error
        except ModelError:
            raise
        except Exception as error:
            raise ModelUnavailableError(
                f"the model endpoint failed ({type(error).__name__})",
                expected="an answer",
                found=redact(str(error))[:200],
            ) from error

    def _parsed(self, question: Question[A], found: dict[str, Any]) -> A:
        answer = found.get("parsed")
        if isinstance(answer, question.answer_type):
            return cast(A, answer)
        said = getattr(found.get("raw"), "content", "")
        refused = getattr(found.get("raw"), "additional_kwargs", {}).get("refusal")
        raise ModelError(
            "the model refused" if refused else "the model's answer has the wrong shape",
            expected=question.answer_type.__name__,
            found=redact(str(refused or said or found.get("parsing_error") or "nothing"))[:200],
        )


async def _structured(client: Any, question: Question[A], asked: list[tuple[str, str]]) -> dict[str, Any]:
    structured = client.with_structured_output(question.answer_type, method="function_calling", include_raw=True)
    found: dict[str, Any] = await structured.ainvoke(asked)
    return found


def tokens(raw: Any) -> tuple[int, int] | None:
    """Tokens in and out as the endpoint says; None when it does not."""
    used = getattr(raw, "usage_metadata", None) or {}
    into, out = used.get("input_tokens"), used.get("output_tokens")
    return (int(into), int(out)) if isinstance(into, int) and isinstance(out, int) else None


def chat_model(endpoint: Endpoint) -> Any:
    """The client; imported late because it costs more than a second."""
    from langchain_openai import AzureChatOpenAI, ChatOpenAI

    shared: dict[str, Any] = {
        "timeout": endpoint.timeout_s,
        "max_retries": 0,
        "temperature": 0,
        "stream_usage": True,
        "max_tokens": ANSWER_TOKENS,
        "api_key": endpoint.api_key or SecretStr("unused"),
    }
    if endpoint.azure_endpoint:
        return AzureChatOpenAI(
            azure_endpoint=endpoint.azure_endpoint,
            api_version=endpoint.azure_api_version,
            azure_deployment=endpoint.model,
            **shared,
        )
    return ChatOpenAI(model=endpoint.model, base_url=endpoint.base_url or None, use_responses_api=False, **shared)
