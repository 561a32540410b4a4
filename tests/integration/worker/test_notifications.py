"""Notifications: what events tell, each once, in the ways their user chose."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, func, insert, select, update

import models
from config import Settings
from models import Database
from services import build_for_worker
from services.accounts.events import AccountEvents
from services.notifications import notifications
from services.notifications.alerts import AlertWatch
from services.notifications.notifications import EventReader, Told, notify, notify_all
from tests.factories import SignedIn
from tests.fake_engine import FakeEngine
from tests.problems import assert_problem
from utils import clock, json
from utils.errors import EngineUnavailable, TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Candle, CandleSeries, GetCandles, Ticker
from worker.schedule import schedule

TRADE = {"side": "buy", "amount": "0.5", "symbol": "BTC/USDT", "price": "50000"}
REJECTED = {"side": "sell", "symbol": "ETH/USDT", "status": "rejected"}
FAILED = {"name": "grid", "state": "failed", "error": "No funds."}


def happen(database: Database, who: SignedIn, *events: tuple[str, dict[str, Any]]) -> None:
    last = AccountEvents(database).span(who.id).newest
    with database.writing() as connection:
        if last == 0:
            connection.execute(insert(models.EventCounter).values(user_id=who.id, last_id=0))
        for number, (kind, payload) in enumerate(events, last + 1):
            row = {"user_id": who.id, "id": number, "account_id": who.account_id, "type": kind}
            connection.execute(
                insert(models.Event).values(**row, payload=json.dumps(payload).decode(), created_at=clock.now())
            )
        counted = update(models.EventCounter).where(models.EventCounter.user_id == who.id)
        connection.execute(counted.values(last_id=last + len(events)))


def listed(client: FlaskClient, who: SignedIn, query: str = "") -> list[Any]:
    data: list[Any] = client.get(f"/api/notifications{query}", headers=who.headers).get_json()["data"]
    return data


def titles(client: FlaskClient, who: SignedIn) -> list[str]:
    return [each["title"] for each in listed(client, who)]


def test_fills_rejections_and_failures_are_told_once_and_the_rest_is_not(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn
) -> None:
    happen(database, user, ("trade", TRADE), ("balance", {}), ("order", {"status": "open"}), ("order", REJECTED))
    happen(database, other, ("strategy", FAILED), ("strategy", {**FAILED, "error": None}))
    reader = EventReader(database)
    reader.run()
    reader.run()
    expected = ["The order to sell ETH/USDT was rejected", "Bought 0.5 BTC/USDT at 50000"]
    assert titles(client, user) == expected
    assert listed(client, user)[1]["payload"] == TRADE
    assert titles(client, other) == ["The strategy grid failed: No funds."]
    happen(database, user, ("trade", {**TRADE, "side": "sell"}))
    reader.run()
    assert titles(client, user) == ["Sold 0.5 BTC/USDT at 50000", *expected]


def test_readers_that_overlap_or_end_anywhere_tell_nothing_twice_and_leave_nothing_out(
    database: Database, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "EVENTS", 7)
    happen(database, user, *[("trade", TRADE)] * 40)
    calls = [0]

    def failing(session: Any, news: list[tuple[str, Told]]) -> None:
        for each in news:
            notify_all(session, [each])
            calls[0] += 1
            if calls[0] % 10 == 9:
                raise RuntimeError("ended here")

    monkeypatch.setattr(notifications, "notify_all", failing)

    def read(_: int) -> None:
        for _ in range(6):
            with contextlib.suppress(RuntimeError):
                EventReader(database).run()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(read, range(3)))
    monkeypatch.setattr(notifications, "notify_all", notify_all)
    EventReader(database).run()
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(models.Notification)).scalar() == 40
    assert calls[0] > 40, "nothing was ended"


@pytest.mark.parametrize("most", [1, 2, 3, 500])
def test_users_are_told_alike_however_little_is_looked_at_in_one_turn(
    client: FlaskClient,
    database: Database,
    user: SignedIn,
    other: SignedIn,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    monkeypatch.setattr(notifications, "EVENTS", most)
    silent = [("balance", {}), ("order", {"status": "open"})]
    reader = EventReader(database)
    for _ in range(2):
        happen(database, user, *silent, ("trade", TRADE), *silent, ("order", REJECTED), ("trade", TRADE))
        happen(database, other, *silent)
        reader.run()
        happen(database, other, ("strategy", FAILED), *silent)
        happen(database, user, *silent)
        reader.run()
    assert len(titles(client, user)) == 6
    assert titles(client, other) == ["The strategy grid failed: No funds."] * 2
    with database.read() as connection:
        reached = select(models.NotificationCursor.user_id, models.NotificationCursor.event_id)
        last = select(models.EventCounter.user_id, models.EventCounter.last_id)
        assert set(connection.execute(reached)) == set(connection.execute(last))


def test_what_was_forgotten_is_passed_over(client: FlaskClient, database: Database, user: SignedIn) -> None:
    happen(database, user, ("trade", TRADE), ("trade", TRADE))
    with database.writing() as connection:
        connection.execute(delete(models.Event))
    EventReader(database).run()
    happen(database, user, ("order", REJECTED))
    EventReader(database).run()
    assert titles(client, user) == ["The order to sell ETH/USDT was rejected"]


def test_reading_is_counted(client: FlaskClient, database: Database, user: SignedIn, other: SignedIn) -> None:
    happen(database, user, *[("trade", TRADE)] * 3)
    EventReader(database).run()
    first = listed(client, user, "?limit=1")[0]["id"]

    def unread(who: SignedIn) -> int:
        count: int = client.get("/api/notifications/unread", headers=who.headers).get_json()["data"]["unread"]
        return count

    def read(who: SignedIn, **body: Any) -> int:
        answer = client.post("/api/notifications/read", json=body, headers=who.headers)
        left: int = answer.get_json()["data"]["unread"]
        return left

    assert (unread(user), unread(other)) == (3, 0)
    assert read(other, ids=[first]) == 0
    assert unread(user) == 3
    assert read(user, ids=[first, "unknown"]) == 2
    assert first not in [each["id"] for each in listed(client, user, "?unread=true")]
    assert read(user) == 0
    assert listed(client, user, "?unread=true") == []


def test_users_choose_how_they_are_told(client: FlaskClient, database: Database, user: SignedIn) -> None:
    path = "/api/notifications/settings"
    ways = client.get(path, headers=user.headers).get_json()["data"]
    assert {(each["kind"], each["in_app"], each["webhook"], each["email"]) for each in ways} == {
        (kind, True, True, False) for kind in notifications.KINDS
    }
    silent = {"kind": "fill", "in_app": False, "webhook": True, "email": True}
    for _ in range(2):
        answer = client.put(path, json={"settings": [silent]}, headers=user.headers)
        assert [each for each in answer.get_json()["data"] if each["kind"] == "fill"] == [{**silent, "bot": False}]
    happen(database, user, ("trade", TRADE), ("order", REJECTED))
    EventReader(database).run()
    assert titles(client, user) == ["The order to sell ETH/USDT was rejected"]
    bad = client.put(path, json={"settings": [{**silent, "kind": "weather"}]}, headers=user.headers)
    assert_problem(bad, 422, "validation_failed")


def alert(client: FlaskClient, who: SignedIn, condition: str, value: str) -> Any:
    wanted = {"symbol": "btc-usdt", "condition": condition, "value": value}
    answer = client.post("/api/alerts", json=wanted, headers=who.headers)
    assert answer.status_code == 201, answer.get_json()
    return answer.get_json()["data"]


def test_a_price_that_is_waited_for_is_told_once(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, engine: FakeEngine, bridge: OctoBotBridge
) -> None:
    watch = AlertWatch(database, bridge)
    above, below = alert(client, user, "above", "51000"), alert(client, user, "below", "49000")
    change = alert(client, other, "percent", "-4")
    assert (change["level"], change["symbol"]) == ("48000", "BTC/USDT")
    watch.run()
    assert titles(client, user) == []
    engine.set_price("BTC/USDT", Decimal(51_000))
    watch.run()
    watch.run()
    assert titles(client, user) == ["BTC/USDT rose to 51000"]
    engine.set_price("BTC/USDT", Decimal(47_000))
    watch.run()
    watch.run()
    assert titles(client, user) == ["BTC/USDT fell to 47000", "BTC/USDT rose to 51000"]
    assert titles(client, other) == ["BTC/USDT fell to 47000"]
    states = {each["id"]: each["state"] for each in client.get("/api/alerts", headers=user.headers).get_json()["data"]}
    assert states == {above["id"]: "fired", below["id"]: "fired"}


def test_a_repeated_request_makes_one_alert(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    wanted = {"symbol": "BTC/USDT", "condition": "above", "value": "51000"}

    def ask(who: SignedIn, body: Any) -> Any:
        return client.post("/api/alerts", json=body, headers={**who.headers, "Idempotency-Key": "one"})

    with ThreadPoolExecutor(4) as pool:
        made = {ask(user, wanted).get_json()["data"]["id"] for _ in pool.map(lambda _: ask(user, wanted), range(4))}
    [listed] = client.get("/api/alerts", headers=user.headers).get_json()["data"]
    assert made == {listed["id"]}
    assert_problem(ask(user, {**wanted, "value": "52000"}), 422, "idempotency_key_reused")
    assert ask(other, wanted).get_json()["data"]["id"] != listed["id"]


def test_alerts_are_refused_deleted_and_nobody_elses(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, engine: FakeEngine, bridge: OctoBotBridge
) -> None:
    for condition, value, status, code in (
        ("above", "0", 422, "not_positive"),
        ("percent", "-100", 422, "not_positive"),
        ("sideways", "1", 422, "validation_failed"),
    ):
        wanted = {"symbol": "BTC/USDT", "condition": condition, "value": value}
        assert_problem(client.post("/api/alerts", json=wanted, headers=user.headers), status, code)
    made = alert(client, user, "above", "51000")
    assert_problem(client.delete(f"/api/alerts/{made['id']}", headers=other.headers), 404, "alert_not_found")
    assert client.delete(f"/api/alerts/{made['id']}", headers=user.headers).status_code == 200
    engine.set_price("BTC/USDT", Decimal(52_000))
    AlertWatch(database, bridge).run()
    assert titles(client, user) == []


def test_an_engine_that_is_away_leaves_alerts_waiting(
    client: FlaskClient, database: Database, user: SignedIn, engine: FakeEngine, bridge: OctoBotBridge
) -> None:
    alert(client, user, "above", "51000")
    engine.fail_with(EngineUnavailable("The engine went away."))
    with pytest.raises(TradingError):
        AlertWatch(database, bridge).run()
    engine.fail_with(None)
    engine.set_price("BTC/USDT", Decimal(51_500))
    AlertWatch(database, bridge).run()
    assert titles(client, user) == ["BTC/USDT rose to 51500"]


class Past:
    """A market that stands at 50,000, and the candles it had: by their minute, the highest price."""

    def __init__(self, begin: datetime, highs: list[int]) -> None:
        self._begin = begin.replace(second=0, microsecond=0)
        self._highs = highs

    def ticker(self, exchange: str, symbol: str) -> Ticker:
        price = Decimal(50_000)
        prices: dict[str, Any] = dict.fromkeys(("last", "bid", "ask", "high", "low", "volume", "change_percent"), price)
        return Ticker(symbol=symbol, exchange=exchange, as_of=clock.now(), stale=False, **prices)

    def candles(self, query: GetCandles) -> CandleSeries:
        found = []
        for number, high in enumerate(self._highs):
            time, low = self._begin + timedelta(minutes=number), Decimal(49_000)
            at = int(time.timestamp() * 1000)
            if query.since is None or at >= query.since:
                prices = {"open": low, "high": Decimal(high), "low": low, "close": low, "volume": low}
                found.append(Candle(timestamp=at, time=time, closed=True, **prices))
        more, chosen = len(found) > query.limit, found[: query.limit]
        return CandleSeries(candles=chosen, more=more, settled=True, as_of=clock.now())


@pytest.mark.parametrize(
    ("highs", "told"),
    [
        ([50_000] * 4 + [52_000] + [50_000] * 4, ["BTC/USDT rose to 52000"]),
        ([50_000] * 700 + [52_000], ["BTC/USDT rose to 52000"]),
        ([50_999] * 9, []),
        # the minute in which it was made also tells of what was before
        ([52_000] + [50_000] * 8, []),
    ],
)
def test_what_a_price_did_while_nobody_looked_is_told(
    client: FlaskClient, database: Database, user: SignedIn, highs: list[int], told: list[str]
) -> None:
    alert(client, user, "above", "51000")
    begin = clock.now().replace(second=30) - timedelta(minutes=len(highs))
    with database.write() as session:
        session.execute(update(models.PriceAlert).values(created_at=begin, checked_at=begin))
    market: Any = Past(begin, highs)
    for _ in range(3):
        AlertWatch(database, market).run()
    assert titles(client, user) == told


def test_what_was_told_long_ago_is_forgotten(
    client: FlaskClient, settings: Settings, database: Database, user: SignedIn
) -> None:
    answer = client.post("/api/webhooks", json={"url": "http://127.0.0.1:1/"}, headers=user.headers)
    path = f"/api/webhooks/{answer.get_json()['data']['id']}/deliveries"
    with database.write() as session:
        for title in ("old", "young"):
            notify(session, user.id, Told("tournament", title, {}))
        session.flush()
        for table, is_old in (
            (models.Notification, models.Notification.title == "old"),
            (models.WebhookDelivery, models.WebhookDelivery.body.contains('"old"')),
        ):
            for matching, days in ((is_old, 31), (~is_old, 29)):
                moment = clock.now() - timedelta(days=days)
                changed = update(table).where(matching).values(created_at=moment)
                session.execute(changed, execution_options={"synchronize_session": False})
    built = build_for_worker(settings)
    assert len(listed(client, user)) == len(client.get(path, headers=user.headers).get_json()["data"]) == 2
    for each in schedule(built):
        if each.name.startswith("old "):
            each.call()
    built.close()
    assert titles(client, user) == ["young"]
    assert len(client.get(path, headers=user.headers).get_json()["data"]) == 1
    with database.read() as connection:
        assert '"young"' in connection.execute(select(models.WebhookDelivery.body)).scalar_one()
