"""Terraform resources that hold data and are made anew, because an argument changes that no provider changes in place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from contracts.change.files import ChangedFile, at
from contracts.change.hcl import TOGETHER, Name, Resource, resources
from contracts.draft import Doubt
from contracts.finding import Finding, Mark
from domain.risk import FactorName as F

STATEFUL = re.compile(r"db_|rds|database|bucket|volume|disk|dynamodb|elasticache|redis|kms|efs|sql|persistent")
REPLACING = {
    "availability_zone", "availability_zone_name", "bucket", "bucket_prefix", "character_set_name", "cluster_id",
    "cluster_identifier", "creation_token", "database_name", "db_name", "encrypted", "engine", "hash_key",
    "kms_key_id", "location", "master_username", "name", "range_key", "region", "resource_group_name", "snapshot_id",
    "snapshot_identifier", "storage_encrypted", "timezone", "username", "zone",
}  # fmt: skip
"""Arguments that the registry's pages of the AWS, Azure and Google providers mark `Forces new resource` at stores of data."""


def replaced(file: ChangedFile) -> Iterator[Finding | Doubt]:
    """Resources of both sides whose arguments force another one; a file that is no HCL is named."""
    then, now = resources(file.before), resources(file.after)
    if then is None or now is None:
        yield f"{file.path}: not readable as HCL, so it was only read line by line", 0.05
        return
    for name in sorted(then.keys() & now.keys()):
        if STATEFUL.search(name[0]):
            yield from _changed(file, name, then[name], now[name])


def parsable(files: Sequence[ChangedFile]) -> set[str]:
    """Paths of the Terraform files that are parsed: those that speak of a store of data, as far as the time goes."""
    found, left = set[str](), TOGETHER
    for file in files:
        text = f"{file.before or ''}{file.after or ''}"
        if file.suffix == ".tf" and len(text) <= left and STATEFUL.search(text):
            found.add(file.path)
            left -= len(text)
    return found


def _changed(file: ChangedFile, name: Name, then: Resource, now: Resource) -> Iterator[Finding]:
    for key in sorted(REPLACING & (then.settings.keys() | now.settings.keys())):
        old, new = _set(then.settings, key), _set(now.settings, key)
        if old != new:
            line = now.settings[key][1] if key in now.settings else now.line
            said = f"replaces {'.'.join(name)}: {key} {old or 'unset'} → {new or 'unset'}, and what is in it is gone"
            yield Finding(
                factor=F.STORAGE,
                points=60,
                reason=said[:300],
                where=[at(file, [line])],
                sure=0.8,
                marks=frozenset({Mark.INFRASTRUCTURE, Mark.DROPS_DATA}),
            )


def _set(settings: Mapping[str, tuple[str, int]], key: str) -> str:
    """As it is written; what is false is the same as unsaid."""
    value = settings.get(key, ("", 0))[0]
    return "" if value == "False" else value
