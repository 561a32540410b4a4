"""Every fault of a loopback exchange: what ccxt makes of it, and what is true at the exchange."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from tests.exchanges import book, records
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.client import Client
from tests.exchanges.faults import Fault
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.server import Loopback

SYMBOL = "BTC/USDT"
TIMEOUT_MS = 500


@pytest.fixture(params=[LoopbackBinance, LoopbackKucoin])
def exchange(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    with request.param() as exchange:
        exchange.add_key("key", "secret", "words")
        exchange.book.deposit("main", "USDT", "10000")
        yield exchange


@pytest.fixture
def client(exchange: Loopback) -> Iterator[Client]:
    with Client(exchange, exchange.keys["key"], timeout=TIMEOUT_MS) as client:
        client.load_markets()
        yield client


def place(client: Client, client_id: str = "mine-1") -> dict[str, Any]:
    placed: dict[str, Any] = client.create_order(SYMBOL, "limit", "buy", 0.01, 40000, {"clientOrderId": client_id})
    return placed


def find(client: Client, client_id: str = "mine-1") -> dict[str, Any]:
    found: dict[str, Any] = client.fetch_order(None, SYMBOL, {"clientOrderId": client_id})
    return found


def accepted(exchange: Loopback) -> list[str]:
    return [order.client_id for order in exchange.book.orders()]


def test_refuse(exchange: Loopback, client: Client) -> None:
    exchange.faults.add(Fault("refuse", count=1))
    with pytest.raises(ccxt.NetworkError):
        place(client)
    assert accepted(exchange) == []
    with pytest.raises(ccxt.OrderNotFound):
        find(client)
    place(client)
    assert accepted(exchange) == ["mine-1"]


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_error(exchange: Loopback, client: Client, status: int, accept: bool) -> None:
    """The same answer, whether the order was accepted or not."""
    exchange.faults.add(Fault("error", status=status, accept=accept, count=1))
    with pytest.raises(ccxt.RequestTimeout if status == 504 else ccxt.ExchangeNotAvailable, match=str(status)):
        place(client)
    assert accepted(exchange) == (["mine-1"] if accept else [])
    if accept:
        assert find(client)["status"] == "open"


@pytest.mark.parametrize("accept", [True, False])
def test_garbage_is_an_order_of_nothing_for_ccxt(exchange: Loopback, client: Client, accept: bool) -> None:
    exchange.faults.add(Fault("garbage", accept=accept))
    assert place(client)["id"] is None
    assert accepted(exchange) == (["mine-1"] if accept else [])


def test_garbage_is_no_money_and_no_orders_for_ccxt(exchange: Loopback, client: Client) -> None:
    place(client)
    exchange.faults.add(Fault("garbage", on="any"))
    assert client.fetch_balance()["total"] == {}
    assert find(client)["status"] is None
    if exchange.name == "kucoin":
        assert client.fetch_open_orders(SYMBOL) == []
    else:
        with pytest.raises(AttributeError):
            client.fetch_open_orders(SYMBOL)


def test_truncated(exchange: Loopback, client: Client) -> None:
    """Not even a `NetworkError` for ccxt."""
    exchange.faults.add(Fault("truncated", count=1))
    with pytest.raises(ccxt.ExchangeError) as caught:
        place(client)
    assert type(caught.value) is ccxt.ExchangeError
    assert accepted(exchange) == ["mine-1"]


@pytest.mark.parametrize("accept", [True, False])
def test_stall(exchange: Loopback, client: Client, accept: bool) -> None:
    exchange.faults.add(Fault("stall", seconds=0.2, accept=accept, count=1))
    started = time.monotonic()
    if accept:
        assert place(client)["id"]
    else:
        with pytest.raises(ccxt.NetworkError):
            place(client)
    assert time.monotonic() - started >= 0.2
    assert accepted(exchange) == (["mine-1"] if accept else [])


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("kind", ["stall", "hang"])
def test_no_answer_in_time(exchange: Loopback, client: Client, kind: Any, accept: bool) -> None:
    exchange.faults.add(Fault(kind, seconds=60, accept=accept))
    with pytest.raises(ccxt.RequestTimeout):
        place(client)
    assert accepted(exchange) == (["mine-1"] if accept else [])


def test_stopping_ends_what_hangs(exchange: Loopback) -> None:
    exchange.faults.add(Fault("hang", on="any"))
    with Client(exchange, timeout=10_000) as client:
        timer = threading.Timer(0.1, exchange.stop)
        timer.start()
        with pytest.raises(ccxt.NetworkError):
            client.fetch_time()
        timer.join()


def test_late_arrival(exchange: Loopback, client: Client) -> None:
    exchange.faults.add(Fault("late", seconds=60, count=1))
    with pytest.raises(ccxt.NetworkError):
        place(client)
    with pytest.raises(ccxt.OrderNotFound):
        find(client)
    exchange.let_go()
    exchange.settle()
    assert find(client)["status"] == "open"
    assert accepted(exchange) == ["mine-1"]


def test_what_arrives_after_its_receive_window_is_refused(exchange: Loopback, client: Client) -> None:
    exchange.faults.add(Fault("late", seconds=60, count=1))
    with pytest.raises(ccxt.NetworkError):
        place(client)
    exchange.skew = 11
    exchange.let_go()
    exchange.settle()
    assert accepted(exchange) == []
    assert [(seen.fault, seen.outcome in (400, 401)) for seen in list(exchange.seen)[-2:]] == [
        ("late", False),
        ("late", True),
    ]


class Clock:
    """Stand in for the module `time` of the exchange's books, and stand still from now on."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now


def test_queries_lag(exchange: Loopback, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(book, "time", clock)
    monkeypatch.setattr(records, "time", clock)
    exchange.book.lag = 0.3
    clock.now += 1
    assert place(client)["id"]
    with pytest.raises(ccxt.OrderNotFound):
        find(client)
    assert client.fetch_open_orders(SYMBOL) == []
    assert client.fetch_balance()["USDT"]["used"] == 0
    clock.now += 0.31
    assert find(client)["status"] == "open"
    assert client.fetch_balance()["USDT"]["used"] > 0
    exchange.book.set_price(SYMBOL, "39000")
    assert find(client)["status"] == "open"
    assert client.fetch_my_trades(SYMBOL) == []
    clock.now += 0.31
    assert find(client)["status"] == "closed"
    assert len(client.fetch_my_trades(SYMBOL)) == 1


def test_cancelling_does_not_lag(exchange: Loopback, client: Client) -> None:
    exchange.book.lag = 60
    place(client)
    client.cancel_order(None, SYMBOL, {"clientOrderId": "mine-1"})
    assert [order.status for order in exchange.book.orders()] == ["cancelled"]


def test_rate_limit(exchange: Loopback, client: Client) -> None:
    exchange.faults.add(Fault("limit", seconds=7, count=1))
    with pytest.raises(ccxt.DDoSProtection if exchange.name == "binance" else ccxt.ExchangeError):
        place(client)
    assert client.ccxt.last_response_headers["Retry-After"] == "7"
    assert accepted(exchange) == []
    assert (exchange.seen[-1].outcome, exchange.seen[-1].answered) == (None, 429)


def test_ban(exchange: Loopback, client: Client) -> None:
    exchange.faults.add(Fault("ban", on="any", seconds=120))
    with pytest.raises(ccxt.NetworkError):
        place(client)
    with pytest.raises(ccxt.NetworkError):
        client.fetch_ticker(SYMBOL)
    assert client.ccxt.last_response_headers["Retry-After"] == "120"
    assert exchange.seen[-1].answered == (418 if exchange.name == "binance" else 403)
    assert accepted(exchange) == []


def test_cancel_whose_answer_was_lost(exchange: Loopback, client: Client) -> None:
    place(client)
    exchange.faults.add(Fault("error", on="cancel", count=1))
    with pytest.raises(ccxt.ExchangeNotAvailable):
        client.cancel_order(None, SYMBOL, {"clientOrderId": "mine-1"})
    assert find(client)["status"] == "canceled"


def test_refused_query_is_repeated_by_aiohttp(exchange: Loopback, client: Client) -> None:
    """A GET on a kept-alive connection goes out a second time before ccxt hears of it; a POST never does."""
    place(client)
    exchange.faults.add(Fault("refuse", on="query", count=1))
    assert find(client)["status"] == "open"
    assert [seen.fault for seen in list(exchange.seen)[-2:]] == ["refuse", None]


def test_one_group_fails_the_others_work(exchange: Loopback, client: Client) -> None:
    for group in ("cancel", "query", "balance", "account", "market"):
        exchange.faults.add(Fault("hang", on=group))
    place(client)
    exchange.faults.clear()
    assert find(client)["status"] == "open"


def test_seed_decides_which_requests_fail() -> None:
    def outcome(seed: int) -> list[bool]:
        with LoopbackBinance(seed=seed) as exchange:
            exchange.faults.add(Fault("error", on="market", probability=0.5))
            return [exchange.faults.strike("market") is not None for _ in range(40)]

    assert outcome(1) == outcome(1) != outcome(2)
    assert 5 < sum(outcome(1)) < 35


def test_binance_answers_unknown() -> None:
    with LoopbackBinance() as exchange, Client(exchange, exchange.add_key("key", "secret")) as client:
        exchange.book.deposit("main", "USDT", "10000")
        for number, code in enumerate((-1006, -1007)):
            exchange.faults.add(Fault("error", status=504, code=code, count=1))
            with pytest.raises(ccxt.OperationFailed):
                place(client, f"mine-{number}")
            assert client.answer["code"] == code
            assert find(client, f"mine-{number}")["status"] == "open"
        exchange.faults.add(Fault("limit", code=-1015, seconds=10, count=1))
        with pytest.raises(ccxt.DDoSProtection, match="Too many new orders"):
            place(client, "mine-2")
        assert len(exchange.book.orders()) == 2


@pytest.mark.parametrize("fields", [{"kind": "unknown"}, {"kind": "hang", "on": "everything"}])
def test_no_such_fault(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no fault"):
        Fault(**fields)
