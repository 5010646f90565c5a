"""Machine text as a person reads it."""

import pytest

from tools.probes.words import LONGEST, spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"time": "now", "level": "info", "message": "order accepted"}', "order accepted"),
        ('{"type": "urn:x", "title": "Internal error", "detail": "no space left"}', "no space left"),
        ('{"status": "unready", "failing": ["db"], "checks": {"db": {"ok": false}}}', "status unready, failing db"),
        ('{"nested": {}}', '{"nested": {}}'),
        ("plain\n text", "plain text"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_the_message_is_what_is_said(text: str, said: str) -> None:
    """JSON log lines and problem documents are reduced to their message; anything else stays."""
    assert spoken(text) == said


def test_long_text_is_cut() -> None:
    """One line never floods a page."""
    assert len(spoken("x" * 1000)) == LONGEST
