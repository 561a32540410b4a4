"""What OctoBot knows of its exchanges, in the words of the API."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import octobot_trading.api as trading_api
from octobot_trading import enums

from utils import clock, wire
from utils.money import ZERO
from utils.wire import BotAccount, BotExchange, BotTrading, Fee, Holding, Order, OrderType, Portfolio, Profit, Trade

_TYPES: dict[enums.TraderOrderType, OrderType] = {
    enums.TraderOrderType.BUY_MARKET: "market",
    enums.TraderOrderType.SELL_MARKET: "market",
    enums.TraderOrderType.BUY_LIMIT: "limit",
    enums.TraderOrderType.SELL_LIMIT: "limit",
    enums.TraderOrderType.STOP_LOSS: "stop",
    enums.TraderOrderType.STOP_LOSS_LIMIT: "stop_limit",
    enums.TraderOrderType.TAKE_PROFIT: "take_profit",
    enums.TraderOrderType.TAKE_PROFIT_LIMIT: "take_profit_limit",
    enums.TraderOrderType.TRAILING_STOP: "trailing_stop",
    enums.TraderOrderType.TRAILING_STOP_LIMIT: "trailing_stop_limit",
}
_STATUSES: dict[enums.OrderStatus, wire.OrderStatus] = {
    enums.OrderStatus.PENDING_CREATION: "pending_new",
    enums.OrderStatus.OPEN: "accepted",
    enums.OrderStatus.PARTIALLY_FILLED: "partially_filled",
    enums.OrderStatus.PENDING_CANCEL: "pending_cancel",
    enums.OrderStatus.FILLED: "filled",
    enums.OrderStatus.CLOSED: "filled",
    enums.OrderStatus.CANCELED: "canceled",
    enums.OrderStatus.EXPIRED: "expired",
    enums.OrderStatus.REJECTED: "rejected",
}


def exchange_of(manager: Any) -> BotExchange:
    """Return what is traded at an exchange, and by what."""
    return BotExchange(
        exchange=manager.exchange_name,
        type=_type(manager),
        mode=_mode(manager),
        symbols=sorted(trading_api.get_trading_pairs(manager)),
        trading_modes=[_trading(mode) for mode in trading_api.get_trading_modes(manager)],
    )


def accounts(managers: Iterable[Any], opened_at: datetime) -> list[BotAccount]:
    """Return what is held at each exchange; a kind of account that the bot has to itself."""
    return [
        BotAccount(
            id=_account(manager),
            name=f"Bot at {manager.exchange_name}",
            mode=_mode(manager),
            exchange=manager.exchange_name,
            type=_type(manager),
            kind="bot",
            status="active",
            reference_currency=trading_api.get_portfolio_reference_market(manager),
            created_at=opened_at,
            portfolio=_portfolio(manager),
        )
        for manager in managers
    ]


def orders(managers: Iterable[Any]) -> list[Order]:
    """Return open orders, the newest first."""
    found = [_order(manager, order) for manager in managers for order in trading_api.get_open_orders(manager)]
    return sorted(found, key=lambda order: order.created_at, reverse=True)


def trades(managers: Iterable[Any], limit: int) -> list[Trade]:
    """Return the latest trades, the newest first."""
    found = [
        _trade(manager, trade)
        for manager in managers
        for trade in trading_api.get_trade_history(manager)
        if trade.has_been_executed()
    ]
    return list(islice(sorted(found, key=lambda trade: trade.created_at, reverse=True), limit))


def _trading(mode: Any) -> BotTrading:
    return BotTrading(
        name=mode.get_name(),
        symbol=mode.symbol,
        settings=json.loads(json.dumps(mode.trading_config or {}, default=str)),
    )


def _portfolio(manager: Any) -> Portfolio:
    values = trading_api.get_current_holdings_values(manager)
    gain, percent, *_ = trading_api.get_profitability_stats(manager)
    return Portfolio(
        account=_account(manager),
        mode=_mode(manager),
        currencies={
            currency: _holding(asset, values.get(currency))
            for currency, asset in trading_api.get_portfolio(manager).items()
        },
        reference_currency=trading_api.get_portfolio_reference_market(manager),
        total_value=_number(trading_api.get_current_portfolio_value(manager)),
        open_orders=len(trading_api.get_open_orders(manager)),
        positions=[],
        profit=Profit(amount=_number(gain), percent=_number(percent)),
        as_of=clock.now(),
    )


def _holding(asset: Any, value: Any) -> Holding:
    total, free = _number(asset.total), _number(asset.available)
    return Holding(free=free, locked=total - free, total=total, value=None if value is None else _number(value))


def _order(manager: Any, order: Any) -> Order:
    amount, filled = _number(order.origin_quantity), _number(order.filled_quantity)
    average = _number(order.filled_price) if filled else None
    kind = _TYPES.get(order.order_type, "limit")
    price = _number(order.origin_price)
    return Order(
        id=order.order_id,
        client_order_id=order.order_id,
        account=_account(manager),
        mode=_mode(manager),
        exchange=manager.exchange_name,
        symbol=order.symbol,
        side=order.side.value,
        type=kind,
        status=_STATUSES.get(order.status, "unknown"),
        amount=amount,
        filled=filled,
        remaining=amount - filled,
        price=price if kind in wire.PRICED else None,
        stop_price=(_number(order.origin_stop_price) or price) if kind in wire.CONDITIONAL else None,
        trailing_percent=None,
        average=average,
        cost=_number(order.total_cost),
        fee=_fee(order.fee),
        time_in_force="gtc",
        reduce_only=bool(order.reduce_only),
        group_id=None if order.order_group is None else str(order.order_group.name),
        triggered_at=None,
        reject_code=None,
        created_at=_moment(order.creation_time),
        updated_at=_moment(order.timestamp or order.creation_time),
        exchange_order_id=None if order.simulated else order.exchange_order_id,
    )


def _trade(manager: Any, trade: Any) -> Trade:
    return Trade(
        id=trade.trade_id,
        order_id=trade.origin_order_id or trade.trade_id,
        account=_account(manager),
        mode=_mode(manager),
        exchange=manager.exchange_name,
        symbol=trade.symbol,
        side=trade.side.value,
        price=_number(trade.executed_price),
        amount=_number(trade.executed_quantity),
        cost=_number(trade.total_cost),
        fee=_fee(trade.fee),
        realized_pnl=None,
        created_at=_moment(trade.executed_time),
        exchange_trade_id=trade.exchange_trade_id,
    )


def _fee(fee: dict[str, Any] | None) -> Fee | None:
    columns = enums.FeePropertyColumns
    if not fee or fee.get(columns.CURRENCY.value) is None:
        return None
    return Fee(currency=fee[columns.CURRENCY.value], cost=_number(fee[columns.COST.value]))


def _account(manager: Any) -> str:
    return f"bot-{manager.exchange_name}"


def _type(manager: Any) -> str:
    kind: str = trading_api.get_exchange_type(manager).value
    return "futures" if kind == enums.ExchangeTypes.FUTURE.value else kind


def _mode(manager: Any) -> wire.Mode:
    return "paper" if trading_api.is_trader_simulated(manager) else "live"


def _number(value: Any) -> Decimal:
    """Return an exact number of what OctoBot keeps as Decimal mostly, and as float here and there."""
    return ZERO if value is None else Decimal(str(value))


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(float(timestamp), UTC)
