"""One service of the inventory as actions and probes meet it: its bindings, paths and credentials by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.clock import Clock
from domain.errors import ToolError
from domain.inventory import Binding, Inventory, Service
from domain.secret import SecretStore
from tools.config_versions import ConfigVersions

PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SSL_CERT_FILE",
    "HTTPS_PROXY",
    "NO_PROXY",
    "TF_CLI_CONFIG_FILE",
)
"""Variables of ours that every program sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A service with everything needed to reach it. Holds names of secrets; values are read when used."""

    service: Service
    inventory: Inventory
    env: Mapping[str, str]
    root: Path
    """Directory of the inventory file; relative binding paths start here."""
    versions: ConfigVersions
    clock: Clock
    secrets: SecretStore | None = None
    """Where secrets have versions; None: nowhere here."""

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    def sibling(self, service: Service) -> Target:
        """Another service of the same inventory, reached with the same environment."""
        return Target(
            service=service,
            inventory=self.inventory,
            env=self.env,
            root=self.root,
            versions=self.versions,
            clock=self.clock,
            secrets=self.secrets,
        )

    def has(self, aspect: str) -> bool:
        """Whether the inventory says how to reach this aspect."""
        return aspect in self.service.bindings

    def binding(self, aspect: str) -> Binding:
        """How the aspect is reached. Raises ToolError when the inventory does not say."""
        found = self.service.bindings.get(aspect)
        if found is None:
            raise ToolError(
                f"{self.name} has no {aspect} binding",
                expected=f"`bindings.{aspect}` of {self.name} in the inventory",
                found=f"bindings for {', '.join(sorted(self.service.bindings)) or 'nothing'}",
                hint="add the binding to firebreak.yaml, or choose a target that has one",
                code="tool.no_binding",
            )
        return found

    def path(self, binding: Binding) -> Path:
        """The binding's path, absolute."""
        if not binding.path:
            raise ToolError(
                f"a {binding.via} binding of {self.name} names no path", expected="`path`", code="tool.no_binding"
            )
        return self.root / binding.path

    def variable(self, name: str, what: str) -> str:
        """The value of an environment variable that holds a credential. Raises ToolError when it is not set."""
        value = self.env.get(name, "") if name else ""
        if not value:
            raise ToolError(
                f"this process has no {what} for {self.name}",
                expected=f"environment variable {name or '(the binding names none)'}",
                found="not set",
                hint="only the process that may do this is given the variable; see bindings in firebreak.yaml",
                code="tool.no_credential",
            )
        return value

    def program_env(self, binding: Binding) -> dict[str, str]:
        """What a program that works for this binding sees: how to find things, and the variables that `options.env` names.

        Nothing else of ours: what a configuration runs must not read the credentials of other targets.
        """
        named = {str(name): self.variable(str(name), "variable") for name in self.option(binding, "env") or []}
        return {**{name: self.env[name] for name in PASSED_ON if name in self.env}, **named}

    def option(self, binding: Binding, key: str, default: Any = None) -> Any:
        """One of the binding's options."""
        return binding.options.get(key, default)

    def database(self) -> Target | None:
        """The nearest service this one depends on (itself included) that has a `database` binding."""
        seen: set[str] = set()
        frontier = [self.service]
        while frontier:
            service = frontier.pop(0)
            if service.name in seen:
                continue
            seen.add(service.name)
            if "database" in service.bindings:
                return self.sibling(service)
            frontier += [s for s in map(self.inventory.service, service.depends_on) if s is not None]
        return None
