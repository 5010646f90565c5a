"""perceive: gather, retrieve, diagnose, hear a second opinion."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime

from agents.apart import told_apart
from agents.diff_reader import DiffsRead
from agents.investigator import look_with
from agents.perceiver import Seen, keep_ids
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis, SecondOpinion
from domain.incident import IncidentStatus
from domain.reasoning import ProbeWish
from domain.redaction import redact_json
from domain.second_opinion import DiffReading
from graph.gather import unseen
from graph.nodes.probe import readings_of
from graph.nodes.walk import Node, author, entry, fallback_entries, knobs_of
from graph.services import Services
from graph.state import Knobs, State


def make_perceive(services: Services) -> Node:
    """One look at the system; looks again until a verdict stands (routing decides)."""

    async def perceive(state: State, runtime: Runtime[Knobs]) -> dict[str, Any]:
        look = state.get("looks", 0)
        bundle = await services.gather(
            state["incident"], state.get("alerts", []), readings_of(state.get("messages", [])), look
        )
        passages = await services.retriever.search(query_of(state, bundle), limit=4)
        looked = await look_with(
            services.minds.perceiver,
            lambda found, read: look_at(services, found, state.get("diagnosis"), read),
            bundle,
            probes=services.probes.names(),
            services=services.inventory.names(),
            before=DiffsRead.model_validate(state.get("diffs_read", {})),
        )
        seen = looked.seen
        diagnosis, now = await told_apart(seen.diagnosis, services.retriever), services.clock.now()
        rounds = state.get("probe_rounds", 0)
        wishes = seen.wishes if rounds < knobs_of(runtime).max_probe_rounds else []
        await services.note("observation", state["incident"], diagnosis_note(seen))
        return {
            "diagnosis": diagnosis,
            "diffs_read": looked.diffs.model_dump(mode="json"),
            "readings": [redact_json(asdict(r)) for r in bundle.readings],
            "sources": [asdict(o) for o in bundle.origins],
            "changes": [c.model_dump(mode="json") for c in bundle.changes],
            "looks": look + 1,
            "probe_rounds": rounds + bool(wishes),
            "messages": [wish_message(wishes)] if wishes else [],
            "runbooks": [f"[{p.id}] {p.text}" for p in passages],
            "model": seen.by,
            "status": IncidentStatus.DIAGNOSING,
            "confidence_history": [confidence_row(diagnosis, now.isoformat())],
            "timeline": [*fallback_entries(now, "perception", seen.fell_back), diagnosis_entry(diagnosis, now)],
        }

    return perceive


async def look_at(
    services: Services, bundle: Bundle, previous: Diagnosis | None, read: Mapping[str, DiffReading] | None = None
) -> Diagnosis:
    """Perception off the event loop, with ids that stay what they were in `previous`; `read` as in `agents.perception.diagnose`."""
    fresh = await asyncio.to_thread(services.diagnose, bundle, previous=previous, diffs_read=read)
    return keep_ids(previous, fresh.model_copy(update={"unseen": unseen(bundle)}))


def query_of(state: State, bundle: Bundle) -> str:
    """What to look for in the runbooks: the alert's words and what the failing probes say."""
    known = state.get("diagnosis")
    words = [known.top.statement] if known and known.top else []
    words += [f"{a.title} {a.summary}" for a in state.get("alerts", [])[:3]]
    words += [r.text for r in bundle.readings if r.ok is False][:6]
    return " ".join(words)[:600]


def wish_message(wishes: list[ProbeWish]) -> AIMessage:
    """A mind's wishes as tool calls for the probe node."""
    calls = [
        {"name": w.probe, "args": {"service": w.service}, "id": f"{w.probe}:{w.service}", "type": "tool_call"}
        for w in wishes
    ]
    return AIMessage(content="", tool_calls=calls)


def confidence_row(diagnosis: Diagnosis, at: str) -> dict[str, Any]:
    """One point of the confidence history."""
    top = diagnosis.top
    return {
        "at": at,
        "verdict": diagnosis.verdict.value,
        "confidence": diagnosis.confidence,
        "service": top.service if top else "",
        "fault_class": top.fault_class if top else None,
    }


def diagnosis_entry(diagnosis: Diagnosis, at: Any) -> Any:
    """The verdict on the timeline."""
    top = diagnosis.top
    text = diagnosis.summary or (top.statement if top else diagnosis.verdict.value)
    return entry(
        at,
        "diagnosis.made",
        text,
        evidence=list(top.evidence) if top else [],
        verdict=diagnosis.verdict.value,
        confidence=diagnosis.confidence,
    )


def diagnosis_note(seen: Seen) -> dict[str, Any]:
    """What the ledger keeps of a diagnosis."""
    found = seen.diagnosis
    return {
        **confidence_row(found, ""),
        "evidence": list(found.top.evidence) if found.top else [e.id for e in found.evidence],
        **second_opinion_note(found.second_opinion),
        **author("perception", seen.by, seen.fell_back),
    }


def second_opinion_note(second: SecondOpinion | None) -> dict[str, Any]:
    """What a model changed: the engine's own verdict beside it, how many of its claims were dropped, what it has cost."""
    if second is None:
        return {}
    return {
        "engine": {"verdict": second.engine_verdict.value, "confidence": second.engine_confidence},
        "dropped": len(second.dropped),
        "usage": second.usage.words(),
    }
