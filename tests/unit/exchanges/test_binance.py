"""The loopback Binance speaks Binance's protocol to the real ccxt class."""

from __future__ import annotations

import itertools
from decimal import Decimal

import ccxt
import pytest

from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.client import Client
from tests.exchanges.market import Market
from tests.exchanges.protocol import Permission

SYMBOL = "BTC/USDT"


def balances(exchange: LoopbackBinance) -> dict[str, tuple[Decimal, Decimal]]:
    return exchange.book.balances("main")


def test_markets_have_their_rules(client: Client) -> None:
    market = client.load_markets()[SYMBOL]
    assert market["active"]
    assert market["precision"]["amount"] == 0.00001
    assert market["precision"]["price"] == 0.01
    assert market["limits"]["cost"]["min"] == 5
    assert set(client.ccxt.currencies) >= {"BTC", "USDT"}


def test_market_without_keys(binance: LoopbackBinance) -> None:
    with Client(binance) as stranger:
        assert stranger.fetch_ticker(SYMBOL)["last"] == 50000
        with pytest.raises(ccxt.AuthenticationError):
            stranger.fetch_balance()


def test_prices(binance: LoopbackBinance, client: Client) -> None:
    binance.book.set_price(SYMBOL, "51000", spread="1")
    ticker = client.fetch_ticker(SYMBOL)
    assert (ticker["last"], ticker["bid"], ticker["ask"], ticker["open"]) == (51000, 50999, 51001, 50000)
    assert client.fetch_tickers([SYMBOL])[SYMBOL]["last"] == 51000
    assert client.fetch_last_prices()[SYMBOL]["price"] == 51000
    assert client.fetch_bids_asks()[SYMBOL]["bid"] == 50999
    book = client.fetch_order_book(SYMBOL, 5)
    assert (book["bids"][0][0], book["asks"][0][0], len(book["bids"])) == (50999, 51001, 5)
    assert client.fetch_trades(SYMBOL)[-1]["price"] == 51000
    assert abs(client.fetch_time() - binance.now()) < 2000
    candles = client.fetch_ohlcv(SYMBOL, "1h", limit=24)
    assert len(candles) == 24
    assert candles[-1][1:5] == [50000, 51000, 50000, 51000]
    assert [b[0] - a[0] for a, b in itertools.pairwise(candles)] == [3_600_000] * 23


def test_balance(binance: LoopbackBinance, client: Client) -> None:
    client.create_order(SYMBOL, "limit", "buy", 0.1, 40000)
    held = client.fetch_balance()
    assert held["USDT"] == {"free": 6000, "used": 4000, "total": 10000}
    assert held["BTC"] == {"free": 1, "used": 0, "total": 1}
    assert balances(binance)["USDT"] == (Decimal(6000), Decimal(4000))


def test_limit_order_by_client_id(binance: LoopbackBinance, client: Client) -> None:
    placed = client.create_order(SYMBOL, "limit", "buy", 0.1, 40000, {"clientOrderId": "mine-1"})
    assert (placed["status"], placed["clientOrderId"], placed["filled"]) == ("open", "mine-1", 0)
    assert client.fetch_order(None, SYMBOL, {"clientOrderId": "mine-1"})["id"] == placed["id"]
    assert client.fetch_order(placed["id"], SYMBOL)["clientOrderId"] == "mine-1"
    assert [order["id"] for order in client.fetch_open_orders(SYMBOL)] == [placed["id"]]
    assert [(order.client_id, order.status) for order in binance.book.orders()] == [("mine-1", "open")]


def test_partial_fill_then_cancel(binance: LoopbackBinance, client: Client) -> None:
    placed = client.create_order(SYMBOL, "limit", "buy", 0.1, 40000, {"clientOrderId": "mine-1"})
    binance.book.fill(int(placed["id"]), "0.03")
    seen = client.fetch_order(placed["id"], SYMBOL)
    assert (seen["status"], seen["filled"], seen["remaining"], seen["average"]) == ("open", 0.03, 0.07, 40000)
    assert seen["info"]["status"] == "PARTIALLY_FILLED"
    trade = client.fetch_my_trades(SYMBOL)[0]
    assert (trade["order"], trade["amount"], trade["cost"], trade["takerOrMaker"]) == (
        placed["id"],
        0.03,
        1200,
        "maker",
    )
    assert trade["fee"] == {"cost": 0.00003, "currency": "BTC"}
    assert client.cancel_order(None, SYMBOL, {"clientOrderId": "mine-1"})["status"] == "canceled"
    assert client.fetch_order(placed["id"], SYMBOL)["status"] == "canceled"
    assert balances(binance) == {"USDT": (Decimal(8800), Decimal(0)), "BTC": (Decimal("1.02997"), Decimal(0))}


def test_market_orders(binance: LoopbackBinance, client: Client) -> None:
    bought = client.create_order(SYMBOL, "market", "buy", 0.1)
    assert (bought["status"], bought["filled"], bought["average"]) == ("closed", 0.1, 50000)
    assert [fill["fee"] for fill in bought["trades"]] == [{"cost": 0.0001, "currency": "BTC"}]
    sold = client.create_order(SYMBOL, "market", "sell", 0.1)
    assert [fill["fee"] for fill in sold["trades"]] == [{"cost": 5, "currency": "USDT"}]
    spent = client.create_market_buy_order_with_cost(SYMBOL, 1000)
    assert (spent["filled"], spent["cost"]) == (0.02, 1000)
    assert balances(binance) == {"USDT": (Decimal(8995), Decimal(0)), "BTC": (Decimal("1.01988"), Decimal(0))}


def test_price_reaches_a_resting_order(binance: LoopbackBinance, client: Client) -> None:
    placed = client.create_order(SYMBOL, "limit", "buy", 0.1, 40000)
    binance.book.set_price(SYMBOL, "40000.01")
    assert client.fetch_order(placed["id"], SYMBOL)["status"] == "open"
    binance.book.set_price(SYMBOL, "39000")
    assert client.fetch_order(placed["id"], SYMBOL)["average"] == 40000
    assert balances(binance)["USDT"] == (Decimal(6000), Decimal(0))


def test_crossing_limit_order_fills_at_the_better_price(binance: LoopbackBinance, client: Client) -> None:
    placed = client.create_order(SYMBOL, "limit", "buy", 0.1, 60000)
    assert (placed["status"], placed["average"]) == ("closed", 50000)
    assert balances(binance)["USDT"] == (Decimal(5000), Decimal(0))


@pytest.mark.parametrize(
    ("time_in_force", "price", "status", "filled"),
    [
        ("GTC", 50000, "open", 0.04),
        ("IOC", 50000, "expired", 0.04),
        ("IOC", 40000, "expired", 0),
        ("FOK", 50000, "expired", 0),
    ],
)
def test_time_in_force(
    binance: LoopbackBinance, client: Client, time_in_force: str, price: int, status: str, filled: float
) -> None:
    binance.book.set_liquidity(SYMBOL, "0.04")
    order = client.create_order(SYMBOL, "limit", "buy", 0.1, price, {"timeInForce": time_in_force})
    assert (order["status"], order["filled"]) == (status, filled)
    locked = Decimal(3000) if status == "open" else Decimal(0)
    assert balances(binance)["USDT"] == (10000 - locked - Decimal(str(filled)) * 50000, locked)


def test_post_only(client: Client) -> None:
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        client.create_order(SYMBOL, "limit", "buy", 0.1, 50000, {"postOnly": True})
    assert client.create_order(SYMBOL, "limit", "buy", 0.1, 49000, {"postOnly": True})["status"] == "open"


def test_edit_replaces_the_order(binance: LoopbackBinance, client: Client) -> None:
    first = client.create_order(SYMBOL, "limit", "buy", 0.1, 40000, {"clientOrderId": "mine-1"})
    second = client.edit_order(first["id"], SYMBOL, "limit", "buy", 0.2, 41000, {"clientOrderId": "mine-2"})
    assert (second["clientOrderId"], second["status"], second["amount"]) == ("mine-2", "open", 0.2)
    assert [order.status for order in binance.book.orders()] == ["cancelled", "open"]
    with pytest.raises(ccxt.ExchangeError):
        client.edit_order(first["id"], SYMBOL, "limit", "buy", 0.2, 41000)
    assert (client.answer["code"], client.answer["data"]["newOrderResult"]) == (-2022, "NOT_ATTEMPTED")
    assert len(binance.book.orders()) == 2
    with pytest.raises(ccxt.ExchangeError):
        client.edit_order(second["id"], SYMBOL, "limit", "buy", 1, 41000)
    assert (client.answer["code"], client.answer["data"]["newOrderResponse"]["code"]) == (-2021, -2010)
    assert [order.status for order in binance.book.orders()] == ["cancelled", "cancelled"]


def test_cancel_all(binance: LoopbackBinance, client: Client) -> None:
    for price in (40000, 41000):
        client.create_order(SYMBOL, "limit", "buy", 0.01, price)
    client.create_order("ETH/USDT", "limit", "buy", 0.1, 2000)
    assert len(client.cancel_all_orders(SYMBOL)) == 2
    assert [order.status for order in binance.book.orders()] == ["cancelled", "cancelled", "open"]


def test_client_id_is_unique_among_open_orders(binance: LoopbackBinance, client: Client) -> None:
    order = (SYMBOL, "limit", "buy", 0.01, 40000, {"clientOrderId": "mine-1"})
    first = client.create_order(*order)
    with pytest.raises(ccxt.InvalidOrder):
        client.create_order(*order)
    assert client.answer == {"code": -2010, "msg": "Duplicate order sent."}
    client.cancel_order(first["id"], SYMBOL)
    again = client.create_order(*order)
    assert client.fetch_order(None, SYMBOL, {"clientOrderId": "mine-1"})["id"] == again["id"] != first["id"]
    assert len(binance.book.orders()) == 2


@pytest.mark.parametrize("method", ["fetch_order", "cancel_order"])
def test_unknown_order(client: Client, method: str) -> None:
    code = {"fetch_order": -2013, "cancel_order": -2011}[method]
    for arguments in (("77", SYMBOL), (None, SYMBOL, {"clientOrderId": "nobody"})):
        with pytest.raises(ccxt.OrderNotFound):
            getattr(client, method)(*arguments)
        assert client.answer["code"] == code


def test_orders_of_others_do_not_exist(binance: LoopbackBinance, client: Client) -> None:
    mine = client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)
    other = binance.add_key("other", "secret", account="other")
    with Client(binance, other) as stranger:
        for call in (stranger.fetch_order, stranger.cancel_order):
            with pytest.raises(ccxt.OrderNotFound):
                call(mine["id"], SYMBOL)
        assert stranger.fetch_open_orders(SYMBOL) == []
        assert stranger.fetch_balance()["total"] == {}


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.1000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"price": "40000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "1"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.0001"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "1"}, -2010, "Account has insufficient balance for requested action."),
        ({"quantity": "-1"}, -1100, "Illegal characters found in parameter 'quantity'"),
        ({"quantity": "0.1000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "STOP"}, -1116, "Invalid orderType."),
        ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ({"price": ""}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        ({"newClientOrderId": "x" * 37}, -1100, "Illegal characters found in parameter 'newClientOrderId'"),
        ({"wrong": "1"}, -1104, "Not all sent parameters were read; read '10' parameter(s) but was sent '11'."),
        ({"recvWindow": "60001"}, -1131, "recvWindow must be less than 60000."),
    ],
)
def test_refused_order_changes_nothing(
    binance: LoopbackBinance, client: Client, fields: dict[str, str], code: int, message: str
) -> None:
    before = balances(binance)
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1"}
    with pytest.raises(ccxt.BaseError):
        client.private_post_order({**order, "price": "40000", **fields})
    assert client.answer["code"] == code
    assert client.answer["msg"].startswith(message)
    assert binance.book.orders() == []
    assert balances(binance) == before


def test_too_many_open_orders() -> None:
    market = Market("BTC", "USDT", Decimal(50000), Decimal("0.01"), Decimal("0.00001"), max_open_orders=2)
    with LoopbackBinance([market]) as exchange:
        exchange.book.deposit("main", "USDT", "10000")
        with Client(exchange, exchange.add_key("key", "secret")) as client:
            for _ in range(2):
                client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)
            with pytest.raises(ccxt.InvalidOrder, match="MAX_NUM_ORDERS"):
                client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)


def test_orders_and_trades_by_time(binance: LoopbackBinance, client: Client) -> None:
    placed = [client.create_order(SYMBOL, "market", "buy", 0.01) for _ in range(3)]
    since = binance.book.orders()[1].created
    assert [order["id"] for order in client.fetch_orders(SYMBOL, limit=2)] == [order["id"] for order in placed[1:]]
    assert [o["id"] for o in client.fetch_orders(SYMBOL, since=since)] == [
        str(o.id) for o in binance.book.orders() if o.created >= since
    ]
    trades = client.fetch_my_trades(SYMBOL, params={"fromId": 2}, limit=1)
    assert [trade["id"] for trade in trades] == ["2"]
    assert [t["order"] for t in client.fetch_order_trades(placed[2]["id"], SYMBOL)] == [placed[2]["id"]]


class TestKeys:
    def test_wrong_secret(self, binance: LoopbackBinance) -> None:
        self.refuses(binance, binance.keys["k" * 64].key, "wrong", -1022)

    def test_unknown_key(self, binance: LoopbackBinance) -> None:
        self.refuses(binance, "unknown", "s" * 64, -2015)

    def test_malformed_key(self, binance: LoopbackBinance) -> None:
        self.refuses(binance, "not a key", "s" * 64, -2014)

    def refuses(self, exchange: LoopbackBinance, key: str, secret: str, code: int) -> None:
        with Client(exchange, apiKey=key, secret=secret) as client:
            with pytest.raises(ccxt.AuthenticationError):
                client.private_get_account()
            assert client.answer["code"] == code

    def test_altered_request(self, binance: LoopbackBinance, client: Client) -> None:
        """What was signed must be what was sent."""
        sign = client.ccxt.sign

        def sign_and_alter(*args: object, **kwargs: object) -> dict[str, str]:
            signed: dict[str, str] = sign(*args, **kwargs)
            return {**signed, "body": signed["body"].replace("quantity=0.01", "quantity=0.02")}

        client.load_markets()
        client.ccxt.sign = sign_and_alter
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)
        assert binance.book.orders() == []

    def test_clock_that_is_behind_or_ahead(self, binance: LoopbackBinance, client: Client) -> None:
        for skew, message in ((11, "outside of the recvWindow"), (-2, "1000ms ahead of the server's time")):
            binance.skew = skew
            with pytest.raises(ccxt.InvalidNonce, match=message):
                client.private_get_account()
        binance.skew = 9
        client.private_get_account()
        binance.skew = 3600
        client.load_time_difference()
        client.private_get_account()

    def test_key_without_trading(self, binance: LoopbackBinance) -> None:
        reader = binance.add_key("reader", "secret", permissions=["read"])
        with Client(binance, reader) as client:
            assert client.fetch_balance()["USDT"]["free"] == 10000
            assert client.sapi_get_account_apirestrictions()["enableSpotAndMarginTrading"] is False
            client.ccxt.options["hasAlreadyAuthenticatedSuccessfully"] = False
            with pytest.raises(ccxt.AuthenticationError, match="-2015"):
                client.create_order(SYMBOL, "limit", "buy", 0.01, 40000)
        assert binance.book.orders() == []

    @pytest.mark.parametrize("withdraws", [True, False])
    def test_permissions_are_told(self, binance: LoopbackBinance, withdraws: bool) -> None:
        permissions: list[Permission] = ["read", "trade", "withdraw"] if withdraws else ["read", "trade"]
        key = binance.add_key("key", "secret", permissions=permissions)
        with Client(binance, key) as client:
            told = client.sapi_get_account_apirestrictions()
        assert (told["enableReading"], told["enableSpotAndMarginTrading"]) == (True, True)
        assert told["enableWithdrawals"] is withdraws
