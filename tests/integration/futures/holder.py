"""One user with one futures account, seen through the bridge and through SQL."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import update

import models
from tests.books import differences, rows
from tests.contract.engine import EngineExchange
from tests.contract.exchange import Trader
from utils.money import plain
from utils.wire import ClosePosition, Leverage, Order, Position, SetLeverage

SYMBOL = "BTC/USDT:USDT"


class Holder(Trader):
    """A trader of BTC/USDT:USDT."""

    exchange: EngineExchange

    def set_price(self, price: str | int) -> None:
        self.exchange.set_price(SYMBOL, Decimal(price))

    def ticket(self, side: str = "buy", type: str = "market", **fields: Any) -> Any:
        return super().ticket(side, type, **{"symbol": SYMBOL, **fields})

    def leverage(self, leverage: int | str, symbol: str = SYMBOL) -> Leverage:
        return self.bridge.set_leverage(
            SetLeverage(actor=self.actor, account=self.account, symbol=symbol, leverage=Decimal(leverage))
        )

    def close_position(self, symbol: str = SYMBOL, key: str | None = None) -> Order:
        return self.bridge.close_position(
            ClosePosition(actor=self.actor, account=self.account, symbol=symbol, idempotency_key=key)
        )

    @property
    def positions(self) -> list[Position]:
        return self.bridge.portfolio(self.account).positions

    @property
    def position(self) -> Position:
        (position,) = self.positions
        return position

    def ledger(self) -> list[tuple[str, str]]:
        """Return kind and amount of every entry after the deposit, oldest first."""
        entries = rows(self.exchange._database, models.LedgerEntry)
        mine = [(row.kind, plain(row.amount)) for row in entries if row.account_id == self.account]
        assert mine[0] == ("deposit", "10000")
        return mine[1:]

    @property
    def wallet(self) -> Decimal:
        return self.bridge.portfolio(self.account).currencies["USDT"].total

    def stored(self) -> Any:
        """Return the position as SQL has it."""
        (row,) = [
            row
            for row in rows(self.exchange._database, models.Position)
            if (row.account_id, row.symbol) == (self.account, SYMBOL)
        ]
        return row

    def pretend_funded_at(self, moment: datetime, symbol: str = SYMBOL) -> None:
        """Put the last booked funding back in time, while the engine is down."""
        with self.exchange._database.write() as session:
            session.execute(
                update(models.Position)
                .where(models.Position.account_id == self.account, models.Position.symbol == symbol)
                .values(funded_at=moment)
            )

    def agrees(self) -> None:
        """Hold SQL against itself and against OctoBot."""
        assert differences(self.exchange._database, self.bridge) == []
