"""Price alerts: prices that users wait for, each told once."""

from __future__ import annotations

import builtins
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.audit import Origin
from services.idempotency import Claim, Idempotency
from services.notifications.notifications import Told, notify
from services.paging import newest_first
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids
from utils.errors import Conflict, FieldError, NotFound, Refused, TradingError
from utils.money import plain
from utils.octobot_bridge import OctoBotBridge
from utils.pages import EPOCH, Cursor, Page
from utils.wire import Candle, GetCandles, Message

Condition = Literal["above", "below", "percent"]
CREATE = "POST /api/alerts"
MOST_ALERTS = 100
"""How many of a user's may be active."""

CANDLES = 500
MINUTE = timedelta(minutes=1)
LOOK_BACK = timedelta(days=30)
"""A longer downtime is looked at from its end alone."""

_ROW = models.PriceAlert


class PriceAlert(Message, frozen=True, kw_only=True):
    """A price that its user waits for; `level` is the price that fires it."""

    id: str
    exchange: str
    symbol: str
    condition: Condition
    value: Decimal
    level: Decimal
    state: Literal["active", "fired"]
    fired_at: datetime | None
    created_at: datetime


class NewAlert(Message, frozen=True, kw_only=True):
    """A price to wait for: a price `above` or `below` which, or a change in `percent` from now on."""

    exchange: str
    symbol: str
    condition: Condition
    value: Decimal


_COLUMNS = [getattr(_ROW, name) for name in PriceAlert.__struct_fields__]


class Alerts:
    """Look after the price alerts of users."""

    def __init__(self, database: Database, bridge: OctoBotBridge, idempotency: Idempotency) -> None:
        self._database = database
        self._bridge = bridge
        self._idempotency = idempotency

    def list(self, principal: Principal, *, limit: int, cursor: Cursor | None = None) -> Page[PriceAlert]:
        """Return a page of the caller's price alerts, newest first."""
        query = select(*_COLUMNS).where(_ROW.user_id == principal.user_id)
        query = newest_first(query, _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([PriceAlert(**row._mapping) for row in rows], limit)

    def create(self, principal: Principal, origin: Origin, new: NewAlert, key: str | None = None) -> PriceAlert:
        """Wait for a price; one that is there already fires at once. A repeated `key` has the first outcome.

        :raises NotFound: unknown exchange or symbol. :raises Conflict: `too_many_alerts`.
        :raises Refused: `not_positive` when the price waited for is none.
        """
        asked: builtins.list[tuple[PriceAlert, Decimal]] = []

        def check() -> None:
            asked.append(self._alert(new))

        def write(session: Session) -> PriceAlert:
            [(made, reference)] = asked
            lock_user(session, principal.user_id)
            count = select(func.count()).select_from(_ROW)
            count = count.where(_ROW.user_id == principal.user_id, _ROW.state == "active")
            if session.execute(count).scalar_one() >= MOST_ALERTS:
                raise Conflict(f"At most {MOST_ALERTS} alerts may be active; delete one.", code="too_many_alerts")
            values = {name: getattr(made, name) for name in PriceAlert.__struct_fields__}
            values |= {"user_id": principal.user_id, "reference": reference, "checked_at": made.created_at}
            session.execute(insert(_ROW).values(**values, is_upward=_is_upward(new)))
            audit.record(session, origin, "price_alert.created", user_id=principal.user_id, target=made.id)
            return made

        return self._idempotency.once(Claim.of(principal, key, CREATE, new), PriceAlert, write, check)

    def _alert(self, new: NewAlert) -> tuple[PriceAlert, Decimal]:
        """Return the alert that is asked for, and the last price now."""
        ticker = self._bridge.ticker(new.exchange, new.symbol)
        level = ticker.last * (1 + new.value / 100) if new.condition == "percent" else new.value
        if level <= 0 or new.value == 0:
            message = "The price waited for must be above zero, and a change another than zero."
            error = FieldError(field="value", code="not_positive", message=message)
            raise Refused(message, code="not_positive", errors=(error,))
        made = PriceAlert(
            id=ids.new_id(),
            exchange=ticker.exchange,
            symbol=ticker.symbol,
            condition=new.condition,
            value=new.value,
            level=level,
            state="active",
            fired_at=None,
            created_at=clock.now(),
        )
        return made, ticker.last

    def delete(self, principal: Principal, origin: Origin, alert_id: str) -> None:
        """Wait no more. :raises NotFound: `alert_not_found`."""
        mine = (_ROW.id == alert_id, _ROW.user_id == principal.user_id)
        with self._database.write() as session:
            if session.execute(delete(_ROW).where(*mine).returning(_ROW.id)).first() is None:
                raise NotFound("You have no such price alert.", code="alert_not_found")
            audit.record(session, origin, "price_alert.deleted", user_id=principal.user_id, target=alert_id)


class AlertWatch:
    """Hold active alerts against what the engine says of prices.

    The last price tells of now. Candles tell what came between two looks, or while nobody looked; of the minute in
    which an alert was made they do not count, for they also tell what was before it.
    """

    def __init__(self, database: Database, bridge: OctoBotBridge) -> None:
        self._database = database
        self._bridge = bridge

    def run(self) -> None:
        """Fire what is due. :raises TradingError: what some market said could not be asked; the others were."""
        with self._database.read() as connection:
            rows = connection.execute(select(_ROW.__table__).where(_ROW.state == "active")).all()
        markets: dict[tuple[str, str], builtins.list[Any]] = defaultdict(list)
        for row in rows:
            markets[row.exchange, row.symbol].append(row)
        failure: TradingError | None = None
        for (exchange, symbol), alerts in markets.items():
            try:
                self._look(exchange, symbol, alerts)
            except TradingError as error:
                failure = error
        if failure is not None:
            raise failure

    def _look(self, exchange: str, symbol: str, alerts: Sequence[Any]) -> None:
        moment = clock.now()
        ticker = self._bridge.ticker(exchange, symbol)
        since = max(min(row.checked_at for row in alerts), moment - LOOK_BACK)
        query = GetCandles(
            exchange=exchange, symbol=symbol, timeframe="1m", limit=CANDLES, since=_milliseconds(_minute(since))
        )
        series = self._bridge.candles(query)
        checked = moment
        if series.more and series.candles:  # what is left is looked at in the next turn
            checked = clock.from_ms(series.candles[-1].timestamp) + MINUTE
        for row in alerts:
            price = _reached(row, series.candles)
            if price is None and not ticker.stale and _is_beyond(row, ticker.last):
                price = ticker.last
            if price is not None:
                self._fire(row, price, moment)
        # once a minute will do: a candle that was looked at may be looked at again
        late = [row.id for row in alerts if row.checked_at < checked and checked - row.checked_at >= MINUTE]
        if late:
            with self._database.write() as session:
                changed = update(_ROW).where(_ROW.id.in_(late)).values(checked_at=checked)
                session.execute(changed, execution_options={"synchronize_session": False})

    def _fire(self, row: Any, price: Decimal, moment: datetime) -> None:
        with self._database.write() as session:
            waiting = update(_ROW).where(_ROW.id == row.id, _ROW.state == "active").returning(_ROW.id)
            fired = waiting.values(state="fired", fired_at=moment)
            if session.execute(fired, execution_options={"synchronize_session": False}).first() is None:
                return  # deleted meanwhile
            direction = "rose" if row.is_upward else "fell"
            payload = {"alert": row.id, "exchange": row.exchange, "symbol": row.symbol, "price": price}
            payload |= {"condition": row.condition, "value": row.value, "level": row.level}
            notify(session, row.user_id, Told("price_alert", f"{row.symbol} {direction} to {plain(price)}", payload))


def _reached(row: Any, candles: Sequence[Candle]) -> Decimal | None:
    """Return the price that fires an alert, of candles that began after it was made and were not looked at."""
    for candle in candles:
        if candle.time >= row.created_at and candle.time >= _minute(row.checked_at):
            edge = candle.high if row.is_upward else candle.low
            if _is_beyond(row, edge):
                return edge
    return None


def _is_beyond(row: Any, price: Decimal) -> bool:
    return bool(price >= row.level if row.is_upward else price <= row.level)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _is_upward(new: NewAlert) -> bool:
    return new.value > 0 if new.condition == "percent" else new.condition == "above"
