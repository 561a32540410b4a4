from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from config import Settings, SettingsError
from engine.exchanges.attempt import noting
from engine.exchanges.client import check_exchanges, connect
from engine.exchanges.instruments import instrument
from utils.credentials import ApiKeys

KEYS = ApiKeys("key", "secret", "phrase")
PAIR: dict[str, Any] = {
    "id": "BTCUSDT",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "spot": True,
    "maker": 0.001,
    "taker": 0.00075,
    "precision": {"amount": 1e-05, "price": 0.01},
    "limits": {"amount": {"min": 1e-05, "max": 9000.0}, "cost": {"min": 5.0}},
    "info": {"orderTypes": ["LIMIT"]},
}


def _settings(**environ: str) -> Settings:
    return Settings.from_env({"SECRET_KEY": "0123456789abcdef" * 4, **environ})


def _client(name: str, **environ: str) -> Any:
    return connect(name, _settings(**environ), KEYS)


def test_every_address_of_an_exchange_is_replaced() -> None:
    client = _client("binance", EXCHANGE_URLS="binance=http://127.0.0.1:7001,kucoin=http://127.0.0.1:7002")
    assert client.urls["api"]["private"] == "http://127.0.0.1:7001/api/v3"
    assert {url.split("/")[2] for url in client.urls["api"].values()} == {"127.0.0.1:7001"}
    assert _client("binance").urls["api"]["private"] == "https://api.binance.com/api/v3"


def test_clients_never_repeat_a_request_and_count_exactly() -> None:
    for name in ("binance", "kucoin"):
        client = _client(name)
        assert client.options["maxRetriesOnFailure"] == 0
        assert client.options["adjustForTimeDifference"] is True
        assert client.parse_number("0.10000000000000000001") == Decimal("0.10000000000000000001")
        assert (client.apiKey, client.secret, client.password) == ("key", "secret", "phrase")


def test_instruments_are_exact() -> None:
    found = instrument(PAIR, "binance", ccxt.TICK_SIZE)
    assert (found.price_tick, found.amount_step, found.min_amount) == (
        Decimal("0.01"),
        Decimal("0.00001"),
        Decimal("0.00001"),
    )
    assert (found.min_cost, found.max_amount, found.taker_fee) == (5, 9000, Decimal("0.00075"))
    by_places = PAIR | {"precision": {"amount": 3, "price": 0}, "limits": {}}
    found = instrument(by_places, "other", ccxt.DECIMAL_PLACES)
    assert (found.amount_step, found.price_tick, found.min_amount, found.max_amount) == (
        Decimal("0.001"),
        1,
        Decimal("0.001"),
        None,
    )


def test_a_refused_connection_is_known_not_to_have_sent_anything() -> None:
    async def place() -> bool:
        client = _client("binance", EXCHANGE_URLS="binance=http://127.0.0.1:1")
        client.set_markets([PAIR | {"type": "spot", "contract": False, "active": True}])
        try:
            with noting() as attempt, pytest.raises(ccxt.ExchangeNotAvailable):
                await client.create_order("BTC/USDT", "limit", "buy", "0.1", "50000")
            return attempt.sent
        finally:
            await client.close()

    assert asyncio.run(place()) is False


def test_an_answer_that_broke_off_may_have_been_an_order() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def place() -> bool:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = _client("binance", EXCHANGE_URLS=f"binance=http://127.0.0.1:{port}")
        client.set_markets([PAIR | {"type": "spot", "contract": False, "active": True}])
        try:
            with noting() as attempt, pytest.raises(ccxt.ExchangeNotAvailable):
                await client.create_order("BTC/USDT", "limit", "buy", "0.1", "50000")
            return attempt.sent
        finally:
            await client.close()
            server.close()

    assert asyncio.run(place()) is True


@pytest.mark.parametrize("urls", ["binance", "binance=ftp://x", "binance=http://", "=http://x", "binance=http://x/api"])
def test_an_address_that_makes_no_sense_is_refused(urls: str) -> None:
    with pytest.raises(SettingsError, match="EXCHANGE_URLS"):
        _settings(EXCHANGE_URLS=urls)


def test_an_unknown_exchange_is_refused() -> None:
    with pytest.raises(SettingsError, match="mtgox"):
        check_exchanges(_settings(EXCHANGES="demo,mtgox"))
