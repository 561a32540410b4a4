"""A unit of work: everything that one command or tick changed in one account, to be committed together."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from engine.journal.keys import Claim
from models.records import ledger_row, order_row, trade_row
from utils import clock, json, wire
from utils.errors import Fault, TradingError
from utils.ids import new_id

REMEMBERED_ENDS = 500
"""Orders of an account that have ended, and whose status stays in memory."""


class ForbiddenMove(RuntimeError):
    """An order would be stored with a status that its last one cannot lead to: a fault of this program."""


@dataclass(eq=False)
class Line:
    """The sequence of units of one account in memory; `broken` once one of them could not be committed.

    It knows the status each order was last stored with, and lets no order make a move that the table of moves has not.
    """

    account_id: str
    user_id: str
    broken: bool = False
    statuses: dict[str, wire.OrderStatus] = field(default_factory=dict)
    ended: dict[str, wire.OrderStatus] = field(default_factory=dict)

    def move(self, order: wire.Order) -> bool:
        """Note the order's status and tell whether it is another one.

        :raises ForbiddenMove: when its last one does not lead there.
        """
        before = self.statuses.get(order.id) or self.ended.get(order.id, "pending_new")
        if not wire.may_move(before, order.status):
            raise ForbiddenMove(f"order {order.id} cannot move from {before} to {order.status}")
        if order.status not in wire.FINAL_STATUSES:
            self.statuses[order.id] = order.status
            return order.status != before
        self.statuses.pop(order.id, None)
        self.ended[order.id] = order.status
        if len(self.ended) > REMEMBERED_ENDS:
            del self.ended[next(iter(self.ended))]
        return True


@dataclass(eq=False)
class Unit:
    """Collect rows. Events keep the order in which they were added: order, trade, balance for a fill."""

    line: Line
    orders: dict[str, wire.Order] = field(default_factory=dict)
    moves: list[wire.Order] = field(default_factory=list)
    """The orders that came to another status, once for each."""
    trades: list[wire.Trade] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    balances: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, dict[str, Any]] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    limits: list[dict[str, Any]] = field(default_factory=list)
    switches: list[dict[str, Any]] = field(default_factory=list)
    """Kill switches; those whose `engaged_at` is None are released."""
    account: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    strategy: dict[str, Any] = field(default_factory=dict)
    """Columns of a strategy to change, its `id` among them; it is forgotten when its `state` is None."""
    strategy_log: list[dict[str, Any]] = field(default_factory=list)
    partner: Unit | None = None
    """The unit of another account that is committed together with this one, or not at all."""

    @property
    def parts(self) -> list[Unit]:
        """Return the unit and its partner."""
        return [self] if self.partner is None else [self, self.partner]

    @property
    def is_broken(self) -> bool:
        """Tell whether an earlier unit of an account that takes part could not be committed."""
        return any(part.line.broken for part in self.parts)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to commit."""
        changes = (self.orders, self.ledger, self.audit, self.keys, self.balances, self.account)
        changes_of_rules = (self.limits, self.switches, self.positions, self.strategy, self.strategy_log)
        return not any((*changes, *changes_of_rules))

    def order(self, order: wire.Order, *, tell: bool = True) -> None:
        """Store the order's new state and tell its owner of it. :raises ForbiddenMove: when it cannot come to that."""
        if self.line.move(order):
            self.moves.append(order)
        self.orders[order.id] = order
        if tell:
            self._event("order", order)

    def release(self, order: wire.Order) -> None:
        """Give back the idempotency key and the client order id of an order that was never sent."""
        self.released.append(order.id)

    def trade(self, trade: wire.Trade) -> None:
        """Store a fill and tell its owner of it."""
        self.trades.append(trade)
        self._event("trade", trade)

    def book(
        self,
        currency: str,
        amount: Decimal,
        kind: str,
        trade: wire.Trade | None = None,
        value: Decimal | None = None,
        *,
        exchange_entry_id: str | None = None,
    ) -> None:
        """Add a ledger entry; nothing is booked for zero.

        :param value: what `amount` is worth in the account's reference currency, None when no market tells.
        :param exchange_entry_id: by which the exchange knows the movement, which is booked once.
        """
        if amount:
            self.ledger.append(
                ledger_row(
                    entry_id=new_id(),
                    account=self.line.account_id,
                    currency=currency,
                    amount=amount,
                    kind=kind,
                    at=clock.now(),
                    trade=trade,
                    value=value,
                    exchange_entry_id=exchange_entry_id,
                )
            )

    def balance(self, currency: str, total: Decimal, entry_price: Decimal | None) -> None:
        """Store what the account has of `currency` after the entries booked so far."""
        row = {
            "account_id": self.line.account_id,
            "currency": currency,
            "total": total,
            "entry_price": entry_price,
        }
        self.balances.append(row)

    def position(self, row: dict[str, Any], message: wire.Position) -> None:
        """Store the position's new state and tell its owner of it."""
        self.positions[row["symbol"]] = row
        self._event("position", message.told())

    def settle(self, **columns: Any) -> None:
        """Change columns of the account itself."""
        self.account.update(columns, id=self.line.account_id, updated_at=clock.now())

    def sample(self, value: Decimal, deposited: Decimal) -> None:
        """Note what the account is worth after this unit, and what was deposited until then."""
        row = {"account_id": self.line.account_id, "at": clock.now(), "value": value, "deposited": deposited}
        self.samples.append(row)

    def strategy_event(self, strategy: wire.Strategy) -> None:
        """Tell the owner the strategy's new state."""
        self._event("strategy", strategy)

    def log(self, strategy_id: str, name: str, level: str, message: str) -> None:
        """Add what a strategy has to say to its log, and tell its owner."""
        entry = {"id": new_id(), "level": level, "message": message[:512], "created_at": clock.now()}
        self.strategy_log.append({**entry, "strategy_id": strategy_id})
        self._event("strategy_log", {"strategy": name, "account": self.line.account_id, **entry})

    def balance_event(self, currencies: dict[str, dict[str, Decimal]]) -> None:
        """Tell the owner the balances that changed."""
        self._event("balance", {"account": self.line.account_id, "currencies": currencies})

    def record(self, action: str, actor: wire.Actor, target: str | None, error: TradingError | None = None) -> None:
        """Add an audit row."""
        self.audit.append(
            {
                "id": new_id(),
                "created_at": clock.now(),
                "user_id": actor.user_id,
                "action": action,
                "target": target,
                "outcome": "denied" if error else "done",
                "error_code": error.code if error else None,
                "ip": actor.ip,
                "request_id": actor.request_id,
                "detail": None if actor.key_id is None else msgspec.json.encode({"api_key": actor.key_id}).decode(),
            }
        )

    def key(self, claim: Claim, *, order_id: str | None = None, answer: Any = None, fault: Fault | None = None) -> None:
        """Store the outcome of a command that came with an idempotency key: its order, its answer or its fault."""
        self.keys.append(
            {
                "user_id": self.line.user_id,
                "key": claim.key,
                "request_hash": claim.digest,
                "order_id": order_id,
                "answer": None if answer is None else msgspec.json.encode(answer).decode(),
                "fault": None if fault is None else msgspec.json.encode(fault).decode(),
                "created_at": clock.now(),
            }
        )

    def order_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the orders."""
        return [order_row(order, self.line.user_id) for order in self.orders.values()]

    def trade_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the trades."""
        return [trade_row(trade, self.line.user_id) for trade in self.trades]

    def _event(self, kind: str, payload: Any) -> None:
        self.events.append({"account_id": self.line.account_id, "type": kind, "payload": json.dumps(payload).decode()})
