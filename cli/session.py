"""What one invocation of the command knows: its home and whether it speaks JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.home import Home

DEFAULT_HOME = Path(".firebreak")


class Session:
    """Set once per invocation by the options every command shares."""

    def __init__(self) -> None:
        self.home = Home.at(DEFAULT_HOME)
        self.explicit_home = False
        self.as_json = False

    def use(self, home: Path | None) -> None:
        """Take the home that was named, or the default."""
        self.explicit_home = home is not None
        self.home = Home.at(home or DEFAULT_HOME)

    def speak_json(self, value: bool) -> bool:
        """Callback of every `--json` option."""
        self.as_json = value or self.as_json
        return value


SESSION = Session()

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else.", callback=SESSION.speak_json)
]
