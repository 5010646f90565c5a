"""A mind behind any OpenAI-compatible endpoint, or Azure OpenAI by configuration, through langchain-openai."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from agents.prompts import prompt
from domain.errors import ModelError, ModelUnavailableError
from domain.reasoning import Question, Usage
from domain.redaction import redact
from domain.value import Value

A = TypeVar("A", bound=Value)
REMEMBERED = 200
"""Incidents whose token count is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Which model, where, and what one answer and one incident may cost."""

    model: str
    base_url: str = ""
    api_key: SecretStr | None = None
    azure_endpoint: str = ""
    azure_api_version: str = ""
    timeout_s: float = 20.0
    token_budget: int = 60_000
    """Tokens per incident, prompts and answers together."""


class OpenAiReasoner:
    """Structured answers over chat completions. Everything that comes back is untrusted; agents ground it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: Any = None
        self._spent: OrderedDict[str, int] = OrderedDict()
        self.usage = Usage()

    @property
    def name(self) -> str:
        """`openai:<model>`."""
        return f"openai:{self._endpoint.model}"

    async def answer(self, question: Question[A]) -> A:
        """Raises ModelUnavailableError (no answer, too slow, refused) or ModelError (no budget, unusable answer)."""
        incident = incident_of(question)
        spent = self._spent.get(incident, 0)
        if spent >= self._endpoint.token_budget:
            raise ModelError(
                "the token budget of this incident is used up",
                expected=f"fewer than {self._endpoint.token_budget} tokens",
                found=str(spent),
            )
        client = self._client or await asyncio.to_thread(self._connect)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._endpoint.timeout_s):
                found = await _ask(client, question)
        except TimeoutError as error:
            self._failed(started)
            raise ModelUnavailableError(
                "the model is too slow", expected=f"an answer within {self._endpoint.timeout_s:g} s", found="none"
            ) from error
        except ModelError:
            self._failed(started)
            raise
        except Exception as error:
            self._failed(started)
            raise ModelUnavailableError(
                f"the model endpoint failed ({type(error).__name__})",
                expected="an answer",
                found=redact(str(error))[:200],
            ) from error
        self._count(incident, found.get("raw"), started)
        return self._parsed(question, found)

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

    def _connect(self) -> Any:
        self._client = chat_model(self._endpoint)
        return self._client

    def _count(self, incident: str, raw: Any, started: float) -> None:
        used = getattr(raw, "usage_metadata", None) or {}
        into, out = int(used.get("input_tokens", 0)), int(used.get("output_tokens", 0))
        self._spent[incident] = self._spent.get(incident, 0) + into + out
        self._spent.move_to_end(incident)
        while len(self._spent) > REMEMBERED:
            self._spent.popitem(last=False)
        self.usage = self.usage.model_copy(
            update={
                "calls": self.usage.calls + 1,
                "input_tokens": self.usage.input_tokens + into,
                "output_tokens": self.usage.output_tokens + out,
                "seconds": self.usage.seconds + time.monotonic() - started,
            }
        )

    def _failed(self, started: float) -> None:
        self.usage = self.usage.model_copy(
            update={
                "calls": self.usage.calls + 1,
                "failures": self.usage.failures + 1,
                "seconds": self.usage.seconds + time.monotonic() - started,
            }
        )


async def _ask(client: Any, question: Question[A]) -> dict[str, Any]:
    structured = client.with_structured_output(question.answer_type, method="function_calling", include_raw=True)
    found: dict[str, Any] = await structured.ainvoke(messages(question))
    return found


def chat_model(endpoint: Endpoint) -> Any:
    """The client; imported late because it costs more than a second."""
    from langchain_openai import AzureChatOpenAI, ChatOpenAI

    shared: dict[str, Any] = {
        "timeout": endpoint.timeout_s,
        "max_retries": 0,
        "temperature": 0,
        "stream_usage": True,
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


def messages(question: Question[A]) -> list[tuple[str, str]]:
    """The prompt and the question's facts, redacted and framed as untrusted. Closing marks inside are broken up."""
    facts = redact(question.model_dump_json(exclude_none=True)).replace("</untrusted>", "</ untrusted>")
    return [("system", prompt(question.role)), ("user", f"<untrusted>\n{facts}\n</untrusted>")]


def incident_of(question: Question[A]) -> str:
    """Which incident's budget a question draws on; questions about the system share one."""
    incident = getattr(question, "incident", None)
    if isinstance(incident, str):
        return incident
    for name in ("incident", "diagnosis", "plan"):
        found = getattr(question, name, None)
        label = getattr(found, "id", None) if name == "incident" else getattr(found, "incident", None)
        if isinstance(label, str):
            return label
    return "system"
