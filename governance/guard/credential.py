"""Credential: what is carried out has a live credential for exactly this tier × target × action, and nothing else has one."""

from __future__ import annotations

from domain.action import Reason, Verdict
from domain.secret import Opened, step_opens
from governance.claims import Purpose
from governance.credentials.grants import alarm, require_live
from governance.credentials.port import Credential, CredentialError, Scope, UnwrapError
from governance.guard.attempt import Attempt, Refused, Wrapper
from governance.ledger.port import Transaction


class CredentialOfAction(Wrapper):
    """Issued when the step is claimed, checked with the issuer and in the dispatch's transaction, ended with the step.

    No other process ever holds one, so none can be stolen from an agent or replayed.
    """

    name = "credential"

    async def carry_out(self, attempt: Attempt) -> None:
        scope = scope_of(attempt)
        credential = await self._issued(attempt, scope)
        attempt.credential = credential

        def still_live(tx: Transaction) -> None:
            try:
                require_live(tx, credential.accessor, scope)
            except CredentialError as error:
                raise _refused(error) from error

        attempt.on_dispatch.append(still_live)
        try:
            with step_opens(await self._opened(attempt, credential)):
                await self.inner.carry_out(attempt)
        finally:
            await self.parts.credentials.spend(credential.accessor)

    async def _opened(self, attempt: Attempt, credential: Credential) -> Opened:
        """What the executor reaches the target with. A place that cannot be read means that nothing is carried out."""
        assert attempt.service is not None
        place = f"{attempt.service.environment.value}/{attempt.service.name}"
        try:
            return await self.parts.credentials.open(credential, place)
        except CredentialError as error:
            raise _refused(error) from error

    async def _issued(self, attempt: Attempt, scope: Scope) -> Credential:
        issuer = self.parts.credentials
        deadline = None if scope.compensation else attempt.pinned.deadline
        try:
            credential = await issuer.issue(
                scope, holder=attempt.author, change=attempt.actor.change, deadline=deadline
            )
            await issuer.check(credential, scope)
        except UnwrapError as error:
            alarm(self.parts.ledger, error, attempt.facts(), attempt.actor.change)
            raise _refused(error) from error
        except CredentialError as error:
            raise _refused(error) from error
        return credential


def scope_of(attempt: Attempt) -> Scope:
    """Exactly this call; a compensation runs at the tier of the step that it takes back."""
    assert attempt.spec is not None
    assert attempt.service is not None
    original = attempt.compensates
    return Scope(
        tier=original.tier if original else attempt.tier,
        target=attempt.call.target,
        action=attempt.call.action,
        environment=attempt.environment,
        effect=attempt.spec.effect,
        mode=attempt.service.mode,
        compensation=attempt.purpose is Purpose.COMPENSATE,
    )


def _refused(error: CredentialError) -> Refused:
    text = "; ".join(error.lines())[:400]
    return Refused(Reason(wrapper=CredentialOfAction.name, verdict=Verdict.DENY, text=text))
