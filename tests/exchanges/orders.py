"""Orders and trades of a loopback exchange: frozen states, each change makes a new one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from tests.exchanges.market import Market

Side = Literal["buy", "sell"]
Kind = Literal["limit", "market"]
TimeInForce = Literal["gtc", "ioc", "fok"]
Status = Literal["open", "filled", "cancelled", "expired"]
Reason = Literal["duplicate", "funds", "would_match", "unknown", "too_many"]


class Rejected(Exception):
    """The exchange did not do it, for `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Ticket:
    """What a client asks for; a market order has an amount (base) or a quote amount, a limit order a price."""

    market: Market
    side: Side
    kind: Kind
    client_id: str
    amount: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False


@dataclass(frozen=True)
class Order:
    """An accepted order as it stands; `reserved` is locked for what is left of it; times in ms."""

    id: int
    account: str
    ticket: Ticket
    amount: Decimal
    created: int
    updated: int
    status: Status = "open"
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    @property
    def market(self) -> Market:
        return self.ticket.market

    @property
    def client_id(self) -> str:
        return self.ticket.client_id

    @property
    def side(self) -> Side:
        return self.ticket.side

    @property
    def left(self) -> Decimal:
        return self.amount - self.filled

    @property
    def spends(self) -> str:
        """The currency that it pays with."""
        return self.market.quote if self.side == "buy" else self.market.base

    def plain(self) -> dict[str, Any]:
        """Return it for JSON, money as strings."""
        ticket = self.ticket
        return {
            **{
                name: getattr(self, name)
                for name in ("id", "account", "client_id", "side", "created", "updated", "status")
            },
            **{"symbol": self.market.symbol, "kind": ticket.kind, "time_in_force": ticket.time_in_force},
            **{"price": None if ticket.price is None else str(ticket.price)},
            **{name: str(getattr(self, name)) for name in ("amount", "filled", "cost", "reserved")},
        }


@dataclass(frozen=True)
class Trade:
    """One fill of an order; the fee was taken in `fee_currency`; time in ms."""

    id: int
    order_id: int
    client_id: str
    account: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    maker: bool
    time: int

    @property
    def cost(self) -> Decimal:
        return self.price * self.amount

    def plain(self) -> dict[str, Any]:
        """Return it for JSON, money as strings."""
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}
