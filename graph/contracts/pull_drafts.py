"""From a pull request to contracts on the table: one per service, for exactly one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.change.subject import Subject, subject_of
from contracts.context import DeploymentContext
from domain.errors import NotFoundError, ToolUnavailableError
from domain.inventory import Service
from graph.contracts.bargains import Drafting
from graph.contracts.pull_records import PullRecord, PullRecords, Stand
from graph.contracts.pull_talk import Talk
from tools.github import Repository
from tools.pulls import Pull, PullFiles, read_pull

_TURNS = 3
"""How often a change is read anew because somebody pushed meanwhile."""
_GAP = 0.1
"""What each thing that GitHub does not show costs of the confidence."""


@dataclass(frozen=True, slots=True)
class PullDrafts:
    """Drafts, and drafts again when the commit is another one."""

    talk: Talk
    records: PullRecords

    async def draft(
        self, repository: Repository, record: PullRecord, pull: Pull, service: Service, authors: Sequence[str]
    ) -> PullRecord:
        """The contract for the change as it is now; the same commit again is the same contract. Raises ToolError, AuthError."""
        known = next((s for s in record.stands if s.service == service.name), None)
        if known and (known.head, known.branch) == (pull.head, pull.base_branch) and self._lives(known.contract):
            return record
        subject, pull = await self._read(repository, pull, service)
        if service.source and known is None and not subject.context.changes:
            return record
        table = await self.talk.bargains.draft(_drafting(subject), *map(self.talk.name, authors))
        stand = Stand(service=service.name, contract=table.contract.id, head=pull.head, branch=pull.base_branch)
        return self.records.save(record.with_stand(stand))

    async def _read(self, repository: Repository, pull: Pull, service: Service) -> tuple[Subject, Pull]:
        """The change from one commit to one commit, and the pull request it was read from. A large one takes seconds of
        computing, so it is read beside the app's loop."""
        for _ in range(_TURNS):
            files = PullFiles(repository=repository, pull=pull, paths=service.source)
            about = self._about(repository, pull, service)
            found = await asyncio.to_thread(asyncio.run, subject_of(files, f"{pull.base}..{pull.head}", about))
            now = await read_pull(repository, pull.number)
            if now.head == pull.head:
                doubts = [*found.doubts, *((gap, _GAP) for gap in files.gaps)]
                return Subject(context=found.context, findings=found.findings, doubts=doubts), pull
            pull = now
        raise ToolUnavailableError("the pull request changes faster than it is read", found=pull.head)

    def _about(self, repository: Repository, pull: Pull, service: Service) -> DeploymentContext:
        return DeploymentContext(
            deployment_id=f"{repository.name}#{pull.number}"[:200],
            service_name=service.name,
            reviewers=[self.talk.name(login) for login in pull.reviewers][:200],
        )

    def _lives(self, contract: str) -> bool:
        try:
            return not self.talk.bargains.get(contract).contract.status.terminal
        except NotFoundError:
            return False


def _drafting(subject: Subject) -> Drafting:
    doubts = [(words[:1000], cost) for words, cost in subject.doubts][:200]
    return Drafting(context=subject.context, findings=list(subject.findings), doubts=doubts)
