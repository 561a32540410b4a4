"""A strategy as an OctoBot trading mode: its producer decides, its consumer creates the orders, the gate is ours.

OctoBot swallows what callbacks raise, and calls them when it thinks fit. Here the runner says when, each time with
everything there is to see (`Turn`), and hears what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

import msgspec
from octobot_trading import enums, modes, personal_data

from engine.strategies.settings import Settings, Timeframe
from engine.strategies.thinking import think
from engine.strategies.view import Cancel, Place, Remember, Say, Step, View
from utils.errors import TradingError
from utils.money import ONE, ZERO, round_down
from utils.wire import OrderTicket, OrderType, Side

_TYPES = enums.TraderOrderType
_SIDES = {"buy": enums.TradeOrderSide.BUY, "sell": enums.TradeOrderSide.SELL}
_ORDER_TYPES: dict[tuple[OrderType, Side], Any] = {
    ("market", "buy"): _TYPES.BUY_MARKET,
    ("market", "sell"): _TYPES.SELL_MARKET,
    ("limit", "buy"): _TYPES.BUY_LIMIT,
    ("limit", "sell"): _TYPES.SELL_LIMIT,
}
_TICKET_TYPES = {octobot: ours for ours, octobot in _ORDER_TYPES.items()}


class Window(msgspec.Struct, frozen=True):
    """The candles that a class wants to see; it decides whenever one of them closes."""

    timeframe: Timeframe
    count: int


class Hand(Protocol):
    """What carries out the steps of a turn besides orders, and gives orders their names."""

    def name(self, step: Place) -> str:
        """Return the client order id of the step."""

    async def refused(self, step: Place, error: TradingError) -> None:
        """Take note that an order was refused. :raises TradingError: that ends the strategy."""

    async def withdraw(self, step: Cancel) -> None:
        """Cancel an open order. :raises EngineUnavailable: `order_pending`: it is not certain yet that it has ended."""

    async def remember(self, step: Remember) -> None:
        """Store what the strategy asks to be kept."""

    async def say(self, step: Say) -> None:
        """Add to the strategy's log."""


class Turn:
    """One look of a strategy at its present: what it sees, and what is done of what it then wants."""

    def __init__(self, settings: Settings, view: View, hand: Hand) -> None:
        self.settings = settings
        self.view = view
        self.hand = hand
        self.steps: list[Step] = []
        self.is_over = False
        """Whether no further step may be begun; the one under way ends."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_alerted(self) -> bool:
        """Tell whether somebody waits to hear what comes of an alert."""
        return self.view.alert is not None

    def end(self, error: BaseException | None = None) -> None:
        """Tell whoever waits that all steps are done, or why they are not."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class StrategyProducer(modes.AbstractTradingModeProducer):  # type: ignore[misc]
    """Let the strategy decide when the runner triggers it."""

    async def run(self) -> None:
        """Subscribe to nothing and wait for nothing: the runner says when it is time."""
        self.force_is_ready_to_trade()

    async def init_user_inputs(self, should_clear_inputs: bool) -> None:
        """Ask OctoBot for no settings: SQL has them."""

    async def set_final_eval(self, *_: Any, **__: Any) -> None:
        """Ask the strategy what to do, and pass it on to the consumer."""
        turn: Turn = self.trading_mode.turn
        try:
            turn.steps = await think(self.trading_mode.decide, turn.settings, turn.view)
            if turn.steps:
                await self.submit_trading_evaluation(cryptocurrency=None, symbol=None, time_frame=None, data=turn)
            else:
                turn.end()
        except BaseException as error:
            turn.end(error)  # OctoBot would swallow it
            raise


class StrategyConsumer(modes.AbstractTradingModeConsumer):  # type: ignore[misc]
    """Do what was decided, one step after the other."""

    async def internal_callback(self, *_: Any, data: Turn, **__: Any) -> None:
        """Carry out a turn.

        In the place of OctoBot's own, which holds the portfolio's lock: a fill that the desk books takes it too.
        """
        try:
            for step in data.steps:
                if data.is_over:
                    break
                await self._do(step, data)
            data.end()
        except BaseException as error:
            data.end(error)
            if not isinstance(error, Exception):
                raise

    async def _do(self, step: Step, turn: Turn) -> None:
        match step:
            case Place():
                try:
                    await self._place(step, turn)
                except TradingError as error:
                    await turn.hand.refused(step, error)
            case Cancel():
                await turn.hand.withdraw(step)  # OctoBot does not know the orders of a live account
            case Remember():
                await turn.hand.remember(step)
            case Say():
                await turn.hand.say(step)

    async def _place(self, step: Place, turn: Turn) -> None:
        market, price = turn.view.markets[step.symbol], turn.view.prices[step.symbol]
        amount = step.amount
        if amount is None:
            paid = price * (ONE + market.taker_fee)
            amount = round_down((step.quote_amount or ZERO) / paid, market.amount_step)
        order = personal_data.create_order_instance(
            trader=self.exchange_manager.trader,
            order_type=_ORDER_TYPES[step.type, step.side],
            symbol=step.symbol,
            current_price=price,
            quantity=amount,
            price=step.price or price,
            side=_SIDES[step.side],
            tag=turn.hand.name(step),
        )
        order.logger_name = type(order).__name__  # as in `engine.accounts.octobot`
        order.budget = step.quote_amount
        await self.trading_mode.create_order(order)


class StrategyMode(modes.AbstractTradingMode):  # type: ignore[misc]
    """Base of all strategies; a class of its own in `engine/strategies/classes` is one.

    The docstring of a class is its description, its first line the title.
    """

    NAME: ClassVar[str]
    BASKET: ClassVar[bool] = False
    """Whether it trades several symbols."""
    TAKES_ALERTS: ClassVar[bool] = False
    """Whether it acts on alerts, and on nothing else."""
    SETTINGS: ClassVar[type[Settings]]

    MODE_PRODUCER_CLASSES: ClassVar[list[type]] = [StrategyProducer]
    MODE_CONSUMER_CLASSES: ClassVar[list[type]] = [StrategyConsumer]
    HISTORIZE_USER_INPUT_CONFIG = False

    turn: Turn

    async def load_and_save_user_inputs(self, bot_id: str) -> dict[str, Any]:  # noqa: ARG002
        """Store no settings with OctoBot: SQL has them."""
        return {}

    @staticmethod
    def decide(settings: Any, view: View) -> Iterable[Step]:
        """Yield what is to be done now. Runs on a thread, and must depend on nothing but what it is given."""
        raise NotImplementedError

    @staticmethod
    def window(settings: Any) -> Window | None:  # noqa: ARG004
        """Return which candles it decides by; None when it acts on its orders and alerts alone."""
        return None

    @staticmethod
    def check(settings: Any, markets: list[str]) -> None:
        """Hold settings against what is to be traded. :raises ValueError: with what does not fit."""


def ticket_of(order: Any) -> OrderTicket:
    """Return the ticket of an order that a trading mode has created."""
    kind, side = _TICKET_TYPES[order.order_type]
    budget = getattr(order, "budget", None)
    return OrderTicket(
        symbol=order.symbol,
        side=side,
        type=kind,
        amount=order.origin_quantity if budget is None else None,
        quote_amount=budget,
        price=order.origin_price if kind == "limit" else None,
        client_order_id=order.tag,
    )
