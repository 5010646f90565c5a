"""Building blocks of argument models: closed, frozen, and free of control characters."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Args(BaseModel):
    """Arguments of one action: unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A version, route, revision, provider or snapshot id."""

Restart = Annotated[bool, Field(description="Restart the process so that it reads the file.")]
