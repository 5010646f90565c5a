"""A place that is not this machine: the TARGET file that says how a host or a cluster is reached (spec: skills)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domain.value import Value

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,252}[A-Za-z0-9])?$")]
"""A host's name or address; it never begins with a dash."""

UserName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
FilePath = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
"""Absolute, below `~/`, or relative to the TARGET file."""

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...], Field(min_length=1, max_length=32)]


class KeyReference(Value):
    """Where a private key is found when it is needed; the key itself never stands in a TARGET file."""

    file: FilePath | None = None
    """Private key in a file that only its owner may read."""
    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    """Environment variable that holds the private key, as an issuer of short-lived keys puts it there."""
    certificate: FilePath | None = None
    """Short-lived OpenSSH user certificate that goes with the key."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("name the key once: either `file` or `env`")
        return self


class SshHop(Value):
    """One SSH server. Its host key must be known before the first connection: nothing is trusted on first use."""

    host: HostName
    port: int = Field(default=22, gt=0, lt=65536)
    user: UserName
    key: KeyReference
    known_hosts: FilePath
    """OpenSSH known_hosts file that holds the host's key."""


class AllowedCommand(Value):
    """The beginning of an argument list that may change something on the host."""

    run: Words
    undo: Words | None = None
    """The beginning of the argument list that takes it back; without one it counts as irreversible."""


class SshRoute(SshHop):
    """A host, directly or through a jump host."""

    jump: SshHop | None = None


class SshHost(SshRoute):
    """A host on which commands run."""

    commands: list[AllowedCommand] = Field(default=[], max_length=100)
    """What may be changed there. Empty: commands only read."""


class KubernetesAccess(Value):
    """One namespace of a cluster."""

    kubeconfig: FilePath
    context: str = Field(default="", max_length=253)
    """Name of the kubeconfig's context; empty is its current one."""
    namespace: Namespace
    """The only one that is looked at and changed."""
    reader: FilePath | None = None
    """Kubeconfig of a credential that only reads: used by everything but the action server. None: `kubeconfig` for both."""
    chaos: FilePath | None = None
    """Kubeconfig of a credential with which faults are injected, for the chaos server alone, which reaches the API directly.
    None: nothing is broken there."""
    through: SshRoute | None = None
    """SSH host from which the API server of `kubeconfig` and `reader` is reached, by a forward that is closed after use.
    None: it is reached from here."""


class RemoteTarget(Value):
    """A TARGET file: a host, a cluster, or a host from which the cluster is administered."""

    version: Literal["1"] = "1"
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    kubernetes: KubernetesAccess | None = None
    ssh: SshHost | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.kubernetes is None and self.ssh is None:
            raise ValueError("say how it is reached: `ssh`, `kubernetes` or both")
        return self

    def changing(self) -> list[Words]:
        """Beginnings of all argument lists that may change something, compensations included."""
        declared = self.ssh.commands if self.ssh else []
        return [words for command in declared for words in (command.run, command.undo) if words]

    def allows(self, argv: Words) -> bool:
        """Whether this command may change something."""
        return any(argv[: len(words)] == words for words in self.changing())

    def undoes(self, argv: Words, undo: Words) -> bool:
        """Whether `undo` was declared to take `argv` back, or the other way round, as a compensation of it runs."""
        pairs = [(c.run, c.undo) for c in (self.ssh.commands if self.ssh else []) if c.undo]
        return any(
            (argv[: len(a)], undo[: len(b)]) == (a, b)
            for there, back in pairs
            for a, b in ((there, back), (back, there))
        )
