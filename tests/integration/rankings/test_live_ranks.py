"""The engine's rankings, held against what SQL and the prices say when everything is read anew."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import models
from engine.journal.holdings import Owned
from engine.rankings.board import Board
from engine.rankings.records import RankingRecords
from models import Database
from tests.books import rows
from tests.engine_host import EngineHost
from tests.manual_market import ManualMarket
from tests.tournaments import START, Player, people, players, set_status, team, tournament
from utils import clock
from utils.errors import NotFound, StorageUnavailable
from utils.money import ZERO, percent
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Equity, GetRanking, OrderTicket, PlaceOrder, RankRow, Side

BTC, ETH, CROSS, PERPETUAL = "BTC/USDT", "ETH/USDT", "ETH/BTC", "BTC/USDT:USDT"


class Cup:
    """A tournament on the engine, whose participants trade and whose rounds are run by hand."""

    def __init__(self, host: EngineHost, bridge: OctoBotBridge, market: ManualMarket, database: Database) -> None:
        self.host, self.bridge, self.market, self.database = host, bridge, market, database
        self.users = people(database, [f"player{number}" for number in range(4)])
        self.id = tournament(database, self.users[0])
        self.values: dict[str, list[Decimal]] = {}
        """What each participant was worth at each round, as the engine tells it of any account."""
        self.put({BTC: 50_000, ETH: 2_500, PERPETUAL: 50_000})
        market.set_price(CROSS, Decimal("0.05"))

    def put(self, prices: dict[str, int]) -> None:
        """Put prices, and let the market tick."""
        for symbol, price in prices.items():
            self.market.set_price(symbol, Decimal(price))
        self.host.tick()

    def trade(self, player: Player, side: Side, amount: str, symbol: str = BTC) -> None:
        """Trade at the market."""
        ticket = OrderTicket(symbol=symbol, side=side, type="market", amount=Decimal(amount))
        self.bridge.place_order(PlaceOrder(actor=player.actor, account=player.account, ticket=ticket))

    def update(self, moment: datetime | None = None) -> None:
        """Run a round, and wait until it is stored where that is due."""
        rankings = self.host.engine.rankings
        self.host.run(rankings.update(moment or clock.now()))
        self.host.run(rankings.stored())

    def see(self, everybody: list[Player]) -> None:
        """Run a round, and note what everybody is worth."""
        self.update()
        for equity in self.bridge.equity([each.account for each in everybody]):
            self.values.setdefault(equity.account, [START]).append(_value(equity))

    def ranking(self, *, teams: bool = False, **query: int | str) -> list[RankRow]:
        """Ask for the ranking over the bridge."""
        return self.bridge.ranking(GetRanking(tournament=self.id, teams=teams, **query)).rows  # type: ignore[arg-type]

    def expected(self, everybody: list[Player]) -> list[tuple[str, Decimal, Decimal, int, int, int, Decimal]]:
        """Return what anybody would reckon from trades, values and prices alone: the best first."""
        reckoned = []
        for player in everybody:
            trades = [each for each in rows(self.database, models.Trade) if each.account_id == player.account]
            gains = [each.realized_pnl for each in trades if each.realized_pnl is not None]
            wins, volume = sum(gain > 0 for gain in gains), sum((_volume(each) for each in trades), ZERO)
            values = self.values[player.account]
            falls = [percent(1 - after / before) for n, before in enumerate(values) for after in values[n:]]
            told = (player.id, values[-1], max([*falls, ZERO]), len(trades), wins, len(gains) - wins, volume)
            reckoned.append(told)
        return sorted(reckoned, key=lambda told: (-told[1], told[2]))


def _value(equity: Equity) -> Decimal:
    assert equity.value is not None
    return equity.value


def _volume(trade: models.Trade) -> Decimal:
    return trade.cost * 50_000 if trade.symbol == CROSS else trade.cost


def told(ranking: list[RankRow]) -> list[tuple[str, Decimal, Decimal, int, int, int, Decimal]]:
    return [
        (row.id, row.value, row.max_drawdown, row.trades, row.wins, row.losses, row.volume.normalize())
        for row in ranking
    ]


@pytest.fixture
def cup(host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, database: Database) -> Cup:
    return Cup(host, engine_bridge, market, database)


def test_rankings_follow_trades_and_prices(cup: Cup) -> None:
    holder, trader, idle, mixed = everybody = players(cup.database, cup.id, cup.users)
    cup.see(everybody)
    assert [row.rank for row in cup.ranking()] == [1, 2, 3, 4]
    cup.trade(holder, "buy", "0.1")
    cup.trade(trader, "buy", "0.05")
    cup.trade(mixed, "buy", "0.04")
    cup.trade(mixed, "buy", "0.5", CROSS)
    cup.see(everybody)
    for prices in ({BTC: 40_000, ETH: 2_600}, {BTC: 55_000}, {BTC: 52_000, ETH: 2_400}):
        cup.put(prices)
        cup.see(everybody)
    cup.trade(trader, "sell", "0.05")
    cup.see(everybody)
    cup.put({BTC: 60_000})
    cup.see(everybody)
    expected = [(*each[:6], each[6].normalize()) for each in cup.expected(everybody)]
    assert told(cup.ranking()) == expected
    assert [row.rank for row in cup.ranking()] == [1, 2, 3, 4]
    assert cup.ranking()[0].id == holder.id
    assert cup.ranking(after=1, limit=2) == cup.ranking()[1:3]
    assert cup.ranking(id=idle.id) == [row for row in cup.ranking() if row.id == idle.id]


def test_accounts_that_are_not_in_memory_are_valued_and_nothing_is_read_anew(
    cup: Cup, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = players(cup.database, cup.id, cup.users)
    for player, amount in zip(everybody, ("0.01", "0.02", "0.03", "0.04"), strict=True):
        cup.trade(player, "buy", amount)
    cup.host.stop()
    cup.host.start()
    cup.update()
    reads: list[list[str]] = []
    holdings = cup.host.engine.rankings._holdings
    read = holdings.read

    def noted(accounts: list[str]) -> list[Owned]:
        reads.append(accounts)
        return read(accounts)

    monkeypatch.setattr(holdings, "read", noted)
    cup.put({BTC: 60_000})
    cup.update()
    assert [row.id for row in cup.ranking()] == [each.id for each in reversed(everybody)]
    assert cup.bridge.status().accounts_in_memory == 0
    assert reads == []
    cup.trade(everybody[0], "buy", "0.1")
    cup.put({BTC: 70_000})
    cup.update()
    assert reads == [[everybody[0].account]]
    assert cup.ranking()[0].id == everybody[0].id


def test_what_was_reached_survives_the_end_of_the_engine(cup: Cup) -> None:
    everybody = players(cup.database, cup.id, cup.users)
    cup.trade(everybody[0], "buy", "0.1")
    cup.trade(everybody[1], "buy", "0.1")
    for price in (80_000, 30_000):
        cup.put({BTC: price})
        cup.update()
    cup.trade(everybody[1], "sell", "0.1")
    cup.update()
    cup.bridge.store_ranking(cup.id)
    before = cup.ranking()
    assert {row.rank: row.value for row in rows(cup.database, models.Rank)} == {row.rank: row.value for row in before}
    cup.host.stop()
    cup.host.start()
    with pytest.raises(NotFound) as missing:
        cup.ranking()
    assert missing.value.code == "not_ranked"
    cup.put({BTC: 30_000})
    cup.update()
    assert cup.ranking() == before  # trades are not counted twice, and peaks are not forgotten
    assert before[-1].max_drawdown > 20


def test_an_engine_that_is_stopped_forgets_nothing(cup: Cup, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = players(cup.database, cup.id, cup.users)
    cup.update()
    monkeypatch.setattr("engine.rankings.rankings.STORE_SECONDS", 3600.0)
    cup.trade(everybody[0], "buy", "0.1")
    for price in (80_000, 50_000):
        cup.put({BTC: price})
        cup.update()
    stored = {row.participant_id: row.max_drawdown for row in rows(cup.database, models.Rank)}
    assert set(stored.values()) == {ZERO}  # it is not due yet
    cup.host.stop()
    fallen = {row.participant_id: row.max_drawdown for row in rows(cup.database, models.Rank)}
    assert fallen[everybody[0].id] > 20
    cup.host.start()


def test_rankings_go_on_while_they_are_stored(cup: Cup, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = players(cup.database, cup.id, cup.users)
    rankings, held = cup.host.engine.rankings, threading.Event()
    store = rankings._records.store

    def slow(*args: Any) -> None:
        assert held.wait(60)
        store(*args)

    monkeypatch.setattr(rankings._records, "store", slow)
    cup.host.run(rankings.update(clock.now()))
    cup.trade(everybody[1], "buy", "0.1")
    cup.put({BTC: 60_000})
    cup.host.run(rankings.update(clock.now()))
    assert cup.ranking()[0].id == everybody[1].id
    assert rows(cup.database, models.Rank) == []
    held.set()
    cup.host.run(rankings.stored())
    values = {row.participant_id: row.value for row in rows(cup.database, models.Rank)}
    assert values[everybody[1].id] == START  # as it was when storing began, and no mixture
    cup.bridge.store_ranking(cup.id)
    values = {row.participant_id: row.value for row in rows(cup.database, models.Rank)}
    assert values[everybody[1].id] > START


def test_a_tournament_that_ends_is_stored_and_left(cup: Cup) -> None:
    everybody = players(cup.database, cup.id, cup.users)
    cup.update()
    cup.trade(everybody[2], "buy", "0.1")
    cup.put({BTC: 70_000})
    cup.update()
    set_status(cup.database, cup.id, "closing")
    cup.update()
    with pytest.raises(NotFound):
        cup.ranking()
    best = min(rows(cup.database, models.Rank), key=lambda row: row.rank)
    assert (best.participant_id, best.trades) == (everybody[2].id, 1)
    cup.bridge.store_ranking(cup.id)  # nothing is left to store


def test_who_joins_late_is_taken_in(cup: Cup) -> None:
    players(cup.database, cup.id, cup.users[:3])
    cup.update()
    [late] = players(cup.database, cup.id, cup.users[3:])
    cup.trade(late, "buy", "0.1")
    cup.put({BTC: 60_000})
    cup.update()
    assert cup.ranking()[0].id == late.id
    with pytest.raises(NotFound) as unknown:
        cup.ranking(id="nobody")
    assert unknown.value.code == "not_in_ranking"


def test_a_commit_that_cannot_be_read_now_is_read_later(cup: Cup, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = players(cup.database, cup.id, cup.users)
    cup.update()
    cup.trade(everybody[3], "buy", "0.1")
    cup.put({BTC: 60_000})
    holdings = cup.host.engine.rankings._holdings

    def fail(_accounts: list[str]) -> None:
        raise StorageUnavailable("The database did not answer.")

    with monkeypatch.context() as away, pytest.raises(StorageUnavailable):
        away.setattr(holdings, "read", fail)
        cup.update()
    cup.update()
    assert cup.ranking()[0].id == everybody[3].id


def test_teams_are_ranked_by_the_money_of_their_members(cup: Cup) -> None:
    set_status(cup.database, cup.id, "running", type="team")
    bulls = team(cup.database, cup.id, cup.users[0], "Bulls")
    bears = team(cup.database, cup.id, cup.users[3], "Bears")
    everybody = players(cup.database, cup.id, cup.users, teams=[bulls, bulls, bulls, bears])
    cup.trade(everybody[0], "buy", "0.1")
    cup.trade(everybody[3], "buy", "0.05")
    for price in (60_000, 40_000, 70_000):
        cup.put({BTC: price})
        cup.see(everybody)
    first, second = cup.ranking(teams=True)
    values = [cup.values[each.account] for each in everybody]
    assert (first.id, first.value, first.trades) == (bears, values[3][-1], 1)  # 9.9 percent of one, not of three
    assert (second.id, second.value, second.trades) == (bulls, values[0][-1] + values[1][-1] + values[2][-1], 1)
    together = [sum(each, ZERO) for each in zip(*values[:3], strict=True)]
    assert second.max_drawdown == percent(1 - together[2] / together[1])
    cup.bridge.store_ranking(cup.id)
    cup.host.stop()
    cup.host.start()
    cup.put({BTC: 70_000})
    cup.update()
    assert cup.ranking(teams=True) == [first, second]


def test_past_ranks_are_kept_at_regular_moments(cup: Cup) -> None:
    begun = clock.now().replace(microsecond=0) - timedelta(minutes=30)
    set_status(cup.database, cup.id, "running", starts_at=begun, ends_at=begun + timedelta(minutes=1000))
    players(cup.database, cup.id, cup.users)
    for minutes in (0, 3, 7, 9, 14, 40):
        cup.update(begun + timedelta(minutes=minutes, seconds=10))
    past = rows(cup.database, models.PastRank)
    assert sorted({row.at for row in past}) == [begun + timedelta(minutes=each) for each in (0, 5, 10, 40)]
    assert len(past) == 4 * 4
    cup.host.stop()
    cup.host.start()
    cup.put({BTC: 50_000})
    cup.update(begun + timedelta(minutes=44))
    assert len(rows(cup.database, models.PastRank)) == 4 * 4


def test_who_holds_what_has_no_price_stands_where_they_stood(cup: Cup, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = players(cup.database, cup.id, cup.users)
    cup.trade(everybody[0], "buy", "0.1")
    cup.put({BTC: 60_000})
    cup.update()
    before = cup.ranking(id=everybody[0].id)
    monkeypatch.delitem(cup.host.engine.market.quotes, BTC)
    cup.update()
    assert cup.ranking(id=everybody[0].id) == before


def test_perpetuals_count_with_what_their_positions_gain(cup: Cup) -> None:
    everybody = players(cup.database, cup.id, cup.users, type="futures")
    cup.trade(everybody[0], "buy", "0.1", PERPETUAL)
    cup.trade(everybody[1], "sell", "0.1", PERPETUAL)
    cup.see(everybody)
    cup.put({PERPETUAL: 45_000})
    cup.see(everybody)
    assert told(cup.ranking()) == [(*each[:6], each[6].normalize()) for each in cup.expected(everybody)]
    assert [row.id for row in cup.ranking()][::3] == [everybody[1].id, everybody[0].id]


def test_nothing_is_observed_after_the_end_even_if_it_was_put_off(cup: Cup) -> None:
    holder, *_ = players(cup.database, cup.id, cup.users)
    cup.trade(holder, "buy", "0.1")
    cup.update()
    before, end = clock.now(), clock.now() + timedelta(minutes=10)
    set_status(cup.database, cup.id, "running", ends_at=end)

    def stands(moment: datetime) -> tuple[Decimal, Decimal]:
        cup.update(moment)
        [row] = [row for row in cup.ranking() if row.id == holder.id]
        return row.value, row.max_drawdown

    seen = stands(before)
    cup.put({BTC: 20_000})
    # the schedule has not been here yet
    assert stands(end) == stands(end + timedelta(seconds=5)) == seen
    cup.put({BTC: 90_000})
    assert stands(end) == seen
    set_status(cup.database, cup.id, "running", ends_at=end + timedelta(minutes=10))
    value, _ = stands(end)
    assert value > seen[0] + 3_000


def test_one_tournament_that_fails_in_an_unforeseen_way_does_not_hold_up_the_others(
    cup: Cup, monkeypatch: pytest.MonkeyPatch
) -> None:
    players(cup.database, cup.id, cup.users)
    other = tournament(cup.database, cup.users[0])
    everybody = players(cup.database, other, cup.users)
    rankings = cup.host.engine.rankings
    cup.update()
    fail, store = Board.update, RankingRecords.store

    async def broken(board: Board, *args: Any) -> None:
        if board.tournament.id == cup.id:
            raise KeyError("somebody who is gone")
        await fail(board, *args)

    def storing(records: RankingRecords, id: str, *args: Any) -> None:
        if not stored:
            stored.append(id)
            raise KeyError("somebody who is gone")
        store(records, id, *args)

    stored: list[str] = []
    monkeypatch.setattr(Board, "update", broken)
    monkeypatch.setattr(RankingRecords, "store", storing)
    cup.trade(everybody[0], "buy", "0.1")
    cup.put({BTC: 60_000, ETH: 2_500, PERPETUAL: 60_000})
    rankings._stored_at.clear()
    cup.update()
    assert stored
    rows = cup.bridge.ranking(GetRanking(tournament=other, limit=1)).rows
    assert (rows[0].id, rows[0].trades) == (everybody[0].id, 1)
    # what was not stored then is stored when it ends
    set_status(cup.database, other, "closing")
    cup.update()
    assert other not in rankings._boards
