"""Shadow mode: judged and dry-run like any change, kept, labelled by people, never carried out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.action import Tier, Verdict
from domain.errors import AuthError, NotFoundError
from domain.inventory import Environment
from governance.outcomes import Origin, environment_of, keep_agreement, rows_of
from governance.seats import grant
from governance.shadow import Agreement
from tests.fakes.executor import mixed_inventory
from tests.fakes.guard import Scene, actor, call, plan


def shadowing(tier: Tier = Tier.T1) -> Scene:
    scene = Scene(inventory=mixed_inventory())
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=tier, policy=scene.policy, by="operator", why="test")
    return scene


async def test_what_only_the_mode_forbids_is_kept_with_its_dry_run() -> None:
    """Once per step, however often it is judged; what was refused for other reasons too is no proposal."""
    scene = shadowing()
    steps = (call("restart_service", "mirror"), call("restart_service", "legacy"), call("scale_pool", "mirror", size=9))
    for _ in range(2):
        await scene.agent.judge(plan(*steps), actor())
    kept = await scene.maria.shadowed(scene.clock.now() - timedelta(days=1))
    assert {(one.id, one.would) for one in kept} == {("plan-1:s1", Verdict.ALLOW), ("plan-1:s3", Verdict.ALLOW)}
    assert all(one.summary for one in kept)
    assert scene.kinds().count("shadow") == 2
    assert scene.executor.executed == []
    assert await scene.maria.shadowed(scene.clock.now() + timedelta(seconds=1)) == []


async def test_what_the_tier_forbids_too_would_not_have_been_done() -> None:
    """An observer's wish is not a proposal."""
    scene = shadowing(Tier.T0)
    await scene.agent.judge(plan(call("restart_service", "mirror")), actor())
    assert await scene.maria.shadowed(scene.clock.now() - timedelta(days=1)) == []


async def test_people_say_how_it_compares() -> None:
    """With their name, in the ledger; agents and viewers have no word, and a judgement afterwards keeps it."""
    scene = shadowing()
    await scene.agent.judge(plan(call("restart_service", "mirror")), actor())
    for name in ("agent", "viewer"):
        with pytest.raises(AuthError):
            await scene.session(name).label_shadow("plan-1:s1", Agreement.SAME)
    with pytest.raises(NotFoundError, match="no shadow proposal"):
        await scene.maria.label_shadow("plan-9:s1", Agreement.SAME)
    labelled = await scene.maria.label_shadow("plan-1:s1", Agreement.SAME)
    assert (labelled.label, labelled.labelled_by) == (Agreement.SAME, "maria")
    await scene.agent.judge(plan(call("restart_service", "mirror")), actor())
    assert (await scene.maria.shadowed(scene.clock.now() - timedelta(days=1))) == [labelled]
    head = next(entry for entry in scene.store.entries() if entry.kind == "shadow_label")
    assert (head.actor, head.content["label"]) == ("maria", "same")


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ([Agreement.SAME], [True]),
        ([Agreement.DIFFERENT], [False]),
        ([Agreement.UNNECESSARY], [False]),
        ([Agreement.UNKNOWN], []),
        ([Agreement.SAME, Agreement.DIFFERENT], [False]),
        ([Agreement.SAME, Agreement.UNKNOWN], []),
    ],
)
async def test_a_word_on_a_proposal_is_a_record_of_the_agent(said: list[Agreement], held: list[bool]) -> None:
    """Agreement in shadow mode counts by its own origin; the newest word stands, and an unknown outcome is no record."""
    scene = shadowing()
    await scene.agent.judge(plan(call("restart_service", "mirror")), actor())
    for one in said:
        await scene.maria.label_shadow("plan-1:s1", one)
    rows = rows_of(scene.store, "responder")
    assert [row.held for row in rows] == held
    assert {(row.action, row.origin) for row in rows} <= {("restart_service", Origin.SHADOW)}


async def test_an_action_that_is_gone_leaves_no_record() -> None:
    """A label of old days is kept; nothing is earned with it."""
    scene = shadowing()
    await scene.agent.judge(plan(call("restart_service", "mirror")), actor())
    labelled = await scene.maria.label_shadow("plan-1:s1", Agreement.UNKNOWN)
    gone = labelled.model_copy(update={"label": Agreement.SAME, "call": call("retired_action", "mirror")})
    with scene.store.transaction() as tx:
        keep_agreement(tx, gone, scene.inventory, scene.executor, scene.policy)
    assert rows_of(scene.store, "responder") == []


def test_what_the_inventory_does_not_know_is_taken_for_production() -> None:
    """The stricter reading."""
    assert environment_of("unheard-of", mixed_inventory()) is Environment.PRODUCTION
