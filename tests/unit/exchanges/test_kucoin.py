"""The loopback KuCoin speaks KuCoin's protocol to the real ccxt class."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.exchanges.client import Client
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.protocol import Permission

SYMBOL = "BTC/USDT"


@pytest.fixture
def client(kucoin_client: Client) -> Client:
    return kucoin_client


def balances(exchange: LoopbackKucoin) -> dict[str, tuple[Decimal, Decimal]]:
    return exchange.book.balances("main")


def test_markets_have_their_rules(kucoin: LoopbackKucoin, client: Client) -> None:
    market = client.load_markets()[SYMBOL]
    assert market["active"]
    assert (market["precision"]["amount"], market["precision"]["price"]) == (0.00001, 0.01)
    assert (market["limits"]["cost"]["min"], market["taker"]) == (5, 0.001)
    assert client.ccxt.options["hf"] is kucoin.high_frequency
    assert set(client.ccxt.currencies) >= {"BTC", "USDT"}


def test_prices(kucoin: LoopbackKucoin, client: Client) -> None:
    kucoin.book.set_price(SYMBOL, "51000", spread="1")
    ticker = client.fetch_ticker(SYMBOL)
    assert (ticker["last"], ticker["bid"], ticker["ask"], ticker["change"]) == (51000, 50999, 51001, 1000)
    assert client.fetch_tickers([SYMBOL])[SYMBOL]["last"] == 51000
    for limit in (None, 20):
        book = client.fetch_order_book(SYMBOL, limit)
        assert (book["bids"][0][0], book["asks"][0][0]) == (50999, 51001)
    assert client.fetch_trades(SYMBOL)[-1]["price"] == 51000
    assert abs(client.fetch_time() - kucoin.now()) < 2000
    candles = client.fetch_ohlcv(SYMBOL, "1h", limit=24)
    assert len(candles) == 24
    assert candles[-1][1:5] == [50000, 51000, 50000, 51000]


def test_limit_order_by_client_id(kucoin: LoopbackKucoin, client: Client) -> None:
    placed = client.create_order(SYMBOL, "limit", "buy", 0.1, 40000, {"clientOrderId": "mine-1"})
    assert placed["status"] is None
    seen = client.fetch_order(None, SYMBOL, {"clientOrderId": "mine-1"})
    assert (seen["id"], seen["status"], seen["filled"]) == (placed["id"], "open", 0)
    assert client.fetch_order(placed["id"], SYMBOL)["clientOrderId"] == "mine-1"
    assert [order["id"] for order in client.fetch_open_orders(SYMBOL)] == [placed["id"]]
    assert [(order.client_id, order.status) for order in kucoin.book.orders()] == [("mine-1", "open")]


def test_balance_includes_the_fee_that_is_held(kucoin: LoopbackKucoin, client: Client) -> None:
    client.create_order(SYMBOL, "limit", "buy", 0.1, 40000)
    held = client.fetch_balance()
    assert held["USDT"] == {"free": 5996, "used": 4004, "total": 10000}
    assert held["BTC"] == {"free": 1, "used": 0, "total": 1}


def test_partial_fill_then_cancel(kucoin: LoopbackKucoin, client: Client) -> None:
    placed = client.create_order(SYMBOL, "limit", "buy", 0.1, 40000, {"clientOrderId": "mine-1"})
    kucoin.book.fill(int(placed["id"], 16), "0.03")
    seen = client.fetch_order(placed["id"], SYMBOL)
    assert (seen["status"], seen["filled"], seen["remaining"], seen["average"]) == ("open", 0.03, 0.07, 40000)
    assert seen["fee"] == {"cost": 1.2, "currency": "USDT"}
    trade = client.fetch_my_trades(SYMBOL)[0]
    assert (trade["order"], trade["amount"], trade["cost"]) == (placed["id"], 0.03, 1200)
    assert trade["fee"] == {"cost": 1.2, "currency": "USDT", "rate": 0.001}
    client.cancel_order(None, SYMBOL, {"clientOrderId": "mine-1"})
    assert client.fetch_order(placed["id"], SYMBOL)["status"] == "canceled"
    assert [order["id"] for order in client.fetch_closed_orders(SYMBOL)] == [placed["id"]]
    assert balances(kucoin) == {"USDT": (Decimal("8798.8"), Decimal(0)), "BTC": (Decimal("1.03"), Decimal(0))}


def test_market_orders(kucoin: LoopbackKucoin, client: Client) -> None:
    bought = client.create_order(SYMBOL, "market", "buy", 0.1)
    seen = client.fetch_order(bought["id"], SYMBOL)
    assert (seen["status"], seen["filled"], seen["average"], seen["fee"]["cost"]) == ("closed", 0.1, 50000, 5)
    client.create_order(SYMBOL, "market", "sell", 0.1)
    spent = client.create_market_buy_order_with_cost(SYMBOL, 1001)
    assert client.fetch_order(spent["id"], SYMBOL)["cost"] == 1000
    assert balances(kucoin) == {"USDT": (Decimal("8989"), Decimal(0)), "BTC": (Decimal("1.02"), Decimal(0))}


@pytest.mark.parametrize(
    ("time_in_force", "price", "status", "filled"),
    [
        ("GTC", 50000, "open", 0.04),
        ("IOC", 50000, "canceled", 0.04),
        ("IOC", 40000, "canceled", 0),
        ("FOK", 50000, "canceled", 0),
    ],
)
def test_time_in_force(
    kucoin: LoopbackKucoin, client: Client, time_in_force: str, price: int, status: str, filled: float
) -> None:
    kucoin.book.set_liquidity(SYMBOL, "0.04")
    placed = client.create_order(SYMBOL, "limit", "buy", 0.1, price, {"timeInForce": time_in_force})
    order = client.fetch_order(placed["id"], SYMBOL)
    assert (order["status"], order["filled"]) == (status, filled)
    assert balances(kucoin)["USDT"][1] == (Decimal("3003") if status == "open" else 0)


def test_cancel_by_id_and_all(kucoin: LoopbackKucoin, client: Client) -> None:
    orders = [client.create_order(SYMBOL, "limit", "buy", 0.01, price) for price in (40000, 41000, 42000)]
    client.create_order("ETH/USDT", "limit", "buy", 0.1, 2000)
    client.cancel_order(orders[0]["id"], SYMBOL)
    client.cancel_all_orders(SYMBOL)
    assert [order.status for order in kucoin.book.orders()] == ["cancelled", "cancelled", "cancelled", "open"]
    client.cancel_all_orders()
    assert {order.status for order in kucoin.book.orders()} == {"cancelled"}


def test_edit_replaces_the_order(kucoin: LoopbackKucoin, client: Client) -> None:
    first = client.create_order(SYMBOL, "limit", "buy", 0.1, 40000, {"clientOrderId": "mine-1"})
    second = client.edit_order(first["id"], SYMBOL, "limit", "buy", 0.2, 41000)
    assert [(o.status, o.client_id) for o in kucoin.book.orders()] == [("cancelled", "mine-1"), ("open", "mine-1")]
    assert client.fetch_order(second["id"], SYMBOL)["price"] == 41000
    with pytest.raises(ccxt.InsufficientFunds):
        client.edit_order(second["id"], SYMBOL, "limit", "buy", 1, 41000)
    assert [order.status for order in kucoin.book.orders()] == ["cancelled", "open"]
    assert balances(kucoin)["USDT"] == (Decimal("1791.8"), Decimal("8208.2"))


def test_client_id_is_unique_among_open_orders(kucoin: LoopbackKucoin, client: Client) -> None:
    order = (SYMBOL, "limit", "buy", 0.01, 40000, {"clientOrderId": "mine-1"})
    first = client.create_order(*order)
    with pytest.raises(ccxt.InsufficientFunds, match="clientOidDuplicated"):
        client.create_order(*order)
    client.cancel_order(first["id"], SYMBOL)
    client.create_order(*order)
    assert len(kucoin.book.orders()) == 2


def test_unknown_order(kucoin: LoopbackKucoin, client: Client) -> None:
    for arguments in (("f" * 24, SYMBOL), (None, SYMBOL, {"clientOrderId": "nobody"})):
        with pytest.raises(ccxt.OrderNotFound):
            client.fetch_order(*arguments)
        with pytest.raises(ccxt.InvalidOrder, match="order_not_exist_or_not_allow_to_cancel"):
            client.cancel_order(*arguments)


def test_orders_of_others_do_not_exist(kucoin: LoopbackKucoin, client: Client) -> None:
    mine = client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)
    with Client(kucoin, kucoin.add_key("other", "secret", "words", account="other")) as stranger:
        with pytest.raises(ccxt.OrderNotFound):
            stranger.fetch_order(mine["id"], SYMBOL)
        with pytest.raises(ccxt.InvalidOrder):
            stranger.cancel_order(mine["id"], SYMBOL)
        assert stranger.fetch_open_orders(SYMBOL) == []


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"clientOid": None}, "400100", "validation.createOrder.clientOidIsRequired"),
        ({"clientOid": "x" * 41}, "400100", "validation.createOrder.clientOidIllegal"),
        ({"symbol": "NO-PE"}, "400600", "validation.createOrder.symbolNotAvailable"),
        ({"size": "0.000001"}, "400100", "Order size below the minimum requirement."),
        ({"size": "0.1000001"}, "600100", "Order size increment invalid."),
        ({"price": "40000.001"}, "400100", "Price increment invalid."),
        ({"size": "0.0001"}, "600101", "The order funds should more then 5 USDT."),
        ({"size": "1"}, "200004", "Balance insufficient!"),
        ({"size": "-1"}, "400100", "validation.createOrder.numberIllegal"),
        ({"price": None}, "400100", "validation.createOrder.sizeAndPriceIsRequired"),
        ({"side": "hold"}, "400100", "validation.createOrder.invalidParameter"),
        ({"price": "50000", "postOnly": True}, "300000", "The order would match immediately."),
    ],
)
def test_refused_order_changes_nothing(
    kucoin: LoopbackKucoin, client: Client, fields: dict[str, Any], code: str, message: str
) -> None:
    before = balances(kucoin)
    order = {
        "clientOid": "mine-1",
        "side": "buy",
        "symbol": "BTC-USDT",
        "type": "limit",
        "size": "0.1",
        "price": "40000",
    }
    with pytest.raises(ccxt.ExchangeError):
        client.private_post_hf_orders({**order, **fields})
    assert client.answer == {"code": code, "msg": message}
    assert kucoin.book.orders() == []
    assert balances(kucoin) == before


class TestKeys:
    @pytest.mark.parametrize(
        ("altered", "code"),
        [({"apiKey": "unknown"}, "400003"), ({"secret": "wrong"}, "400004"), ({"password": "wrong"}, "400004")],
    )
    def test_wrong_credentials(self, kucoin: LoopbackKucoin, altered: dict[str, str], code: str) -> None:
        with Client(kucoin, kucoin.keys["key"], **altered) as client:
            with pytest.raises(ccxt.AuthenticationError):
                client.private_get_accounts()
            assert client.answer["code"] == code

    def test_altered_request(self, kucoin: LoopbackKucoin, client: Client) -> None:
        """What was signed must be what was sent."""
        sign = client.ccxt.sign

        def sign_and_alter(*args: object, **kwargs: object) -> dict[str, str]:
            signed: dict[str, str] = sign(*args, **kwargs)
            return {**signed, "body": signed["body"].replace("0.01", "0.02")}

        client.load_markets()
        client.ccxt.sign = sign_and_alter
        with pytest.raises(ccxt.AuthenticationError, match="400005"):
            client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)
        assert kucoin.book.orders() == []

    @pytest.mark.parametrize("skew", [6, -6])
    def test_clock_that_is_off(self, kucoin: LoopbackKucoin, client: Client, skew: int) -> None:
        kucoin.skew = skew
        with pytest.raises(ccxt.InvalidNonce):
            client.private_get_accounts()
        kucoin.skew = skew / 2
        client.private_get_accounts()

    def test_key_without_trading(self, kucoin: LoopbackKucoin) -> None:
        with Client(kucoin, kucoin.add_key("reader", "secret", "words", permissions=["read"])) as client:
            assert client.fetch_balance()["USDT"]["free"] == 10000
            with pytest.raises(ccxt.AuthenticationError, match="require more permission"):
                client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)
        assert kucoin.book.orders() == []

    @pytest.mark.parametrize("withdraws", [True, False])
    def test_permissions_are_told(self, kucoin: LoopbackKucoin, withdraws: bool) -> None:
        permissions: list[Permission] = ["read", "trade", "withdraw"] if withdraws else ["read", "trade"]
        with Client(kucoin, kucoin.add_key("told", "secret", "words", permissions=permissions)) as client:
            told = client.private_get_user_api_key()["data"]["permission"]
        assert told == ("General,Spot,Transfer" if withdraws else "General,Spot")
