"""What a model was asked and what that cost."""

from __future__ import annotations

from domain.value import Value


class Usage(Value):
    """Calls, tokens, seconds and money; of one incident, or of a process since its start."""

    calls: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    """Time spent waiting for answers."""
    cost: float = 0.0
    currency: str = ""
    """Empty: no price is configured, so `cost` says nothing."""

    @property
    def tokens(self) -> int:
        """Prompts and answers together."""
        return self.input_tokens + self.output_tokens

    def plus(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            calls=self.calls + other.calls,
            failures=self.failures + other.failures,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            seconds=round(self.seconds + other.seconds, 3),
            cost=round(self.cost + other.cost, 6),
            currency=self.currency or other.currency,
        )

    def words(self) -> str:
        """`3 calls, 2,410 tokens, 4.1 s, 0.0021 USD`."""
        calls = f"{self.calls} call{'' if self.calls == 1 else 's'}"
        failed = f" ({self.failures} without a usable answer)" if self.failures else ""
        price = f"{self.cost:.4f} {self.currency}" if self.currency else "no price configured"
        return f"{calls}{failed}, {self.tokens:,} tokens, {self.seconds:.1f} s, {price}"
