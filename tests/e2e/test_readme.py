"""The README's tour, pasted as it is into a shell beside a started server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import ROOT, Server, wait_for
from tests.exchanges.binance import LoopbackBinance

TOUR = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("tour"))
    try:
        yield server.wait_ready()
    finally:
        server.end()


def paste(base: str, *, live: bool = False) -> subprocess.CompletedProcess[str]:
    """Run every block of the tour in one POSIX shell that knows nothing but where the server is.

    :param live: run how to trade live instead, after signing up.
    """
    tour, _, trade_live = (ROOT / "README.md").read_text().partition("## Trade live")
    blocks = [TOUR.findall(tour)[0], *TOUR.findall(trade_live)] if live else TOUR.findall(tour)
    script = "\n".join(blocks)
    environment = {"PATH": os.environ["PATH"], "BASE": base}
    return subprocess.run(
        ["sh"], input=script, env=environment, capture_output=True, text=True, timeout=180, check=True
    )


@pytest.fixture(scope="module")
def tour(server: Server) -> subprocess.CompletedProcess[str]:
    """The tour, pasted once: who pastes it often signs in more often than a user may."""
    return paste(server.address)


def answers(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_tour_as_pasted(tour: subprocess.CompletedProcess[str]) -> None:
    run = tour
    signed_up, start, bought, again, opened, canceled, history, balance, *_ = answers(run.stdout)

    assert signed_up["data"]["username"] == "ada"
    assert Decimal(start["data"]["total_value"]) == 10_000
    assert bought["data"]["status"] == "filled"
    assert again["data"]["id"] == bought["data"]["id"]
    assert [order["status"] for order in opened["data"]] == ["accepted"]
    assert canceled["data"]["id"] == opened["data"][0]["id"]
    assert canceled["data"]["status"] == "canceled"
    assert [trade["order_id"] for trade in history["data"]] == [bought["data"]["id"]]
    (trade,) = history["data"]

    # what is owned now follows to the last digit from the one trade and its fee
    paid = Decimal(trade["cost"])
    held = {name: Decimal(of["total"]) for name, of in balance["data"]["currencies"].items()}
    fee = {trade["fee"]["currency"]: Decimal(trade["fee"]["cost"])}
    assert held["BTC"] == Decimal("0.01") - fee.get("BTC", 0)
    assert held["USDT"] == 10_000 - paid - fee.get("USDT", 0)
    assert all(Decimal(of["locked"]) == 0 for of in balance["data"]["currencies"].values())

    prices = [json.loads(data) for data in re.findall(r"^event: ?price\n(?:id:.*\n)?data: ?(.*)$", run.stdout, re.M)]
    prices += [json.loads(data) for data in re.findall(r"^id:.*\nevent: ?price\ndata: ?(.*)$", run.stdout, re.M)]
    assert len(prices) >= 3
    assert {price["symbol"] for price in prices} == {"BTC/USDT"}

    events = re.findall(r"^id: (\d+)\nevent: (order|trade|balance|position)\ndata: (.*)$", run.stdout, re.M)
    assert [int(number) for number, _, _ in events] == list(range(1, len(events) + 1))
    # what she began with, and what she bought first
    assert [kind for _, kind, _ in events[:4]] == ["balance", "order", "trade", "balance"]
    assert json.loads(events[1][2])["id"] == bought["data"]["id"]


def test_a_look_around_the_market_as_pasted(tour: subprocess.CompletedProcess[str]) -> None:
    instruments, book, trades, weeks, calls = answers(tour.stdout)[8:13]
    assert {each["symbol"] for each in instruments["data"]} == {"BTC/USDT", "ETH/BTC"}
    assert len(book["data"]["bids"]) == len(book["data"]["asks"]) == 5
    assert len(trades["data"]) == 5
    assert [week["closed"] for week in weeks["data"]] == [True, True, True, False]
    [expiry] = calls["data"]["expiries"]
    assert all(strike["put"] is None and Decimal(strike["call"]["ask"]) > 0 for strike in expiry["strikes"])


def test_second_account_as_pasted(tour: subprocess.CompletedProcess[str]) -> None:
    deposit, leverage, bought, positions, closed, limits, batch, engaged, released = answers(tour.stdout)[13:22]
    account = deposit["data"]["account"]
    assert (deposit["data"]["total"], deposit["data"]["deposited"]) == ("3000", "3000")
    assert leverage["data"]["leverage"] == "10"
    assert (bought["data"]["account"], bought["data"]["status"]) == (account, "filled")
    [position] = positions["data"]
    assert (position["side"], position["amount"], position["leverage"]) == ("long", "0.01", "10")
    assert (closed["data"]["side"], closed["data"]["status"]) == ("sell", "filled")
    assert limits["data"]["max_order_value"] == "2000"
    accepted, refused = batch["data"]
    assert (accepted["data"]["status"], refused["error"]["error_code"]) == ("accepted", "risk_max_order_value")
    # the exits of the bracket are gone with the position: nothing else is left to be canceled
    assert engaged["data"]["canceled"] == [accepted["data"]["id"]]
    assert engaged["data"]["open"] == []
    assert (engaged["data"]["engaged"], released["data"]["engaged"]) == (True, False)


def test_tour_pasted_again_places_the_first_order_no_second_time(server: Server) -> None:
    paste(server.address)
    refused, _, bought, again, _, _, history, *_ = answers(paste(server.address).stdout)
    assert refused["status"] == 409
    assert bought["data"]["id"] == again["data"]["id"]
    trades = [trade for trade in history["data"] if trade["account"] == bought["data"]["account"]]
    assert [trade["order_id"] for trade in trades] == [bought["data"]["id"]]


def test_trading_live_as_pasted(tmp_path: Path) -> None:
    with LoopbackBinance() as exchange:
        exchange.add_key("a-key-of-adas", "a-secret-of-adas")
        exchange.book.deposit("main", "USDT", "1000")
        where = f"binance={exchange.url}"
        server = Server(tmp_path, LIVE_TRADING_ENABLED="true", EXCHANGES="demo,binance", EXCHANGE_URLS=where)
        try:
            server.wait_ready()
            # the first request finds out what is traded most; when the third one comes, the second one was understood
            wait_for(lambda: sum("ticker" in seen.path for seen in list(exchange.seen)) >= 3, 60, server)
            told = answers(paste(server.address, live=True).stdout)
            _, verified, balance, placed, canceled, *strategy = told
        finally:
            server.end()
        [order, *bought] = exchange.book.orders()

    assert (verified["data"]["status"], verified["data"]["permissions"]) == ("verified", ["read", "trade"])
    assert balance["data"]["mode"] == "live"
    assert balance["data"]["currencies"]["USDT"]["free"] == "1000"
    assert (placed["data"]["mode"], placed["data"]["status"]) == ("live", "accepted")
    assert canceled["data"]["id"] == placed["data"]["id"]
    assert canceled["data"]["status"] == "canceled"
    assert (order.status, order.filled) == ("cancelled", 0)
    added, funded, started, _trades, stopped, _deleted = strategy
    assert (added["data"]["mode"], added["data"]["account"]) == ("live", balance["data"]["account"])
    assert [each["data"]["state"] for each in (funded, started, stopped)] == ["initialized", "running", "stopped"]
    assert len(bought) <= 1, "a purchase was made twice"
    assert "a-secret-of-adas" not in server.output


def test_a_grid_as_pasted(tour: subprocess.CompletedProcess[str]) -> None:
    funded, started, orders, stopped = answers(tour.stdout)[22:26]
    assert [each["data"]["state"] for each in (funded, started, stopped)] == ["initialized", "running", "stopped"]
    assert orders["data"]
    assert {order["account"] for order in orders["data"]} == {started["data"]["account"]}
    assert {order["type"] for order in orders["data"]} == {"limit"}


def test_a_backtest_as_pasted(tour: subprocess.CompletedProcess[str]) -> None:
    started, listed = answers(tour.stdout)[26:28]
    assert started["data"]["state"] == "queued"
    assert [run["id"] for run in listed["data"]] == [started["data"]["id"]]


def test_a_sweep_as_pasted(tour: subprocess.CompletedProcess[str]) -> None:
    table = answers(tour.stdout)[28]["data"]
    assert sorted(each["number"] for each in table) == [1, 2, 3, 4]
    assert all(each["error"] is None for each in table)
    assert len({str(each["varied"]) for each in table}) == 4


def test_a_key_for_a_program_as_pasted(tour: subprocess.CompletedProcess[str]) -> None:
    (wallet,) = answers(tour.stdout)[29:]
    assert wallet["data"]["mode"] == "paper"
    assert Decimal(wallet["data"]["currencies"]["USDT"]["total"]) > 0
