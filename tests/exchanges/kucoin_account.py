"""KuCoin's endpoints for accounts, keys and fees."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from tests.exchanges.kucoin_public import quotes_of, symbol_of, text
from tests.exchanges.protocol import Call, Key, Route

if TYPE_CHECKING:
    from tests.exchanges.kucoin import LoopbackKucoin


def opened(exchange: LoopbackKucoin, _call: Call, _key: Key) -> Any:
    return exchange.high_frequency


def api_key(exchange: LoopbackKucoin, _call: Call, key: Key) -> Any:
    names = {"read": "General", "trade": "Spot", "withdraw": "Transfer"}
    permission = ",".join(name for permission, name in names.items() if permission in key.permissions)
    told = {"remark": "", "apiKey": key.key, "apiVersion": 3, "permission": permission, "createdAt": exchange.now()}
    return {**told, "uid": zlib.crc32(key.account.encode()), "isMaster": True}


def accounts(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    """The money is in the one account that orders are paid from."""
    trading = "trade_hf" if exchange.high_frequency else "trade"
    if call.params.get("type", trading) != trading:
        return []
    return [
        {
            **{"id": f"{trading}-{currency}", "currency": currency, "type": trading},
            **{"balance": text(free + locked), "available": text(free), "holds": text(locked)},
        }
        for currency, (free, locked) in exchange.book.seen_balances(key.account).items()
        if call.params.get("currency", currency) == currency
    ]


def fees(exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    markets = [quotes_of(exchange, symbol).market for symbol in str(call.params.get("symbols", "")).split(",")]
    return [
        {"symbol": symbol_of(market), "takerFeeRate": text(market.taker), "makerFeeRate": text(market.maker)}
        for market in markets
    ]


ROUTES: list[Route[LoopbackKucoin]] = [
    Route("GET", "/api/v1/hf/accounts/opened", "account", opened, "read"),
    Route("GET", "/api/v1/user/api-key", "account", api_key, "read"),
    Route("GET", "/api/v1/accounts", "balance", accounts, "read"),
    Route("GET", "/api/v1/trade-fees", "account", fees, "read"),
]
