"""Everything that a change shows: each detector reads the files it understands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.change.code import code_findings
from contracts.change.files import ChangedFile
from contracts.change.manifests import dependency_findings, is_manifest
from contracts.change.migrations import is_migration, migration_findings
from contracts.change.openapi import api_findings, is_openapi
from contracts.change.settings import settings_findings
from contracts.change.workloads import workload_findings
from contracts.draft import Doubt
from contracts.finding import Finding
from contracts.paths import is_product
from contracts.words import located
from domain.risk import FactorName


def inspect(files: Sequence[ChangedFile]) -> tuple[list[Finding], list[Doubt]]:
    """Findings with their lines, and what could not be read."""
    found: list[Finding] = []
    doubts: list[Doubt] = []
    for item in _all(files):
        if isinstance(item, Finding):
            found.append(item)
        else:
            doubts.append(item)
    return found, doubts


def _all(files: Sequence[ChangedFile]) -> Iterator[Finding | Doubt]:
    product = [f for f in files if is_product(f.path)]
    migrations = [f for f in product if is_migration(f)]
    moved = {f.path for f in migrations}
    rest = [f for f in product if f.path not in moved]
    yield from migration_findings(migrations)
    yield from dependency_findings(f for f in files if is_manifest(f))
    yield from api_findings(product)
    yield from workload_findings(f for f in rest if not is_openapi(f))
    yield from settings_findings(f for f in rest if not is_manifest(f) and not is_openapi(f))
    yield from code_findings([f for f in files if f.path not in moved])
    for file in rest:
        yield from located(file.path)
        if file.kind == "submodule":
            said = "moves a submodule to another commit"
            yield Finding(factor=FactorName.DEPENDENCY, points=25, reason=said, where=[file.path])
