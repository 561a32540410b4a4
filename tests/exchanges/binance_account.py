"""Binance's endpoints for balances, permissions, coins and fees."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.exchanges.binance_public import money, symbol_of
from tests.exchanges.protocol import Call, Key, Route

if TYPE_CHECKING:
    from tests.exchanges.binance import LoopbackBinance


def account(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    held = exchange.book.seen_balances(key.account)
    rows = [
        {"asset": currency, "free": money(free), "locked": money(locked)}
        for currency, (free, locked) in held.items()
        if free or locked or call.params.get("omitZeroBalances") != "true"
    ]
    return {
        **{"makerCommission": 10, "takerCommission": 10, "buyerCommission": 0, "sellerCommission": 0},
        **{"canTrade": True, "canWithdraw": True, "canDeposit": True, "brokered": False, "accountType": "SPOT"},
        **{"updateTime": exchange.now(), "balances": rows, "permissions": ["SPOT"]},
        "uid": zlib.crc32(key.account.encode()),
    }


def api_restrictions(exchange: LoopbackBinance, _call: Call, key: Key) -> Any:
    return {
        "ipRestrict": False,
        "createTime": exchange.now(),
        "enableReading": "read" in key.permissions,
        "enableSpotAndMarginTrading": "trade" in key.permissions,
        "enableWithdrawals": "withdraw" in key.permissions,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": "futures" in key.permissions,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enablePortfolioMarginTrading": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
    }


def coins(exchange: LoopbackBinance, _call: Call, key: Key) -> Any:
    held = exchange.book.seen_balances(key.account)
    markets = [quotes.market for quotes in exchange.book.quotes.values()]
    names = {name for market in markets for name in (market.base, market.quote)}
    return [_coin(name, *held.get(name, (Decimal(0), Decimal(0)))) for name in sorted(names)]


def trade_fees(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    markets = [quotes.market for quotes in exchange.book.quotes.values()]
    return [
        {"symbol": symbol_of(market), "makerCommission": str(market.maker), "takerCommission": str(market.taker)}
        for market in markets
        if call.params.get("symbol") in (None, symbol_of(market))
    ]


def referral(_exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    return {"apiAgentCode": call.params.get("apiAgentCode", ""), "rebateWorking": True, "ifNewUser": True}


def nothing(_exchange: LoopbackBinance, _call: Call, _key: Key) -> Any:
    return []


def status(_exchange: LoopbackBinance, _call: Call, _key: Key) -> Any:
    return {"status": 0, "msg": "normal"}


def _coin(name: str, free: Decimal, locked: Decimal) -> dict[str, Any]:
    network = {"network": name, "coin": name, "name": name, "isDefault": True, "depositEnable": True}
    network |= {"withdrawEnable": True, "withdrawFee": "0.1", "withdrawMin": "1", "withdrawMax": "1000000"}
    network |= {"withdrawIntegerMultiple": "0.00000001", "depositDust": "0.001"}
    return {
        **{"coin": name, "name": name, "trading": True, "isLegalMoney": False, "depositAllEnable": True},
        **{"withdrawAllEnable": True, "free": money(free), "locked": money(locked), "freeze": "0", "withdrawing": "0"},
        "networkList": [network],
    }


ROUTES: list[Route[LoopbackBinance]] = [
    Route("GET", "/api/v3/account", "balance", account, "read"),
    Route("GET", "/sapi/v1/system/status", "market", status),
    Route("GET", "/sapi/v1/account/apiRestrictions", "account", api_restrictions, "read"),
    Route("GET", "/sapi/v1/capital/config/getall", "account", coins, "read"),
    Route("GET", "/sapi/v1/asset/tradeFee", "account", trade_fees, "read"),
    Route("GET", "/sapi/v1/apiReferral/ifNewUser", "account", referral, "read"),
    Route("GET", "/sapi/v1/margin/allPairs", "account", nothing, "read"),
    Route("GET", "/sapi/v1/margin/isolated/allPairs", "account", nothing, "read"),
]
