"""What OctoBot knows of its exchanges, translated to the API's messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import octobot_trading.api as trading_api
from octobot_trading import enums

from utils import clock, wire
from utils.money import PLACES, ZERO
from utils.wire import (
    BotExchange,
    BotQuery,
    BotTrading,
    Fee,
    Holding,
    Order,
    OrderType,
    Portfolio,
    Position,
    Profit,
    Trade,
    bot_account,
)

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
        reference_currency=trading_api.get_portfolio_reference_market(manager),
        symbols=sorted(trading_api.get_trading_pairs(manager)),
        trading_modes=[_trading(mode) for mode in trading_api.get_trading_modes(manager)],
    )


def orders(manager: Any, query: BotQuery) -> list[Order]:
    """Return the open orders that are wanted."""
    return _wanted([_order(manager, order) for order in trading_api.get_open_orders(manager)], query)


def trades(manager: Any, query: BotQuery) -> list[Trade]:
    """Return the trades that are wanted."""
    return _wanted([_trade(manager, trade) for trade in executed(manager)], query)


def executed(manager: Any) -> list[Any]:
    """Return what OctoBot remembers of its trades at an exchange, in its own words."""
    return [trade for trade in trading_api.get_trade_history(manager) if trade.has_been_executed()]


def _wanted[T: (Order, Trade)](found: list[T], query: BotQuery) -> list[T]:
    def is_wanted(one: T) -> bool:
        place, last = (one.created_at, one.id), (query.last_at, query.last_id)
        return (
            query.symbol in {None, one.symbol}
            and query.side in {None, one.side}
            and (query.after is None or one.created_at > query.after)
            and (query.until is None or one.created_at <= query.until)
            and (last[0] is None or (place > last if query.is_ascending else place < last))
        )

    found = sorted(filter(is_wanted, found), key=lambda one: (one.created_at, one.id), reverse=not query.is_ascending)
    return found[: query.limit]


def _trading(mode: Any) -> BotTrading:
    return BotTrading(
        name=mode.get_name(),
        symbol=mode.symbol,
        settings=json.loads(json.dumps(mode.trading_config or {}, default=str)),
    )


def portfolio(manager: Any) -> Portfolio:
    """Return what is held at an exchange."""
    values = trading_api.get_current_holdings_values(manager)
    gain, percent, *_ = trading_api.get_profitability_stats(manager)
    return Portfolio(
        account=bot_account(manager.exchange_name),
        mode=_mode(manager),
        currencies={
            currency: _holding(asset, values.get(currency))
            for currency, asset in trading_api.get_portfolio(manager).items()
        },
        reference_currency=trading_api.get_portfolio_reference_market(manager),
        total_value=number(trading_api.get_current_portfolio_value(manager)),
        open_orders=len(trading_api.get_open_orders(manager)),
        positions=[*_holdings(manager, values), *positions(manager)],
        profit=Profit(amount=number(gain), percent=number(percent).quantize(PLACES)),
        as_of=clock.now(),
    )


def positions(manager: Any) -> list[Position]:
    """Return the open positions in perpetuals."""
    return [
        Position(
            account=bot_account(manager.exchange_name),
            symbol=position.symbol,
            side="long" if position.size > 0 else "short",
            amount=abs(number(position.size)),
            entry_price=number(position.entry_price),
            mark_price=number(position.mark_price),
            unrealized_pnl=number(position.unrealized_pnl),
            leverage=number(position.symbol_contract.current_leverage),
            margin=number(position.margin),
            liquidation_price=number(position.liquidation_price) or None,
            realized_pnl=number(position.realised_pnl),
        )
        for position in (trading_api.get_positions(manager) if manager.is_future else [])
        if position.size
    ]


def _holdings(manager: Any, values: dict[str, Any]) -> list[Position]:
    """Return what is held on a spot market other than the reference currency; OctoBot knows no entry prices of it."""
    reference = trading_api.get_portfolio_reference_market(manager)
    held = {} if manager.is_future else trading_api.get_portfolio(manager)
    return [
        Position(
            account=bot_account(manager.exchange_name),
            symbol=f"{currency}/{reference}",
            side="long",
            amount=total,
            entry_price=None,
            mark_price=number(values[currency]) / total if values.get(currency) else None,
            unrealized_pnl=None,
        )
        for currency, asset in held.items()
        if currency != reference and (total := number(asset.total))
    ]


def _holding(asset: Any, value: Any) -> Holding:
    total, free = number(asset.total), number(asset.available)
    return Holding(free=free, locked=total - free, total=total, value=None if value is None else number(value))


def _order(manager: Any, order: Any) -> Order:
    amount, filled = number(order.origin_quantity), number(order.filled_quantity)
    average = number(order.filled_price) if filled else None
    kind = _TYPES.get(order.order_type, "limit")
    price = number(order.origin_price)
    return Order(
        id=order.order_id,
        client_order_id=order.order_id,
        account=bot_account(manager.exchange_name),
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
        stop_price=(number(order.origin_stop_price) or price) if kind in wire.CONDITIONAL else None,
        trailing_percent=None,
        average=average,
        cost=number(order.total_cost),
        fee=_fee(order.fee),
        time_in_force="gtc",
        reduce_only=bool(order.reduce_only),
        group_id=None if order.order_group is None else str(order.order_group.name),
        triggered_at=None,
        reject_code=None,
        created_at=moment_of(order.creation_time),
        updated_at=moment_of(order.timestamp or order.creation_time),
        exchange_order_id=None if order.simulated else order.exchange_order_id,
    )


def _trade(manager: Any, trade: Any) -> Trade:
    return Trade(
        id=trade.trade_id,
        order_id=trade.origin_order_id or trade.trade_id,
        account=bot_account(manager.exchange_name),
        mode=_mode(manager),
        exchange=manager.exchange_name,
        symbol=trade.symbol,
        side=trade.side.value,
        price=number(trade.executed_price),
        amount=number(trade.executed_quantity),
        cost=number(trade.total_cost),
        fee=_fee(trade.fee),
        realized_pnl=None,
        created_at=moment_of(trade.executed_time),
        exchange_trade_id=trade.exchange_trade_id,
    )


def _fee(fee: dict[str, Any] | None) -> Fee | None:
    columns = enums.FeePropertyColumns
    if not fee or fee.get(columns.CURRENCY.value) is None:
        return None
    return Fee(currency=fee[columns.CURRENCY.value], cost=number(fee[columns.COST.value]))


def _type(manager: Any) -> str:
    kind: str = trading_api.get_exchange_type(manager).value
    return "futures" if kind == enums.ExchangeTypes.FUTURE.value else kind


def _mode(manager: Any) -> wire.Mode:
    return "paper" if trading_api.is_trader_simulated(manager) else "live"


def number(value: Any) -> Decimal:
    """Return an exact number of what OctoBot keeps as Decimal mostly, and as float here and there."""
    return ZERO if value is None else Decimal(str(value))


def moment_of(timestamp: float) -> datetime:
    """Return the moment of a timestamp of OctoBot's, in seconds."""
    return datetime.fromtimestamp(float(timestamp), UTC)
