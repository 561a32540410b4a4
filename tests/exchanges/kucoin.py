"""KuCoin's spot REST API on 127.0.0.1, as far as ccxt's `kucoin` class uses it.

In the test's process: `LoopbackKucoin`, see `server`. As a process of its own, which prints where it listens:

    python -m tests.exchanges.kucoin --port 0 --key KEY --secret SECRET --passphrase WORDS --deposit USDT=1000

Real: KC-API-SIGN over time, method, path with query and body as sent, the signed passphrase of key version 2, times
within five seconds (400001 to 400005), permissions (400007), the high-frequency endpoints that ccxt uses for accounts
that have them and the classic ones (`exchange.high_frequency = False`), client ids of up to 40 characters (unique among
the account's open orders only), increments and minimums, limit and market orders (by size or funds), GTC, IOC and FOK,
alter, fees always in the quote currency, on top of what an order costs. A placed order is answered by its id alone (as
24 hexadecimal digits: `int(id, 16)` is the book's). An unknown order is 400100, and so is a second order under the same
client id, which ccxt takes for `InsufficientFunds`.
Otherwise than at KuCoin: a post-only order that would match is refused, not accepted and cancelled. Not there: stop
orders, margin, futures, web sockets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.exchanges import kucoin_account, kucoin_orders, kucoin_public
from tests.exchanges.book import Book
from tests.exchanges.faults import Fault
from tests.exchanges.kucoin_errors import error, refuse
from tests.exchanges.market import Market, default_markets
from tests.exchanges.process import main
from tests.exchanges.protocol import Answer, Call, Key, Permission, Route
from tests.exchanges.server import PAGE, Loopback

WINDOW_MS = 5000


def sign(secret: str, text: str) -> str:
    """Return KuCoin's signature of `text`."""
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


class LoopbackKucoin(Loopback):
    """A stand-in for `https://api.kucoin.com`."""

    name: ClassVar[str] = "kucoin"
    high_frequency = True

    def new_book(self, markets: Sequence[Market] | None) -> Book:
        """Fees are always taken from the quote currency."""
        return Book(list(markets or default_markets()), self.now, fees="quote")

    def routes(self) -> Sequence[Route[Any]]:
        """Return the endpoints that ccxt's class calls."""
        return [*kucoin_public.ROUTES, *kucoin_account.ROUTES, *kucoin_orders.ROUTES]

    def success(self, body: Any) -> Any:
        """Return KuCoin's envelope."""
        return {"code": "200000", "data": body}

    def fields(self, body: str) -> dict[str, Any]:
        """Return the members of a JSON body."""
        try:
            found = json.loads(body) if body else {}
        except ValueError:
            found = None
        return found if isinstance(found, dict) else {}

    def authenticate(self, call: Call, permission: Permission) -> Key:
        """Check the headers, the time, the key, its passphrase, the signature and what the key may do."""
        names = ("KC-API-KEY", "KC-API-SIGN", "KC-API-TIMESTAMP", "KC-API-PASSPHRASE")
        name, signature, stamp, passphrase = (call.headers.get(header, "") for header in names)
        if not (name and signature and passphrase and stamp.isdigit()):
            raise refuse("400001", status=401)
        if abs(self.now() - int(stamp)) > WINDOW_MS:
            raise refuse("400002", status=401)
        key = self.keys.get(name)
        if key is None:
            raise refuse("400003", status=401)
        version_2 = call.headers.get("KC-API-KEY-VERSION") == "2"
        expected = sign(key.secret, key.passphrase) if version_2 else key.passphrase
        if not hmac.compare_digest(expected, passphrase):
            raise refuse("400004", status=401)
        if not hmac.compare_digest(sign(key.secret, stamp + call.method + call.target + call.body), signature):
            raise refuse("400005", status=401)
        if permission not in key.permissions:
            raise refuse("400007", status=403)
        return key

    def failure(self, fault: Fault) -> Answer:
        """Answer with KuCoin's own body where it has one, with its proxy's page otherwise."""
        if fault.kind == "limit":
            headers = {"Retry-After": str(int(fault.seconds)), "gw-ratelimit-reset": str(int(fault.seconds * 1000))}
            return Answer(error("429000").body, 429, headers)
        if fault.kind == "ban":
            return Answer(PAGE.format("403 Forbidden"), 403, {"Retry-After": str(int(fault.seconds))})
        if fault.code is not None:
            return error(str(fault.code), None if fault.code == 500000 else "Failed.", fault.status)
        return Answer(PAGE.format(f"{fault.status} ERROR"), fault.status)

    def not_found(self, call: Call) -> Answer:
        """Answer as the gateway does."""
        return Answer({"code": "404", "msg": "Not Found"}, 404)


if __name__ == "__main__":
    main(LoopbackKucoin)
