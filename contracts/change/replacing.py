"""Terraform resources that hold data and are made anew, because an argument changes that no provider changes in place.

Read by the lines of a diff, at the indentation that `terraform fmt` gives the arguments of a resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from contracts.change.files import ChangedFile, Line, at
from contracts.finding import Finding, Mark
from domain.risk import FactorName as F

STATEFUL = re.compile(r"db_|rds|database|bucket|volume|disk|dynamodb|elasticache|redis|kms|efs|sql|persistent")
REPLACING = {
    "availability_zone", "availability_zone_name", "bucket", "bucket_prefix", "character_set_name", "cluster_id",
    "cluster_identifier", "creation_token", "database_name", "db_name", "encrypted", "engine", "hash_key", "kms_key_id",
    "location", "master_username", "name", "range_key", "region", "resource_group_name", "snapshot_id",
    "snapshot_identifier", "storage_encrypted", "timezone", "username", "zone",
}  # fmt: skip
"""Arguments that the registry's pages of the AWS, Azure and Google providers mark `Forces new resource` at stores of data."""
_RESOURCE = re.compile(r"^resource\s+\"([\w-]+)\"\s+\"([\w-]+)\"")
_ARGUMENT = re.compile(r"^ {2}(\w+)\s*=\s*(.*?)\s*(?:#.*)?$")
_UNSAID = {"false": "", "null": ""}
Key = tuple[str, str]
"""Resource as `type.name`, and argument."""


def replaced(file: ChangedFile) -> Iterator[Finding]:
    """Stores that are there before and after, of which an argument changes that forces another one."""
    both = _stores(file.before) & _stores(file.after)
    then, now = _arguments(file.before, file.lines_removed), _arguments(file.after, file.lines_added)
    for key in sorted(then.keys() | now.keys()):
        (old, before), (new, after) = then.get(key, ("", 0)), now.get(key, ("", 0))
        if key[0] in both and old != new:
            yield _found(file, key, old, new, after or before)


def _stores(text: str | None) -> set[str]:
    heads = (_RESOURCE.match(line) for line in (text or "").splitlines())
    return {f"{head[1]}.{head[2]}" for head in heads if head and STATEFUL.search(head[1])}


def _arguments(text: str | None, lines: Sequence[Line]) -> Mapping[Key, tuple[str, int]]:
    """(value, line) of the arguments that stand on these lines of a text."""
    wanted, found, block = {number for number, _ in lines}, dict[Key, tuple[str, int]](), ""
    for number, line in enumerate((text or "").splitlines(), 1):
        if not line[:1].isspace() and line:
            head = _RESOURCE.match(line)
            block = f"{head[1]}.{head[2]}" if head else ""
        elif block and number in wanted and (said := _ARGUMENT.match(line)) and said[1] in REPLACING:
            found[block, said[1]] = (_UNSAID.get(said[2], said[2]), number)
    return found


def _found(file: ChangedFile, key: Key, old: str, new: str, line: int) -> Finding:
    said = f"replaces {key[0]}: {key[1]} {old or 'unset'} → {new or 'unset'}, and what is in it is gone"
    marks = frozenset({Mark.INFRASTRUCTURE, Mark.DROPS_DATA})
    return Finding(factor=F.STORAGE, points=60, reason=said[:300], where=[at(file, [line])], sure=0.8, marks=marks)
