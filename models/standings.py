"""Standings in tournaments as rows, and the trades that they count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, func, select

from models.accounts import LedgerEntry
from models.database import Database
from models.orders import Order, Trade
from models.tournaments import Rank, TeamRank
from utils.clock import now
from utils.money import ZERO
from utils.standings import Standing, Tally
from utils.wire import CLOSING

ROWS_AT_ONCE = 500
_ID_LENGTH = 36
_KEYS: dict[type[Rank | TeamRank], str] = {Rank: "participant_id", TeamRank: "team_id"}


class CountedTrade(NamedTuple):
    """A trade as standings count it: its `volume` in the tournament's currency, and what it realised."""

    account_id: str
    id: str
    volume: Decimal
    gain: Decimal | None


def standing_of(row: Row[Any], id: str, start: Decimal) -> Standing:
    """Return the standing that a row of `Rank` or `TeamRank` holds."""
    return Standing(
        id=id,
        start=start,
        value=row.value,
        peak=row.peak,
        reached_at=row.reached_at,
        max_drawdown=row.max_drawdown,
        tally=Tally(
            trades=row.trades,
            wins=row.wins,
            losses=row.losses,
            volume=row.volume,
            last_trade_id=getattr(row, "last_trade_id", None),
        ),
        rank=row.rank,
    )


def put_standings(
    connection: Connection,
    database: Database,
    table: type[Rank | TeamRank],
    tournament_id: str,
    standings: Iterable[Standing],
) -> None:
    """Store how participants or teams stand, in the place of what was stored before."""
    moment = now()
    rows = [_row(table, tournament_id, each, moment) for each in standings]
    insert = database.insert(table)
    others = [column.name for column in table.__table__.columns if column.name != _KEYS[table]]
    statement = insert.on_conflict_do_update(
        index_elements=[_KEYS[table]], set_={name: insert.excluded[name] for name in others}
    )
    for part in batched(rows, ROWS_AT_ONCE):
        connection.execute(statement, list(part))


def trades_after(
    connection: Connection, database: Database, currency: str, counted: Mapping[str, str | None]
) -> Iterator[CountedTrade]:
    """Yield the trades of accounts that came after those that were counted, each account's in their order.

    Those that closed an account at the end of its tournament are not among them: nobody chose to make them.

    :param counted: the newest counted trade by account, None for none.
    """
    # one statement for any number of accounts: pairs of ids, which have one length
    given = database.texts("given")
    account, after = func.substr(given.c.value, 1, _ID_LENGTH), func.substr(given.c.value, _ID_LENGTH + 1)
    query = (
        select(Trade.account_id, Trade.id, Trade.symbol, Trade.cost, Trade.realized_pnl)
        .select_from(given)
        .join(Trade, (Trade.account_id == account) & (Trade.id > after))
        .join(Order, (Order.id == Trade.order_id) & ~Order.client_order_id.startswith(CLOSING))
        .order_by(Trade.account_id, Trade.id)
    )
    for part in batched(counted.items(), ROWS_AT_ONCE):
        pairs = msgspec.json.encode([f"{account_id}{last or ''}" for account_id, last in part]).decode()
        for row in connection.execute(query, {"given": pairs}).all():
            volume = row.cost if _quote(row.symbol) == currency else _booked(connection, row)
            yield CountedTrade(row.account_id, row.id, volume, row.realized_pnl)


def _booked(connection: Connection, trade: Any) -> Decimal:
    """Return what a trade against another currency was worth when it was booked; 0 when no market told."""
    entry = LedgerEntry
    query = select(entry.value).where(
        entry.account_id == trade.account_id,
        entry.currency == _quote(trade.symbol),
        entry.trade_id == trade.id,
        entry.kind == "trade",
    )
    return abs(connection.execute(query).scalar() or ZERO)


def _quote(symbol: str) -> str:
    return symbol.partition("/")[2].partition(":")[0]


def _row(table: type[Rank | TeamRank], tournament_id: str, standing: Standing, moment: datetime) -> dict[str, Any]:
    tally = standing.tally
    row = {
        _KEYS[table]: standing.id,
        "tournament_id": tournament_id,
        "rank": standing.rank,
        "value": standing.value,
        "peak": standing.peak,
        "max_drawdown": standing.max_drawdown,
        "trades": tally.trades,
        "wins": tally.wins,
        "losses": tally.losses,
        "volume": tally.volume,
        "reached_at": standing.reached_at,
        "updated_at": moment,
    }
    return row | ({"last_trade_id": tally.last_trade_id} if table is Rank else {})
