"""Changes in live incidents: named where their diffs could have done it, and never more than that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.diff_reader import diff_question
from agents.perception import diagnose
from domain.alert import Change
from domain.bundle import AlertHint, Bundle
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Hypothesis
from domain.second_opinion import DiffReading
from tests.unit.agents.perception.shop_world import ONSET, World

TIGHTER = "--- a/http.py\n+++ b/http.py\n@@ -1 +1 @@\n-payment_timeout_s = 30\n+payment_timeout_s = 3\n"
LOOSER = "--- a/http.py\n+++ b/http.py\n@@ -1 +1 @@\n-payment_timeout_s = 3\n+payment_timeout_s = 30\n"
LOST = "--- a/api.env\n+++ b/api.env\n@@ -1,2 +1 @@\n SHOP_NAME=x\n-SHOP_CURRENCY=EUR\n"


def change(name: str, diff: str, *, service: str = "api", before_s: float = 5.0, **more: Any) -> Change:
    """A commit so many seconds before the onset."""
    fields = {"kind": "commit", "summary": f"change {name}", **more}
    at = datetime.fromtimestamp(ONSET - before_s, tz=UTC)
    return Change.model_validate({"id": name, "service": service, "time": at, "diff": diff, **fields})


def live(world: World, *changes: Change) -> Bundle:
    return replace(
        world.bundle(), changes=changes, alert=AlertHint(service="frontend", summary="orders fail", started_at=ONSET)
    )


def top(found: Diagnosis) -> Hypothesis:
    assert found.top is not None
    return found.top


def of_change(found: Diagnosis, name: str) -> Hypothesis | None:
    return next((h for h in found.hypotheses if h.change == name), None)


def lost_key() -> World:
    world = (
        World().users_fail("connection refused").process("api", state="backoff", restarts=4, last_exit=1, uptime_s=0)
    )
    world.say("config_diff", "api", False, changed=True, keys_missing=["SHOP_CURRENCY"], keys_added=[], keys_changed=[])
    return world.log("api", "settings error: SHOP_CURRENCY is required")


def slow_api() -> World:
    return World().users_fail().metric("api", "latency_p95", 0.05, 4.0).metric("frontend", "latency_p95", 0.06, 4.1)


def test_what_probes_read_is_credited_to_the_edit_that_did_it() -> None:
    """The lost key stays the cause with the strength that it had; the edit and what its diff does are named with it."""
    bundle = live(lost_key(), change("edit", LOST, kind="config"))
    found, without = diagnose(bundle), top(diagnose(replace(bundle, changes=())))
    assert (top(found).service, top(found).fault_class, top(found).change) == ("api", "missing_env", "edit")
    assert top(found).confidence == pytest.approx(without.confidence, abs=0.01)
    (cited,) = [e for e in found.evidence if e.kind == "change"]
    assert (cited.supports, cited.id in top(found).evidence) == ("something was taken out", True)


def test_signals_and_a_diff_speak_for_each_other() -> None:
    """Where nothing broken is read, a changed service that got slow is more likely with a diff that could do that."""
    bundle = live(slow_api(), change("tighter", TIGHTER))
    found, without = diagnose(bundle), top(diagnose(replace(bundle, changes=())))
    assert (top(found).service, top(found).change) == ("api", "tighter")
    assert without.confidence <= top(found).confidence <= max(0.8, without.confidence)


def test_a_diff_alone_is_a_suspicion() -> None:
    """Users suffer and nothing else speaks of the service: the change is shown, and is no verdict."""
    found = diagnose(live(World().users_fail(), change("tighter", TIGHTER)))
    suspected = of_change(found, "tighter")
    assert suspected is not None
    assert suspected.confidence < 0.5
    assert found.verdict is DiagnosisVerdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "innocent",
    [
        lambda: [change("late", TIGHTER, before_s=-120.0)],
        lambda: [change("elsewhere", TIGHTER, service="reports")],
        lambda: [change("prose", TIGHTER, summary="docs", files=["docs/http.md"])],
        lambda: [change("undone", TIGHTER, before_s=300.0), change("back", LOOSER, before_s=200.0)],
        lambda: [change("a", TIGHTER), change("b", TIGHTER.replace("payment", "order"))],
    ],
    ids=["after the onset", "another service", "not executed", "taken back before", "one of two"],
)
def test_what_cannot_have_done_it_is_not_suspected(innocent: Callable[[], list[Change]]) -> None:
    """Nobody is accused for having changed something."""
    assert [h for h in diagnose(live(World().users_fail(), *innocent())).hypotheses if h.change] == []


def test_a_change_never_outranks_what_is_read() -> None:
    """The held lock stays on top, as sure as before, beside a change that could have done as much."""
    world = World().users_fail().process("api", os_state="T")
    bundle = live(world, change("tighter", TIGHTER))
    found, without = diagnose(bundle), top(diagnose(replace(bundle, changes=())))
    assert (top(found).fault_class, top(found).change) == ("hang", None)
    assert top(found).confidence >= without.confidence - 0.05


def test_while_users_are_served_no_change_is_a_cause() -> None:
    """Healthy stays healthy."""
    assert diagnose(live(World(), change("tighter", TIGHTER))).verdict is DiagnosisVerdict.HEALTHY


def test_a_mind_that_read_the_diffs_decides_between_equals() -> None:
    """Live incidents ask for readings of diffs by themselves, once; they tip near ties and are kept with the claim."""
    bundle = live(slow_api(), change("a", TIGHTER), change("b", TIGHTER.replace("payment", "order")))
    question = diff_question(bundle)
    assert question is not None
    assert ({c.change for c in question.changes}, "orders fail" in question.symptoms) == ({"a", "b"}, True)
    assert diff_question(bundle, {"a", "b"}) is None
    read = {
        n: DiffReading(change=n, effect="e", through="x", service="api", could=c) for n, c in (("a", 0.1), ("b", 0.9))
    }
    found = diagnose(bundle, diffs_read=read)
    assert (top(found).change, top(found).details["diff_read"]["could"]) == ("b", 0.9)
