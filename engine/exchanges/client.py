"""Clients of real exchanges: the ccxt class, with exact numbers, no repetitions, at this installation's address."""

from __future__ import annotations

import socket
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import ccxt
import ccxt.async_support as ccxt_async
from ccxt.async_support.base.throttler import Throttler

from config import Settings, SettingsError
from engine.exchanges import attempt
from utils.credentials import ApiKeys
from utils.wire import AccountType

TIMEOUT_SECONDS = 10.0
"""How long a request may take that nobody waits for with a deadline of their own."""
RECEIVE_WINDOW_SECONDS = 5.0
"""A signed request that reaches the exchange later than this is refused there."""

_OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
        "warnOnFetchOpenOrdersWithoutSymbol": False,
        "recvWindow": int(RECEIVE_WINDOW_SECONDS * 1000),
    },
    "bybit": {"fetchMarkets": {"types": ["spot"]}},
}
"""What a ccxt class must be told beyond `_COMMON`."""
_KNOWN = frozenset(ccxt.exchanges)
"""As ccxt brings them: the demo exchange and those of paper accounts join its list."""
_COMMON = {"adjustForTimeDifference": True, "maxRetriesOnFailure": 0, "defaultType": "spot"}
_FUTURES: dict[str, dict[str, Any]] = {
    "binance": {"defaultType": "swap", "defaultSubType": "linear", "fetchMarkets": {"types": ["linear"]}},
}
"""What else it must be told to trade linear perpetuals, by exchange: the others' are not known here."""


class KeysReplaced(ccxt.NetworkError):  # type: ignore[misc]
    """A request was not sent: the keys that it was decided on for were replaced while it waited for its turn."""


def is_exchange(name: str) -> bool:
    """Tell whether there is a real exchange of this name."""
    return name in _KNOWN


def check_exchanges(settings: Settings) -> None:
    """Refuse a configured exchange that ccxt does not know. :raises SettingsError: naming it."""
    for name in settings.exchanges:
        if name != "demo" and not is_exchange(name):
            raise SettingsError(f"EXCHANGES names {name!r}, which ccxt does not know")


def has_perpetuals(name: str) -> bool:
    """Tell whether an exchange's linear perpetuals can be followed and traded."""
    return name in _FUTURES


def connect(name: str, settings: Settings, keys: ApiKeys | None = None, kind: AccountType = "spot") -> Any:
    """Return a ccxt client (asyncio) of the exchange `name`, to be closed with `await client.close()`.

    Its numbers are Decimals, its clock follows the exchange's (once its markets are loaded), and it never repeats a
    request by itself.

    :param kind: whether it is for the exchange's spot markets or for its perpetuals.
    """
    config = client_config(name, settings, kind)
    return client_class(name)({**config, **(credentials(keys) if keys is not None else {})})


def client_config(name: str, settings: Settings, kind: AccountType = "spot") -> dict[str, Any]:
    """Return what a ccxt class is built with on this installation, without keys."""
    config: dict[str, Any] = {
        "enableRateLimit": True,
        "timeout": int(TIMEOUT_SECONDS * 1000),
        "options": {**_COMMON, **_OPTIONS.get(name, {}), **(_FUTURES[name] if kind == "futures" else {})},
    }
    address = settings.exchange_urls.get(name)
    if address is not None:
        urls = getattr(ccxt_async, name)().describe()["urls"]
        config["urls"] = {key: _moved(urls[key], address) for key in ("api", "test") if urls.get(key)}
    return config


def credentials(keys: ApiKeys) -> dict[str, str]:
    """Return `keys` under the names that ccxt has for them."""
    named = {"apiKey": keys.api_key, "secret": keys.api_secret, "password": keys.password}
    return {name: value for name, value in named.items() if value is not None}


@cache
def client_class(name: str) -> type[Any]:
    """Return the ccxt class of an exchange, which also tells the running `Attempt` what happens to its requests."""
    return type(name, (_Observed, getattr(ccxt_async, name)), {})


class _Observed(ccxt_async.Exchange):  # type: ignore[misc]
    number = Decimal

    def init_throttler(self, cost: Any = None) -> None:
        """Keep a limiter for orders and cancels apart from the one for all else."""
        super().init_throttler(cost)
        self._express = Throttler(self.tokenBucket)

    async def throttle(self, cost: Any = None) -> None:
        """Wait until a request of this weight may leave: orders wait for orders alone, and what is read makes room.

        :raises KeysReplaced: meanwhile the client got other keys than those that the request was decided on for.
        """
        noted = attempt.current()
        if noted is None or not noted.urgent:
            await super().throttle(cost)
        else:
            await self._express(cost)
            self.throttler.config["tokens"] -= cost or 0
        if noted is not None and noted.key not in {None, self.apiKey}:  # ccxt signs right after this
            raise KeysReplaced("the keys were replaced while the request waited")

    def describe(self) -> Any:
        """Return what ccxt wants to know; currencies are not asked for: their networks do not matter here."""
        return self.deep_extend(super().describe(), {"has": {"fetchCurrencies": False}})

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Send one HTTP request, noting whether it left."""
        noted = attempt.current()
        if noted is None:
            return await super().fetch(url, method, headers, body)
        noted.status, noted.readable = None, False
        noted.sent = noted.sent or method != "GET"
        try:
            return await super().fetch(url, method, headers, body)
        except ccxt.BaseError as error:
            if isinstance(error.__cause__, aiohttp.ClientConnectorError | socket.gaierror):
                noted.sent = False  # no connection, so not a byte has left
            raise

    def on_rest_response(self, *answer: Any) -> Any:
        """Note the status of an answer before ccxt makes sense of it."""
        noted = attempt.current()
        if noted is not None:
            noted.status = answer[0]
            noted.readable = isinstance(self.parse_json(answer[5]), dict | list)
            headers = {name.lower(): value for name, value in answer[4].items()}
            noted.retry_after = _seconds(headers.get("retry-after"))
        return super().on_rest_response(*answer)


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(float(value), 0.0)
    except ValueError:
        return None


def _moved(urls: Any, address: str) -> Any:
    """Return `urls` (text, or a tree of it) with scheme and host of `address`; their paths stay."""
    if isinstance(urls, dict):
        return {key: _moved(value, address) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    target, parts = urlsplit(address), urlsplit(urls)
    return urlunsplit((target.scheme, target.netloc, parts.path, parts.query, ""))
