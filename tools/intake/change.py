"""Change events: one record, a list, or `{"changes": […]}` in the shape of `domain.alert.Change`, and deploys of other tools.

Only `summary` or `service` is needed: `kind` is deploy when absent, `time` the time of receipt, `id` made from the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast, get_args

from domain.alert import Change, ChangeKind
from domain.redaction import redact
from domain.value import digest
from tools.intake import deploy_events, fields

SOURCE = "change"
KINDS: tuple[str, ...] = get_args(ChangeKind)
FIELDS = frozenset(Change.model_fields)


def read(body: Any, *, received_at: datetime) -> list[Change]:
    """Changes of a body, redacted. Raises IntakeError."""
    if isinstance(body, list):
        rows = fields.items(body, "the body")
    else:
        found = fields.mapping(body, "the body")
        own = fields.items(found["changes"], "changes") if "changes" in found else [found]
        foreign = deploy_events.own_rows(found)
        rows = own if foreign is None else foreign
    return [_change(row, f"change {position}", received_at) for position, row in enumerate(rows)]


def _change(row: Mapping[str, Any], where: str, received_at: datetime) -> Change:
    kind = fields.text(row.get("kind"), f"kind of {where}").lower() or "deploy"
    if kind not in KINDS:
        raise fields.malformed(f"kind of {where}", f"one of {', '.join(KINDS)}", kind)
    files = row.get("files") or []
    if not isinstance(files, list):
        raise fields.malformed(f"files of {where}", "a list of names", files)
    words = {n: fields.text(row.get(n), f"{n} of {where}") for n in ("service", "version", "commit", "author")}
    free = {n: redact(fields.text(row.get(n), f"{n} of {where}")) for n in ("summary", "diff")}
    if not (words["service"] or free["summary"]):
        raise fields.malformed(where, "a summary or a service", "neither")
    moment = fields.time(row.get("time"), f"time of {where}") or received_at
    made = digest({"kind": kind, "at": moment.isoformat(), **words, **free})[:12]
    return Change(
        id=fields.text(row.get("id"), f"id of {where}") or f"{kind}-{made}",
        kind=cast(ChangeKind, kind),
        time=moment,
        files=[fields.text(name, f"files of {where}") for name in files[:500]],
        **words,
        **free,
    )
