"""A contract as a person reads it in a terminal or a comment: plain lines, nothing left out that binds."""

from __future__ import annotations

from collections.abc import Iterator

from domain.contract import Contract, Guardrail


def lines_of(contract: Contract) -> Iterator[str]:
    """Level, score, confidence; guardrails; canary; validators; rollback; suggestions."""
    risk = contract.risk
    yield (
        f"{contract.id}  {contract.status.value}  {contract.service} {contract.version}".rstrip()
        + f"  ({contract.environment.value})"
    )
    yield f"risk {risk.level.value}: {risk.score:.1f} of 100, confidence {risk.confidence:.2f}"
    if risk.probability is not None:
        yield f"chance that it is taken back: {risk.probability:.0%} ({risk.basis})"
    yield from (f"  {f.weight:5.1f}  {f.name.value}: {f.reason}{_places(f.where)}" for f in risk.factors)
    if risk.latency and risk.errors:
        yield f"  expected: p95 {risk.latency.low:+.1f} to {risk.latency.high:+.1f} % of today's (80 %)"
        yield f"  expected: errors {risk.errors.low:+.2f} to {risk.errors.high:+.2f} percentage points (80 %)"
    yield f"  affected: {risk.affected_users}"
    yield from (f"  not known: {doubt}" for doubt in risk.doubts)
    yield from _today(contract)
    yield "guardrails"
    yield from (f"  {_limit(g)} over {g.window_s} s: {g.reason}" for g in contract.guardrails)
    yield f"canary: {contract.canary.reason}"
    if contract.canary.stages:
        yield "  " + " → ".join(f"{s.percent:g} % {s.seconds} s" for s in contract.canary.stages)
    yield "validators"
    yield from (
        f"  {'required   ' if v.required else 'recommended'} {v.kind.value}: {v.reason}" for v in contract.validators
    )
    yield from _rollback(contract)
    yield from _suggestions(contract)


def _today(contract: Contract) -> Iterator[str]:
    base = contract.baseline
    if base is None:
        return
    tails = ((50, base.p50_ms), (95, base.p95_ms), (99, base.p99_ms))
    figures = [f"p{share} {value:.0f} ms" for share, value in tails if value is not None]
    failed = f"{base.error_percent:.2f} % fail" if base.error_percent is not None else "failures are not counted"
    yield f"today: {', '.join((failed, *figures))}; {base.requests:.0f} requests, {base.qps:.3g} per second"
    yield f"  measured {base.since:%Y-%m-%d %H:%M} to {base.until:%H:%M} UTC by {base.source}"
    for row in base.routes[:8]:
        p95 = f", p95 {row.p95_ms:.0f} ms" if row.p95_ms is not None else ""
        yield f"  {row.route}: {row.requests:.0f} requests, {row.error_percent:.2f} % fail{p95}"


def _rollback(contract: Contract) -> Iterator[str]:
    back = contract.rollback
    rehearsed = f"rehearsed {back.rehearsed_at:%Y-%m-%d %H:%M} UTC" if back.rehearsed_at else "never rehearsed"
    word = "possible" if back.possible else "NOT possible"
    yield f"rollback {word}, window {back.window_s} s, about {back.recovery_s:.0f} s"
    yield f"  data loss: {back.data_loss_risk.value}; {rehearsed}"
    yield from (f"  because {reason}" for reason in back.reasons)
    if found := back.schema_compatibility:
        words = {True: "yes", False: "no", None: "cannot be told"}
        yield f"  old code on new schema: {words[found.old_code_new_schema]}"
        yield f"  new code on old schema: {words[found.new_code_old_schema]}"
    yield from (f"  {i}. {s.kind.value}: {s.summary} (about {s.seconds:.0f} s)" for i, s in enumerate(back.steps, 1))


def _suggestions(contract: Contract) -> Iterator[str]:
    if contract.suggestions:
        yield "suggestions"
        yield from (f"  {s.offer.value}: {s.text}{_places(s.where)}" for s in contract.suggestions)


def _limit(guardrail: Guardrail) -> str:
    unit = {"percent": " %", "ms": " ms"}.get(guardrail.unit, f" {guardrail.unit}")
    word = "no worse than" if guardrail.compare == "baseline" else "below"
    return f"{guardrail.metric.value} {word} {guardrail.limit:g}{unit}"


def _places(where: list[str]) -> str:
    return f" [{', '.join(where[:4])}{' …' if len(where) > 4 else ''}]" if where else ""
