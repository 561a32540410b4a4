"""What the bot's log hides: every value that the configuration over the API hides, by the same names."""

from __future__ import annotations

import pytest

from engine.bot.secrets import secrets_of
from services.bot_config.secrets import REDACTED, redact


@pytest.mark.parametrize(
    "name", ["password", "passwd", "bot_token", "mnemonic", "seed", "cookie", "key", "signing-key"]
)
def test_what_is_not_shown_is_not_logged_either(name: str) -> None:
    config = {"services": {"anything": {name: "a-value-to-hide", "host": "an.example.com"}}}
    assert redact(config) == {"services": {"anything": {name: REDACTED, "host": "an.example.com"}}}
    assert secrets_of(config) == {"a-value-to-hide"}
