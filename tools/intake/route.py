"""Where an alert goes, pure: the first rule that fits, and it says so. Undone and replayed by deciding again.

Delivery, identity and episode are three things: a delivery may be sent twice, an identity fires many times, an episode
is one of those times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Literal

from domain.alert import Alert, AlertStatus
from domain.value import UtcTime, Value

Rule = Literal["opened", "grouped", "duplicate", "resolved", "suppressed", "ignored", "throttled"]
NEAR = timedelta(seconds=120)
"""An alert about a neighbour within this time of an incident's opening belongs to it."""
STORM = 20
"""More incidents than this opened lately: further alerts go to the newest one, with counts."""


class OpenIncident(Value):
    """What routing must know of an incident that is not closed."""

    id: str
    group_key: str
    opened_at: UtcTime
    services: frozenset[str] = frozenset()
    episodes: frozenset[str] = frozenset()
    """`dedup_key`s of episodes that are in it and still fire."""


class Route(Value):
    """The decision, with the rule that took it."""

    rule: Rule
    incident: str | None = None
    """The incident it joins; None when one is to be opened, or none is concerned."""
    group: str
    text: str


def dedup_key(alert: Alert) -> str:
    """The same for every delivery of the same episode."""
    return f"{alert.source}:{alert.episode_id}"


def group_of(alert: Alert) -> str:
    """What alerts are grouped by: the sender's group, within the source."""
    return f"{alert.source}:{alert.group_key or alert.identity}"


def route(
    alert: Alert,
    incidents: Sequence[OpenIncident] = (),
    *,
    now: datetime,
    neighbours: Mapping[str, AbstractSet[str]] | None = None,
    opened_lately: int = 0,
    storm: int = STORM,
    quiet: str = "",
) -> Route:
    """Decide by the first rule that fits. `incidents` are the open ones, `neighbours` what a service stands next to.

    `quiet` says why it is not to open an incident (a silence, a maintenance window); empty: it may.
    """
    group = group_of(alert)

    def to(rule: Rule, incident: OpenIncident | None, text: str) -> Route:
        return Route(rule=rule, incident=incident.id if incident else None, group=group, text=text)

    holder = next((i for i in incidents if dedup_key(alert) in i.episodes), None)
    if alert.status is AlertStatus.RESOLVED:
        if holder is not None:
            return to("resolved", holder, "the sender says that this episode is over")
        return to("ignored", None, "resolved, and no open incident holds this episode")
    if alert.status in {AlertStatus.SUPPRESSED, AlertStatus.ACKNOWLEDGED}:
        return to("suppressed", holder, f"the sender says {alert.status.value}: somebody knows of it")
    if quiet and holder is None:
        return to("suppressed", None, quiet[:300])
    if holder is not None:
        return to("duplicate", holder, "this episode is in the incident already")
    same = next((i for i in incidents if i.group_key == group), None)
    if same is not None:
        return to("grouped", same, f"same group as the incident: {group[:120]}")
    near = next((i for i in incidents if _near(alert, i, now, neighbours or {})), None)
    if near is not None:
        return to("grouped", near, f"{alert.service} stands next to what the incident, just opened, is about")
    if opened_lately >= storm and incidents:
        newest = max(incidents, key=lambda i: i.opened_at)
        return to("throttled", newest, f"{opened_lately} incidents opened lately: counted in the newest one")
    unsure = " (the sender's status is not known; taken as firing)" if alert.status is AlertStatus.UNKNOWN else ""
    return to("opened", None, f"no open incident fits: a new one{unsure}")


def _near(alert: Alert, incident: OpenIncident, now: datetime, neighbours: Mapping[str, AbstractSet[str]]) -> bool:
    if not alert.service or now - incident.opened_at > NEAR:
        return False
    return alert.service in incident.services or bool(neighbours.get(alert.service, frozenset()) & incident.services)
