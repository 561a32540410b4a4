"""Binance's spot REST API on 127.0.0.1, as far as ccxt's `binance` class uses it.

In the test's process: `LoopbackBinance`, see `server`. As a process of its own, which prints where it listens:

    python -m tests.exchanges.binance --port 0 --key KEY --secret SECRET --deposit USDT=1000

Real: HMAC-SHA256 signatures over the query and the body as sent (-1022), `timestamp` and `recvWindow` (-1021, -1131),
the key's format, keys and their permissions (-2014, -2015), unknown and missing parameters of orders (-1102, -1104),
client ids (-1100; unique among the account's open orders only, as at Binance: an id whose order is closed may come
again, and a query by it answers the latest), the filters PRICE_FILTER, LOT_SIZE, NOTIONAL and PERCENT_PRICE_BY_SIDE
(-1013) and MAX_NUM_ORDERS (-2010), LIMIT, LIMIT_MAKER and MARKET (by quantity or quote quantity), GTC, IOC and FOK,
cancel and replace, fees in what is received. Perpetuals are those that it is given (`binance_futures`), margin is there
and empty. Not there: stop orders, order lists, user data streams; ccxt refuses such orders itself, since `exchangeInfo`
does not list their types.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.exchanges import (
    binance_account,
    binance_futures,
    binance_futures_account,
    binance_orders,
    binance_public,
)
from tests.exchanges.binance_errors import error, refuse
from tests.exchanges.binance_futures import Usdm
from tests.exchanges.book import Book
from tests.exchanges.faults import Fault
from tests.exchanges.market import Market, default_markets
from tests.exchanges.perpetual import Perpetual, default_perpetuals
from tests.exchanges.process import main
from tests.exchanges.protocol import Answer, Call, Key, Permission, Route
from tests.exchanges.server import PAGE, Loopback

KEY_FORMAT = re.compile(r"[A-Za-z0-9_-]{1,128}")
AHEAD_MS = 1000


class LoopbackBinance(Loopback):
    """A stand-in for `https://api.binance.com`."""

    name: ClassVar[str] = "binance"

    def __init__(
        self,
        markets: Sequence[Market] | None = None,
        *,
        port: int = 0,
        seed: int = 0,
        perpetuals: Sequence[Perpetual] = (),
    ) -> None:
        """Prepare the exchange; `perpetuals` are traded at `usdm`, with wallets of their own."""
        super().__init__(markets, port=port, seed=seed)
        self.usdm = Usdm(self, perpetuals)

    def open_futures(self, deposits: Sequence[str]) -> None:
        """Have the usual perpetuals from now on."""
        self.usdm = Usdm(self, default_perpetuals())
        for deposit in deposits:
            currency, _, amount = deposit.partition("=")
            self.usdm.book.deposit("main", currency, amount)

    def new_book(self, markets: Sequence[Market] | None) -> Book:
        """Fees are taken from what is received."""
        return Book(list(markets or default_markets()), self.now, fees="received")

    def routes(self) -> Sequence[Route[Any]]:
        """Return the endpoints that ccxt's class calls."""
        return [
            *(*binance_public.ROUTES, *binance_orders.ROUTES, *binance_account.ROUTES),
            *(*binance_futures.ROUTES, *binance_futures_account.ROUTES),
        ]

    def authenticate(self, call: Call, permission: Permission) -> Key:
        """Check the key's format, the signature, the time and what the key may do, in this order."""
        name = call.headers.get("X-MBX-APIKEY", "")
        if not KEY_FORMAT.fullmatch(name):
            raise refuse(-2014, status=401)
        key = self.keys.get(name)
        if key is None:
            raise refuse(-2015, status=401)
        self._check_signature(call, key)
        self._check_time(call)
        if permission not in key.permissions:
            raise refuse(-2015, status=401)
        return key

    def failure(self, fault: Fault) -> Answer:
        """Answer with Binance's own body where it has one, with its proxy's page otherwise."""
        if fault.kind in ("limit", "ban"):
            body = error(fault.code or -1003).body
            return Answer(body, 429 if fault.kind == "limit" else 418, {"Retry-After": str(int(fault.seconds))})
        if fault.code is not None:
            return error(fault.code, status=fault.status)
        return Answer(PAGE.format(f"{fault.status} ERROR"), fault.status)

    def not_found(self, call: Call) -> Answer:
        """Answer as the proxy does."""
        return Answer(PAGE.format("404 Not Found"), 404)

    @staticmethod
    def _check_signature(call: Call, key: Key) -> None:
        signature = call.params.get("signature")
        if not signature:
            raise refuse(-1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
        signed = "".join(re.sub(r"(^|&)signature=[^&]*", "", part) for part in (call.raw_query, call.body))
        expected = hmac.new(key.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, str(signature)):
            raise refuse(-1022)

    def _check_time(self, call: Call) -> None:
        text, window_text = str(call.params.get("timestamp", "")), str(call.params.get("recvWindow", "5000"))
        if not text.isdigit():
            raise refuse(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        if not window_text.isdigit() or int(window_text) > 60000:
            raise refuse(-1131)
        sent, now = int(text), self.now()
        if sent >= now + AHEAD_MS:
            raise refuse(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now - sent > int(window_text):
            raise refuse(-1021)


if __name__ == "__main__":
    main(LoopbackBinance)
