"""Market data over HTTP, from the real engine with the demo market."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from tests.problems import assert_problem, fields
from utils import timeframes
from utils.octobot_bridge import OctoBotBridge

CANDLES = "/api/market/candles"


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


def get(client: FlaskClient, user: SignedIn, path: str, **query: Any) -> Any:
    answer = client.get(path, query_string=query, headers=user.headers)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def pages(client: FlaskClient, user: SignedIn, path: str, most: int = 100, **query: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    while len(found) < most:
        page = get(client, user, path, **query)
        found.append(page["data"])
        if not page["pagination"]["has_more"]:
            assert page["pagination"]["next_cursor"] is None
            break
        query["cursor"] = page["pagination"]["next_cursor"]
    return found


def test_instruments_come_in_pages(client: FlaskClient, user: SignedIn, market: ManualMarket) -> None:
    path = "/api/market/instruments"
    whole = get(client, user, path)
    symbols = [each["symbol"] for each in whole["data"]]
    assert symbols == sorted(market.symbols)
    assert whole["stale"] is False
    assert whole["as_of"]
    found = pages(client, user, path, limit=5)
    assert [len(page) for page in found] == [5, 5, 5, 1]
    assert [each["symbol"] for page in found for each in page] == symbols
    assert get(client, user, "/api/candles/instruments")["data"] == whole["data"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"type": "swap", "base": "btc"}, ["BTC/USD:BTC", "BTC/USDT:USDT"]),
        ({"type": "SPOT", "quote": "BTC"}, ["ETH/BTC"]),
        ({"search": "doge-usdt"}, ["DOGE/USDT", "DOGE/USDT:USDT"]),
        ({"type": "option"}, []),
        ({"exchange": "demo", "search": "ada"}, ["ADA/USDT"]),
    ],
)
def test_instruments_are_filtered(
    client: FlaskClient, user: SignedIn, query: dict[str, str], expected: list[str]
) -> None:
    assert [each["symbol"] for each in get(client, user, "/api/market/instruments", **query)["data"]] == expected


def test_books_tickers_trades_and_candles_tell_the_same(client: FlaskClient, user: SignedIn) -> None:
    ticker = get(client, user, "/api/market/ticker/ETH-USDT")["data"]
    book = get(client, user, "/api/market/order-book/ETH-USDT", depth=7)["data"]
    assert (len(book["bids"]), len(book["asks"])) == (7, 7)
    bids, asks = ([Decimal(level["price"]) for level in book[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < Decimal(ticker["last"]) < asks[0]
    trades = get(client, user, "/api/market/trades/ETH-USDT", limit=30)["data"]
    moments = [trade["created_at"] for trade in trades]
    assert moments == sorted(moments, reverse=True)
    assert 0 < len(trades) <= 30
    assert all(trade["symbol"] == "ETH/USDT" for trade in trades)
    candle = get(client, user, CANDLES, symbol="ETH/USDT", timeframe="1m", limit=1)["data"][0]
    assert (candle["close"], candle["closed"]) == (ticker["last"], False)


@pytest.mark.parametrize("timeframe", ["1m", "4h", "1d", "1w", "1M"])
def test_pages_of_candles_join_without_a_seam(client: FlaskClient, user: SignedIn, timeframe: str) -> None:
    query: dict[str, Any] = {"symbol": "BTC/USDT", "timeframe": timeframe, "limit": 7}
    backward = pages(client, user, CANDLES, most=5, **query)
    rows = [row for page in reversed(backward) for row in page]
    assert [row["closed"] for row in rows] == [True] * (len(rows) - 1) + [False]
    for earlier, later in pairwise(rows):
        assert timeframes.shifted(timeframe, earlier["timestamp"], 1) == later["timestamp"]
    forward = pages(client, user, CANDLES, **query, since=rows[0]["timestamp"])
    ahead = [row for page in forward for row in page]
    assert [row["timestamp"] for row in ahead] == [row["timestamp"] for row in rows]
    assert ahead[:-1] == rows[:-1]
    bounded = pages(client, user, CANDLES, **query, since=rows[1]["timestamp"], until=rows[-2]["timestamp"])
    assert [row for page in bounded for row in page] == rows[1:-1]


def test_history_ends_on_a_last_page(client: FlaskClient, user: SignedIn) -> None:
    found = pages(client, user, CANDLES, symbol="BTC/USDT", timeframe="1w", limit=40)
    assert [len(page) for page in found[:-1]] == [40] * (len(found) - 1)
    assert 100 < sum(map(len, found)) < 110
    since = pages(client, user, CANDLES, symbol="BTC/USDT", timeframe="1M", limit=9, since=0)
    assert sum(map(len, since)) in {24, 25}


@pytest.mark.parametrize("timeframe", timeframes.CALENDAR)
def test_weeks_and_months_are_what_their_days_add_up_to(client: FlaskClient, user: SignedIn, timeframe: str) -> None:
    for row in get(client, user, CANDLES, symbol="BTC/USDT", timeframe=timeframe, limit=6)["data"]:
        end = timeframes.shifted(timeframe, row["timestamp"], 1) - 1
        days = get(client, user, CANDLES, symbol="BTC/USDT", timeframe="1d", since=row["timestamp"], until=end)["data"]
        assert (row["open"], row["close"]) == (days[0]["open"], days[-1]["close"])
        assert Decimal(row["high"]) == max(Decimal(day["high"]) for day in days)
        assert Decimal(row["volume"]) == sum(Decimal(day["volume"]) for day in days)
        assert row["closed"] == (end < time.time() * 1000)


@pytest.mark.parametrize(
    ("name", "meant"), [("1month", "1M"), ("1week", "1w"), ("7d", "1w"), ("1W", "1w"), ("1m", "1m")]
)
def test_names_of_time_frames(client: FlaskClient, user: SignedIn, name: str, meant: str) -> None:
    first, second = (
        get(client, user, CANDLES, symbol="BTC/USDT", timeframe=each, limit=2)["data"] for each in (name, meant)
    )
    assert [row["timestamp"] for row in first] == [row["timestamp"] for row in second]


class TestWhatClientsKeep:
    def test_instruments_and_settled_candles_have_a_tag(self, client: FlaskClient, user: SignedIn) -> None:
        past = int(time.time() * 1000) - 600_000
        candles = {"symbol": "BTC/USDT", "timeframe": "1m", "limit": 5, "until": past}
        for path, query in (("/api/market/instruments", {}), (CANDLES, candles)):
            answer = client.get(path, query_string=query, headers=user.headers)
            tag = answer.headers["ETag"]
            assert tag.startswith('W/"')
            assert answer.headers["Cache-Control"].startswith("private, max-age=")
            again = client.get(path, query_string=query, headers={**user.headers, "If-None-Match": tag})
            assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
            assert again.headers["Cache-Control"] == answer.headers["Cache-Control"]
            other = client.get(path, query_string=query, headers={**user.headers, "If-None-Match": 'W/"other"'})
            assert (other.status_code, other.headers["ETag"]) == (200, tag)
            refused = client.get(path, query_string=query, headers={"If-None-Match": tag})
            assert refused.status_code == 401, "a tag is no credential"

    def test_what_still_changes_is_not_kept(self, client: FlaskClient, user: SignedIn) -> None:
        for path in (f"{CANDLES}?symbol=BTC/USDT", "/api/market/tickers", "/api/market/order-book/BTC-USDT"):
            answer = client.get(path, headers=user.headers)
            assert "ETag" not in answer.headers
            assert answer.headers["Cache-Control"] == "no-store"

    def test_a_tag_is_of_the_data(self, client: FlaskClient, user: SignedIn) -> None:
        tags = {
            client.get("/api/market/instruments", query_string=query, headers=user.headers).headers["ETag"]
            for query in ({}, {"limit": 2}, {"base": "BTC"}, {"base": "XXX"})
        }
        assert len(tags) == 4


class TestOptions:
    def test_a_chain(self, client: FlaskClient, user: SignedIn, market: ManualMarket) -> None:
        chain = get(client, user, "/api/market/options-chain/BTC-USDT")["data"]
        assert (chain["symbol"], chain["exchange"], chain["stale"]) == ("BTC/USDT", "demo", False)
        assert len(chain["expiries"]) >= 8
        assert all(each["expiry"].endswith("T08:00:00Z") for each in chain["expiries"])
        strike = chain["expiries"][0]["strikes"][0]
        assert {strike["call"]["symbol"][-1], strike["put"]["symbol"][-1]} == {"C", "P"}
        again = get(client, user, "/api/candles/options-chain/BTC-USDT")["data"]
        assert again == chain, "nothing moved in between"

    def test_filters(self, client: FlaskClient, user: SignedIn) -> None:
        path = "/api/market/options-chain/ETH-USDT"
        whole = get(client, user, path)["data"]["expiries"]
        day = whole[2]["expiry"][:10]
        found = get(client, user, path, expiry=day, type="Put")["data"]["expiries"]
        assert [each["expiry"] for each in found] == [whole[2]["expiry"]]
        assert all(each["call"] is None and each["put"] is not None for each in found[0]["strikes"])
        assert_problem(client.get(f"{path}?expiry=2020-01-03", headers=user.headers), 404, "unknown_expiry")

    @pytest.mark.parametrize("query", ["expiry=friday", "expiry=2024-13-01", "expiry=%00", "type=straddle"])
    def test_bad_filters(self, client: FlaskClient, user: SignedIn, query: str) -> None:
        answer = client.get(f"/api/market/options-chain/BTC-USDT?{query}", headers=user.headers)
        assert {field for field, _ in fields(assert_problem(answer, 422, "validation_failed"))} == {
            query.partition("=")[0]
        }

    def test_markets_without_options(self, client: FlaskClient, user: SignedIn) -> None:
        for symbol, code in (
            ("ADA-USDT", "no_options"),
            ("BTC-USDT:USDT", "no_options"),
            ("XXX-USDT", "unknown_symbol"),
        ):
            answer = client.get(f"/api/market/options-chain/{symbol}", headers=user.headers)
            assert_problem(answer, 404, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("order-book/BTC-USDT?depth=0", 422, "validation_failed"),
        ("order-book/BTC-USDT?depth=101", 422, "validation_failed"),
        ("order-book/BTC-USDT?depth=1e3", 422, "validation_failed"),
        ("order-book/%20", 404, "unknown_symbol"),
        ("order-book/%00", 404, "not_found"),
        ("order-book/BTC-USDT?exchange=nowhere", 404, "unknown_exchange"),
        ("order-book/BTC-USDT?exchange=../demo", 422, "validation_failed"),
        ("trades/BTC-USDT?limit=501", 422, "validation_failed"),
        ("trades/BTC-USDT?limit=-1", 422, "validation_failed"),
        ("trades/BTC-USDT?limit=٣", 422, "validation_failed"),
        ("trades/NO-NE", 404, "unknown_symbol"),
        ("instruments?limit=501", 422, "validation_failed"),
        ("instruments?cursor=x", 400, "invalid_cursor"),
        ("instruments?type=future", 422, "validation_failed"),
        ("instruments?nonsense=1", 422, "validation_failed"),
        ("candles?symbol=BTC/USDT&limit=1001", 422, "validation_failed"),
        ("candles?symbol=BTC/USDT&cursor=%C3%A9", 400, "invalid_cursor"),
        ("candles?symbol=BTC/USDT&cursor=WzEsMV0", 400, "invalid_cursor"),
        ("candles?symbol=BTC/USDT&since=2024-02-30T00:00:00Z", 422, "validation_failed"),
        ("candles?symbol=BTC/USDT&timeframe=2M", 422, "validation_failed"),
        ("candles?symbol=BTC/USDT&timeframe=2w", 422, "validation_failed"),
        ("options-chain/BTC-USDT?exchange=nowhere", 404, "unknown_exchange"),
    ],
)
def test_bad_questions(client: FlaskClient, user: SignedIn, path: str, status: int, code: str) -> None:
    assert_problem(client.get(f"/api/market/{path}", headers=user.headers), status, code)


def test_a_cursor_of_another_list_is_refused(client: FlaskClient, user: SignedIn) -> None:
    cursor = get(client, user, "/api/market/instruments", limit=1)["pagination"]["next_cursor"]
    answer = client.get(CANDLES, query_string={"symbol": "BTC/USDT", "cursor": cursor}, headers=user.headers)
    assert_problem(answer, 400, "invalid_cursor")


@pytest.mark.parametrize(
    "bounds",
    [
        {"since": "999999999999999"},
        {"until": "0"},
        {"since": "0", "until": "0"},
        {"since": "9999-12-31T23:59:59Z", "until": "0001-01-01T00:00:00Z"},
    ],
)
@pytest.mark.parametrize("timeframe", ["1m", "1d", "1w", "1M"])
def test_times_at_the_ends_of_the_calendar(
    client: FlaskClient, user: SignedIn, timeframe: str, bounds: dict[str, str]
) -> None:
    page = get(client, user, CANDLES, symbol="BTC/USDT", timeframe=timeframe, limit=1000, **bounds)
    assert page["data"] == []
    assert page["pagination"]["has_more"] is False


class TestGateway:
    def test_how_the_feeds_are(self, client: FlaskClient, user: SignedIn, market: ManualMarket) -> None:
        status = get(client, user, "/api/gateway/status")["data"]
        [demo] = status["exchanges"]
        assert (demo["exchange"], demo["state"], demo["connected"]) == ("demo", "connected", True)
        assert demo["symbols"] == len(market.symbols) == len(demo["symbol_ages"])
        assert 0 <= demo["tick_age"] < 60
        assert (demo["mute_symbols"], demo["last_error"], demo["reconnects"]) == ([], None, 0)
        assert status["loop_lag"] >= 0

    def test_it_is_not_for_strangers(self, client: FlaskClient) -> None:
        assert_problem(client.get("/api/gateway/status"), 401, "token_missing")
