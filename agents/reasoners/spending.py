"""What one incident may cost, and what it has cost: checked before every call, with the call's own price reserved."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from domain.errors import ModelError
from domain.usage import Usage

REMEMBERED = 200
"""Incidents whose spending is kept."""
CHARS_PER_TOKEN = 3.0
"""Low on purpose: what a prompt will cost is rather over- than underestimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per incident. Zero money: no limit (as without prices)."""

    tokens: int = 120_000
    calls: int = 40
    seconds: float = 300.0
    money: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Money per million tokens; both zero: unknown."""

    input: float = 0.0
    output: float = 0.0
    currency: str = "USD"

    def of(self, into: int, out: int, seconds: float = 0.0) -> Usage:
        """One call with its price."""
        known = self.input > 0 or self.output > 0
        cost = (into * self.input + out * self.output) / 1e6
        return Usage(
            calls=1,
            input_tokens=into,
            output_tokens=out,
            seconds=seconds,
            cost=cost if known else 0.0,
            currency=self.currency if known else "",
        )


DEFAULT_LIMITS = Limits()
NO_PRICES = Prices()


class Spending:
    """Per incident: what was spent and what is reserved for calls under way."""

    def __init__(self, limits: Limits, prices: Prices) -> None:
        self.limits = limits
        self._prices = prices
        self._spent: OrderedDict[str, Usage] = OrderedDict()
        self._reserved: dict[str, Usage] = {}
        self.total = Usage()

    def of(self, incident: str) -> Usage:
        """What this incident has cost so far."""
        return self._spent.get(incident, Usage())

    def at_least(self, incident: str, usage: Usage) -> None:
        """What an earlier process spent on it counts as well."""
        if usage.tokens > self.of(incident).tokens:
            self._keep(incident, usage)

    def reserve(self, incident: str, prompt_chars: int, answer_tokens: int) -> Usage:
        """The price of a call at most. Raises ModelError when the incident cannot afford it."""
        price = self._prices.of(int(prompt_chars / CHARS_PER_TOKEN), answer_tokens)
        held = self._reserved.get(incident, Usage())
        self._check(self.of(incident).plus(held).plus(price))
        self._reserved[incident] = held.plus(price)
        return price

    def seconds_left(self, incident: str) -> float:
        """How long the next answer may take."""
        return max(0.0, self.limits.seconds - self.of(incident).seconds)

    def settle(
        self, incident: str, price: Usage, seconds: float, used: tuple[int, int] | None, *, failed: bool = False
    ) -> None:
        """The call is over. `used`: tokens in and out as the endpoint says; None: it did not, so all that was reserved counts."""
        left = _minus(self._reserved.get(incident, Usage()), price)
        if left.calls > 0:
            self._reserved[incident] = left
        else:
            self._reserved.pop(incident, None)
        into, out = used or (price.input_tokens, price.output_tokens)
        paid = self._prices.of(into, out, seconds).model_copy(update={"failures": int(failed)})
        self._keep(incident, self.of(incident).plus(paid))
        self.total = self.total.plus(paid)

    def _check(self, planned: Usage) -> None:
        limits = self.limits
        for name, most, found in (
            ("token", limits.tokens, planned.tokens),
            ("call", limits.calls, planned.calls),
            ("time", limits.seconds, planned.seconds),
            ("money", limits.money or float("inf"), planned.cost),
        ):
            if found > most:
                raise ModelError(
                    f"the {name} budget of this incident is used up",
                    expected=f"at most {most:g}",
                    found=f"{found:g} with the next call",
                )

    def _keep(self, incident: str, usage: Usage) -> None:
        self._spent[incident] = usage
        self._spent.move_to_end(incident)
        while len(self._spent) > REMEMBERED:
            self._spent.popitem(last=False)


def _minus(held: Usage, price: Usage) -> Usage:
    return Usage(
        calls=held.calls - price.calls,
        input_tokens=held.input_tokens - price.input_tokens,
        output_tokens=held.output_tokens - price.output_tokens,
        cost=max(0.0, held.cost - price.cost),
        currency=held.currency,
    )
