"""One account inside OctoBot: an `ExchangeManager` with a `TraderSimulator`, driven order by order.

OctoBot locks funds, computes fees, moves the portfolio and keeps the open orders. Its own price triggers stay silent
(no price events are fed to it), because they fill at the wrong price: stops at their own price when the market gaps,
trailing stops through a child order at zero, marketable limits worse than the market. When and at which price an
order fills is decided by `engine.accounts.account`; this module makes OctoBot execute exactly that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from itertools import count
from typing import Any, Self

import octobot_trading.api as trading_api
from octobot_commons.enums import TimeFrames
from octobot_commons.tree import EventProvider
from octobot_trading import enums, exchange_data, personal_data
from octobot_trading.modes import modes_factory
from octobot_trading.personal_data.orders import order_util

from engine.accounts.paper_trader import Gate, PaperTrader
from engine.orders.orders import Fill
from utils import wire
from utils.ids import new_id
from utils.money import ZERO

OCTOBOT_VERSION = version("octobot")

_TYPES = enums.TraderOrderType
_SIDES = {"buy": enums.TradeOrderSide.BUY, "sell": enums.TradeOrderSide.SELL}
_MARKET = {"buy": _TYPES.BUY_MARKET, "sell": _TYPES.SELL_MARKET}
_LIMIT = {"buy": _TYPES.BUY_LIMIT, "sell": _TYPES.SELL_LIMIT}

# OctoBot draws two ids for every order, from the system each time (see `utils.ids`), and uses neither here.
order_util.generate_order_id = new_id


def bot_config(
    exchange: str, symbols: list[str], reference_currency: str, exchange_type: str = "spot"
) -> dict[str, Any]:
    """Return the configuration an account runs with; no profile, tentacles or working directory are involved."""
    coins: dict[str, list[str]] = {}
    for symbol in symbols:
        coins.setdefault(symbol.split("/")[0], []).append(symbol)
    return {
        "crypto-currencies": {coin: {"pairs": pairs, "enabled": True} for coin, pairs in coins.items()},
        "exchanges": {exchange: {"api-key": "", "api-secret": "", "enabled": True, "exchange-type": exchange_type}},
        "trading": {"reference-market": reference_currency, "risk": 0.5},
        "trader": {"enabled": False, "load-trade-history": False},
        "trader-simulator": {"enabled": True, "fees": {"maker": 0, "taker": 0}, "starting-portfolio": {}},
        "time_frame": [TimeFrames.ONE_MINUTE],
        "required_candles_count": 1,
        "services": {},
        "backtesting": {"files": [], "enabled": False},
    }


class OctoBotAccount:
    """Execute orders in one OctoBot portfolio. Orders are known by our own ids throughout."""

    EXCHANGE_TYPE = "spot"

    def __init__(self, exchange_manager: Any) -> None:
        self._manager = exchange_manager
        self._trader: PaperTrader = exchange_manager.trader
        self._orders: dict[str, Any] = {}

    @classmethod
    async def open(
        cls, exchange: str, symbols: list[str], reference_currency: str, totals: dict[str, Decimal], bot_id: str
    ) -> Self:
        """Build the account and give it `totals` (nothing locked yet).

        :param bot_id: unique per account; OctoBot keys its event trees by it.
        """
        bot_id = of_opening(bot_id)
        config = bot_config(exchange, symbols, reference_currency, cls.EXCHANGE_TYPE)
        builder = trading_api.create_exchange_builder(config, exchange)
        builder.is_simulated().is_rest_only().disable_trading_mode().enable_storage(False)
        builder.is_using_exchange_type(cls.EXCHANGE_TYPE)
        builder.set_bot_id(bot_id)
        builder.exchange_manager.trader = PaperTrader(config, builder.exchange_manager)
        # Evaluators wait for these events while an exchange starts; nobody does here, and they are 75 KB an account.
        builder.exchange_manager.exchange_config.initialize_exchange_event_tree = _nothing
        with without_pollers():
            manager = await builder.build()
        EventProvider.instance().remove_event_tree(bot_id)
        personal = manager.exchange_personal_data
        # No order fills by itself: see the module's docstring.
        personal.orders_manager.enable_order_auto_synchronization = False
        personal.orders_manager.has_order = partial(_has_order, personal.orders_manager)
        # OctoBot would value the portfolio after each fill, at prices it is not given here: a quarter of a fill's time.
        personal.portfolio_manager.handle_balance_updated = _nothing
        cls._prepare(manager)
        if totals:
            personal.portfolio_manager.apply_forced_portfolio(dict(totals))
        return cls(manager)

    @classmethod
    def _prepare(cls, manager: Any) -> None:
        """Change what OctoBot built before it gets the totals."""

    async def close(self) -> None:
        """Stop the exchange manager and forget the account."""
        await trading_api.stop_exchange(self._manager)
        # OctoBot never does: what a strategy or a late event made there would stay for good
        EventProvider.instance().remove_event_tree(self._manager.bot_id)

    async def start_mode(self, kind: type, settings: dict[str, Any], gate: Gate) -> Any:
        """Let a trading mode run on the account, alone, its orders passing `gate`, and return it."""
        await self.stop_mode()
        self._trader.gate = gate
        manager = self._manager
        manager.trading_modes = await modes_factory.create_trading_modes(
            manager.config, manager, kind, manager.bot_id, {kind.__name__: settings}
        )
        return manager.trading_modes[0]

    async def stop_mode(self) -> None:
        """Let no trading mode run on the account any more; open orders stay."""
        modes, self._manager.trading_modes = self._manager.trading_modes, []
        for mode in modes:
            await mode.stop()
        self._trader.gate = None

    def free(self, currency: str) -> Decimal:
        """Return what of `currency` is not locked by open orders."""
        return self._asset(currency, "available")

    def total(self, currency: str) -> Decimal:
        """Return all of `currency`."""
        return self._asset(currency, "total")

    def currencies(self) -> list[str]:
        """Return the currencies that are or were held."""
        return list(self._manager.exchange_personal_data.portfolio_manager.portfolio.portfolio)

    def open_order_ids(self) -> list[str]:
        """Return the ids of the orders that OctoBot holds as open."""
        return [order.order_id for order in trading_api.get_open_orders(self._manager)]

    def trade_ids(self) -> list[str]:
        """Return the ids of the fills in OctoBot's trade history, oldest first."""
        history = trading_api.get_trade_history(self._manager)
        return [trade.trade_id for trade in history if trade.status is enums.OrderStatus.FILLED]

    async def deposit(self, currency: str, amount: Decimal) -> None:
        """Add `amount` of `currency`."""
        await self._manager.exchange_personal_data.portfolio_manager.handle_balance_update_from_deposit(
            amount, currency
        )

    async def execute(self, order: wire.Order, price: Decimal) -> Fill:
        """Buy or sell `order.amount` at `price` at once, as taker.

        :raises octobot_trading.errors.PortfolioNegativeValueError: when the funds do not suffice.
        """
        await self._trader.take(self._made(order, _MARKET[order.side], mark=price, price=price))
        return self._take_fill()

    async def rest(self, order: wire.Order, mark: Decimal) -> None:
        """Hold `order` open: a limit locks its funds, everything that waits for a trigger locks nothing.

        :raises octobot_trading.errors.PortfolioNegativeValueError: when a limit's funds do not suffice.
        """
        if order.price is not None and (order.type == "limit" or order.triggered_at is not None):
            kind, price = _LIMIT[order.side], order.price
        else:
            kind, price = _TYPES.STOP_LOSS, order.stop_price or mark
        self._orders[order.id] = await self._trader.hold(self._made(order, kind, mark=mark, price=price))

    async def fill(self, order_id: str, price: Decimal, *, taker: bool) -> Fill:
        """Fill a held order at `price`."""
        order = self._orders.pop(order_id)
        if order.origin_price != price:
            # The lock is released at the origin price: a fill at another price would leave a difference behind.
            await self._reprice(order, price)
        order.filled_price = price
        # OctoBot tells taker from maker by the price at creation, which a restored order does not have.
        order.created_last_price = price if taker else ZERO
        await order.on_fill(force_fill=True)
        return self._take_fill()

    async def edit(self, order_id: str, *, amount: Decimal, price: Decimal) -> None:
        """Give a held order another amount and price, moving its lock.

        :raises octobot_trading.errors.PortfolioNegativeValueError: when the funds do not suffice; the account must
            then be opened anew.
        """
        order = self._orders[order_id]
        await self._trader.edit_order(order, edited_quantity=amount, edited_price=price)
        order.filled_price = ZERO

    async def cancel(self, order_id: str) -> None:
        """Cancel a held order and release its lock."""
        await self._trader.drop(self._orders.pop(order_id))

    async def _reprice(self, order: Any, price: Decimal) -> None:
        if order.order_type in _LIMIT.values():
            await self._trader.edit_order(order, edited_price=price)
        else:
            order.origin_price = price

    def _made(self, order: wire.Order, kind: Any, *, mark: Decimal, price: Decimal) -> Any:
        made = personal_data.create_order_instance(
            trader=self._trader,
            order_type=kind,
            symbol=order.symbol,
            current_price=mark,
            quantity=order.amount,
            price=price,
            side=_SIDES[order.side],
            order_id=order.id,
            tag=order.client_order_id,
        )
        # By default each order logs under a name of its own, and Python keeps every logger's name for good.
        made.logger_name = type(made).__name__
        return made

    def _take_fill(self) -> Fill:
        fill, self._trader.last_fill = self._trader.last_fill, None
        if fill is None:
            raise RuntimeError("OctoBot closed no order where a fill was expected")
        return fill

    def _asset(self, currency: str, member: str) -> Decimal:
        asset = self._manager.exchange_personal_data.portfolio_manager.portfolio.portfolio.get(currency)
        return ZERO if asset is None else Decimal(getattr(asset, member))


_openings = count()


def of_opening(bot_id: str) -> str:
    """Return the bot id of one opening of an account.

    It is opened anew while what was there before is still closing: they must not share their events.
    """
    return f"{bot_id}/{next(_openings)}"


_building: list[list[Any]] = []
"""OctoBot's list of pollers as each of the builds under way found it."""


@contextmanager
def without_pollers() -> Iterator[None]:
    """Keep OctoBot from giving an account pollers of its own: 17 tasks, and prices that fill orders by themselves.

    Accounts are built side by side; the list comes back when the last build has ended.
    """
    producers = exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS
    _building.append(list(producers))
    producers.clear()
    try:
        yield
    finally:
        if len(_building) == 1:
            producers[:] = _building[0]
            _building.clear()
        else:
            _building.pop()


def _nothing() -> None:
    pass


def _has_order(orders_manager: Any, order_id: str | None, exchange_order_id: str | None = None) -> bool:
    """Look an order up; OctoBot makes a set of the ids of all open orders for it, for every new one."""
    if order_id is None:
        return bool(type(orders_manager).has_order(orders_manager, None, exchange_order_id))
    return order_id in orders_manager.orders
