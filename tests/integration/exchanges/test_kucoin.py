"""Keys and prices of KuCoin, whose protocol and words differ from Binance's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config import Settings
from engine.exchanges.market import ExchangeMarket
from engine.exchanges.source import ExchangeSource
from engine.exchanges.verification import Verifier
from tests.exchanges.kucoin import LoopbackKucoin
from utils import credentials
from utils.credentials import ApiKeys
from utils.vault import Vault
from utils.wire import CredentialCheck, GetCandles, VerifyCredential

BTC = "BTC/USDT"
KEYS = ApiKeys("canary-key-of-the-user", "canary-secret-of-the-user", "canary-passphrase")


@pytest.fixture
def kucoin() -> Iterator[LoopbackKucoin]:
    with LoopbackKucoin() as exchange:
        yield exchange


@pytest.fixture
def settings(settings: Settings, kucoin: LoopbackKucoin) -> Settings:
    return replace(settings, exchanges=("demo", "kucoin"), exchange_urls={"kucoin": kucoin.url})


def verify(settings: Settings, keys: ApiKeys = KEYS) -> CredentialCheck:
    row = {"user_id": "u", "exchange": "kucoin", "credential_id": "c"}
    sealed = credentials.seal(Vault.of(settings.encryption_keys), keys, *row.values())
    query = VerifyCredential(key_id=sealed.key_id, sealed=sealed.blob, **row)
    return asyncio.run(Verifier(settings, settings.exchanges).verify(query))


@pytest.mark.parametrize(
    ("permissions", "code"),
    [(("read", "trade"), None), (("read",), None), (("read", "trade", "withdraw"), "withdraw_permission")],
)
def test_tells_what_keys_may_do(
    settings: Settings, kucoin: LoopbackKucoin, permissions: tuple[Any, ...], code: str | None
) -> None:
    kucoin.add_key(KEYS.api_key, KEYS.api_secret, KEYS.password or "", permissions=permissions)
    assert verify(settings) == CredentialCheck(permissions=list(permissions), error_code=code)


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (ApiKeys("nobody-knows-this-key", KEYS.api_secret, KEYS.password), "invalid_api_key"),
        (ApiKeys(KEYS.api_key, "another-secret", KEYS.password), "invalid_secret_or_password"),
        (ApiKeys(KEYS.api_key, KEYS.api_secret, "another"), "invalid_secret_or_password"),
        (ApiKeys(KEYS.api_key, KEYS.api_secret), "password_required"),
    ],
)
def test_tells_why_keys_do_not_work(settings: Settings, kucoin: LoopbackKucoin, keys: ApiKeys, code: str) -> None:
    kucoin.add_key(KEYS.api_key, KEYS.api_secret, KEYS.password or "")
    assert verify(settings, keys) == CredentialCheck(permissions=None, error_code=code)


def test_prices_and_candles(settings: Settings, kucoin: LoopbackKucoin) -> None:
    market = ExchangeMarket(ExchangeSource("kucoin", settings), 3.0)
    kucoin.book.set_price(BTC, "50000.1", "0.2")
    asyncio.run(market.tick())
    theirs, ours = kucoin.book.quotes[BTC].market, market.instrument(BTC)
    assert (ours.price_tick, ours.amount_step) == (theirs.price_tick, theirs.amount_step)
    quote = market.fresh_quote(BTC)
    assert quote.bid <= quote.price == Decimal("50000.1") <= quote.ask
    query = GetCandles(exchange="kucoin", symbol=BTC, timeframe="1m", limit=30)
    candles = asyncio.run(market.candles(query)).candles
    assert len({candle.timestamp for candle in candles}) == 30
    assert [candle.timestamp for candle in candles] == sorted(candle.timestamp for candle in candles)
    assert candles[-1].timestamp / 1000 > time.time() - 120
    asyncio.run(market.close())
