"""Which pages may read answers, and open WebSockets."""

from __future__ import annotations

import pytest

from config import Settings
from utils.origins import Origins

SHOP = "https://app.example"


@pytest.mark.parametrize(
    ("settings", "origin", "allowed"),
    [
        (Settings(), "http://localhost:3000", True),
        (Settings(), "https://127.0.0.1", True),
        (Settings(), "http://localhost.evil.example", False),
        (Settings(), SHOP, False),
        (Settings(host="203.0.113.7"), "http://localhost:3000", False),
        (Settings(cors_origins=(SHOP,)), SHOP, True),
        (Settings(cors_origins=(SHOP,)), SHOP.upper(), True),
        (Settings(cors_origins=(SHOP,)), f"{SHOP}.evil", False),
        (Settings(cors_origins=(SHOP,)), "http://localhost:3000", False),
        (Settings(cors_origins=("*",)), "https://anything.example", True),
    ],
)
def test_origins(settings: Settings, origin: str, allowed: bool) -> None:
    assert Origins(settings).allows(origin) is allowed
    assert Origins(settings).allows_socket(origin, "trading.example") is allowed


def test_pages_of_the_same_host_may_open_websockets() -> None:
    origins = Origins(Settings(host="203.0.113.7"))
    assert origins.allows_socket("https://trading.example", "trading.example")
    assert origins.allows_socket("https://trading.example:8443", "Trading.example:8443")
    assert not origins.allows_socket("https://trading.example", "trading.example:8443")
    assert not origins.allows_socket("null", "trading.example")


@pytest.mark.parametrize("origin", ["http://[trading.example", "http://]", "http://[trading.example]", "//", "\u2100"])
def test_what_is_no_origin_opens_nothing(origin: str) -> None:
    assert not Origins(Settings()).allows_socket(origin, "trading.example")
