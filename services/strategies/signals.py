"""Alerts from outside: secret keys under which they come in, and what they make a strategy do."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import delete, func, insert, select

import models
from models import Database
from services import audit
from services.audit import Origin
from services.principals import Principal
from services.strategies.strategies import Strategies
from services.user_lock import lock_user
from utils import clock, ids
from utils.errors import Conflict, FieldError, NotFound, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, Alert, Message, Order, SendAlert

KEY_BYTES = 32
MOST_KEYS = 10
HINT = 4
_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
_ROW = models.SignalKey


class SignalKey(Message, frozen=True, kw_only=True):
    """A key to a strategy; `key` and `path` are told once, when it is made."""

    id: str
    key_hint: str
    created_at: datetime
    key: str | None = None
    path: str | None = None


class Signals:
    """Let alerts reach strategies."""

    def __init__(self, database: Database, bridge: OctoBotBridge, strategies: Strategies) -> None:
        self._database = database
        self._bridge = bridge
        self._strategies = strategies

    def keys(self, principal: Principal, name: str) -> list[SignalKey]:
        """Return the keys of one of the caller's strategies, oldest first."""
        query = select(_ROW.id, _ROW.key_hint, _ROW.created_at).order_by(_ROW.created_at, _ROW.id)
        mine = _ROW.strategy_id == self._strategies.id_of(principal, name)
        with self._database.read() as connection:
            return [SignalKey(**row._mapping) for row in connection.execute(query.where(mine))]

    def make_key(self, principal: Principal, origin: Origin, name: str) -> SignalKey:
        """Make a key; it is told this once. :raises Conflict: `too_many_keys`."""
        strategy_id, secret = self._strategies.id_of(principal, name), secrets.token_urlsafe(KEY_BYTES)
        made = SignalKey(
            id=ids.new_id(),
            key_hint=secret[-HINT:],
            created_at=clock.now(),
            key=secret,
            path=f"/api/webhooks/tradingview/{secret}",
        )
        with self._database.write() as session:
            lock_user(session, principal.user_id)
            count = select(func.count()).select_from(_ROW).where(_ROW.strategy_id == strategy_id)
            if session.execute(count).scalar_one() >= MOST_KEYS:
                raise Conflict(f"A strategy has at most {MOST_KEYS} keys; delete one.", code="too_many_keys")
            row = {"id": made.id, "key_hint": made.key_hint, "created_at": made.created_at}
            session.execute(insert(_ROW).values(**row, strategy_id=strategy_id, key_hash=_digest(secret)))
            audit.record(session, origin, "signal_key.made", user_id=principal.user_id, target=made.id)
        return made

    def delete_key(self, principal: Principal, origin: Origin, name: str, key_id: str) -> None:
        """Let a key be good for nothing from now on. :raises NotFound: `signal_key_not_found`."""
        mine = _ROW.strategy_id == self._strategies.id_of(principal, name)
        with self._database.write() as session:
            gone = session.connection().execute(delete(_ROW).where(_ROW.id == key_id, mine))
            if not gone.rowcount:
                raise NotFound("The strategy has no such key.", code="signal_key_not_found")
            audit.record(session, origin, "signal_key.deleted", user_id=principal.user_id, target=key_id)

    def send(self, origin: Origin, key: str, alert: Alert) -> list[Order]:
        """Let the strategy that `key` leads to act on an alert, and return the orders that came of it.

        :raises NotFound: the key leads to none. :raises Conflict: `strategy_not_running`.
        :raises Refused: `wrong_symbol`, or the rule that the order breaks.
        """
        strategy = models.Strategy
        query = select(strategy.user_id, strategy.account_id, strategy.portfolio_name).join(
            _ROW, _ROW.strategy_id == strategy.id
        )
        row = None
        if _KEY.fullmatch(key):
            with self._database.read() as connection:
                row = connection.execute(query.where(_ROW.key_hash == _digest(key))).first()
        if row is None:
            raise NotFound("There is nothing at this address.", code="signal_key_not_found")
        if alert.symbol is not None and _bare(alert.symbol) != _bare(row.portfolio_name):
            detail = f"The strategy trades {row.portfolio_name}."
            error = FieldError(field="symbol", code="wrong_symbol", message=detail)
            raise Refused(detail, code="wrong_symbol", errors=(error,))
        actor = Actor(user_id=row.user_id, ip=origin.ip, request_id=origin.request_id)
        return self._bridge.send_alert(
            SendAlert(actor=actor, account=row.account_id, alert=replace(alert, symbol=None))
        )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _bare(symbol: str) -> str:
    """Return a symbol as TradingView writes it: `BINANCE:BTCUSDT` is BTC/USDT."""
    return re.sub(r"[^A-Z0-9]", "", symbol.upper().rpartition(":")[2])
