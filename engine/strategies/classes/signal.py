"""A strategy that places the orders that alerts ask for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

from engine.strategies.mode import StrategyMode
from engine.strategies.settings import OrderValue, Settings, Share
from engine.strategies.view import ALERTS, Place, Step, View, alert_generation


class SignalSettings(Settings, frozen=True, kw_only=True):
    """How much is bought when the alert does not say it: `order_value`, or a share of what is free."""

    order_value: OrderValue | None = None
    share_percent: Share = Decimal(100)


class Signal(StrategyMode):
    """Signals from outside.

    Does what alerts say that arrive at a secret address, such as TradingView's: `buy`, `sell`, or `close`, which sells
    all. An alert with an id that was seen before does nothing again.
    """

    NAME = "signal"
    TAKES_ALERTS = True
    SETTINGS: ClassVar[type[Settings]] = SignalSettings

    @staticmethod
    def decide(settings: SignalSettings, view: View) -> Iterator[Step]:
        """Place the order that the alert asks for. There is nothing to do without one."""
        alert = view.alert
        if alert is None:
            return
        amount, budget = alert.amount, alert.quote_amount
        if amount is None and budget is None:
            if alert.side == "buy":
                budget = settings.order_value or view.budget(settings.share_percent)
            else:
                amount = view.sellable()
        yield Place(
            level=ALERTS,
            generation=alert_generation(alert),
            side=alert.side,
            symbol=view.symbol,
            type=alert.type,
            amount=amount,
            quote_amount=budget,
            price=alert.price,
        )
