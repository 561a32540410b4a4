"""What the API asks of the engine, imperative; `ANSWERS` names what each request is answered with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from utils.errors import Fault
from utils.wire.accounts import AccountState, Deposit, Equity
from utils.wire.base import Message, Request
from utils.wire.credentials import CredentialCheck, VerifyCredential
from utils.wire.market import Candle, Instrument, Ticker
from utils.wire.risk import KillSwitchState, RiskLimits, SwitchScope
from utils.wire.status import BotConfig, EngineStatus
from utils.wire.trading import ExitLeg, Leverage, Order, OrderType, Portfolio, Preview, Side, TimeInForce, Trade


class Actor(Message, frozen=True, kw_only=True):
    """Who asks, for the audit log: the user, with which API key if any, and where the request came from."""

    user_id: str
    ip: str | None = None
    request_id: str | None = None
    key_id: str | None = None


class OcoLeg(Message, frozen=True, kw_only=True):
    """The stop of a one-cancels-the-other pair; with `price` it becomes a stop-limit."""

    stop_price: Decimal
    price: Decimal | None = None


class OrderTicket(Message, frozen=True, kw_only=True):
    """What a user wants to trade; exactly one of `amount` (base) and `quote_amount` (market buys) is set."""

    symbol: str
    side: Side
    type: OrderType
    amount: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_percent: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    reduce_only: bool = False
    client_order_id: str | None = None
    oco: OcoLeg | None = None
    take_profit: ExitLeg | None = None
    stop_loss: ExitLeg | None = None


class Command(Request, frozen=True, kw_only=True):
    """Base of the requests that change something; `actor` goes to the audit log.

    With `idempotency_key` a repetition is answered with the first one's outcome.
    """

    actor: Actor
    account: str
    idempotency_key: str | None = None


class PlaceOrder(Command, frozen=True, kw_only=True):
    """Place an order."""

    ticket: OrderTicket


class BatchItem(Message, frozen=True, kw_only=True):
    """One order of a batch: its account and ticket, or the fault that was found in it before the engine saw it."""

    account: str = ""
    ticket: OrderTicket | None = None
    fault: Fault | None = None


class Placement(Message, frozen=True, kw_only=True):
    """What became of one order of a batch."""

    order: Order | None = None
    fault: Fault | None = None


class PlaceOrders(Command, frozen=True, kw_only=True):
    """Place orders one after the other; one that is refused leaves the others alone."""

    account: str = ""
    orders: list[BatchItem]


class SetRiskLimits(Command, frozen=True, kw_only=True):
    """Replace the limits of an account."""

    limits: RiskLimits


class EngageKillSwitch(Command, frozen=True, kw_only=True):
    """Refuse new orders of `target` (an account, a user; empty: the installation) and cancel those that are open."""

    account: str = ""
    scope: SwitchScope
    target: str
    as_admin: bool = False
    reason: str | None = None


class ReleaseKillSwitch(Command, frozen=True, kw_only=True):
    """Take orders again; what an admin engaged, only an admin releases."""

    account: str = ""
    scope: SwitchScope
    target: str
    as_admin: bool = False


class PreviewOrder(Request, frozen=True, kw_only=True):
    """Tell what `ticket` would do, changing nothing."""

    account: str
    ticket: OrderTicket


class EditOrder(Command, frozen=True, kw_only=True):
    """Change an open order; what is None stays."""

    order_id: str
    amount: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_percent: Decimal | None = None
    take_profit: ExitLeg | None = None
    stop_loss: ExitLeg | None = None


class CancelOrder(Command, frozen=True, kw_only=True):
    """Cancel one open order."""

    order_id: str


class CancelOrders(Command, frozen=True, kw_only=True):
    """Cancel all open orders of an account, of one symbol or side when given."""

    symbol: str | None = None
    side: Side | None = None


class ClosePosition(Command, frozen=True, kw_only=True):
    """Close a position at the market: on a spot account, sell what is free of a holding."""

    symbol: str


class SetLeverage(Command, frozen=True, kw_only=True):
    """Choose the leverage of a market."""

    symbol: str
    leverage: Decimal


class DepositFunds(Command, frozen=True, kw_only=True):
    """Pay into a paper account."""

    currency: str
    amount: Decimal


class ResetAccount(Command, frozen=True, kw_only=True):
    """Begin a paper account anew: no open orders, and nothing but its starting balance, or the one that is given."""

    starting_balance: Decimal | None = None


class ArchiveAccount(Command, frozen=True, kw_only=True):
    """Cancel an account's open orders and let it trade no more; it can still be read."""


class GetEquity(Request, frozen=True, kw_only=True):
    """Tell what accounts are worth in one currency (None: each in its reference currency), from what is stored."""

    accounts: list[str]
    currency: str | None = None


class GetPortfolio(Request, frozen=True, kw_only=True):
    """Value an account now."""

    account: str


class GetOpenOrders(Request, frozen=True, kw_only=True):
    """List the open orders as OctoBot holds them in memory."""

    account: str


class GetTrades(Request, frozen=True, kw_only=True):
    """List the trades OctoBot holds in memory for an account, oldest first."""

    account: str


class GetInstruments(Request, frozen=True, kw_only=True):
    """List the markets of an exchange (None: of all)."""

    exchange: str | None = None


class GetTickers(Request, frozen=True, kw_only=True):
    """Read tickers, of `symbols` or of every market."""

    exchange: str
    symbols: list[str] | None = None


class GetCandles(Request, frozen=True, kw_only=True):
    """Read at most `limit` candles, ascending; the newest ones unless `since` (epoch ms, inclusive) is given."""

    exchange: str
    symbol: str
    timeframe: str
    limit: int
    since: int | None = None
    until: int | None = None


class GetStatus(Request, frozen=True, kw_only=True):
    """Ask how the engine is."""


class GetBotConfig(Request, frozen=True, kw_only=True):
    """Read the configuration OctoBot runs with."""


class Subscribe(Request, frozen=True, kw_only=True):
    """Turn this connection into a stream of `StreamEvent` frames, from after `since_id` when given.

    `symbols` None means every market. The engine sends an empty frame every `heartbeat` seconds of silence.
    """

    exchange: str
    symbols: list[str] | None = None
    since_id: int | None = None
    heartbeat: float = 15.0


class SubscribeAccountEvents(Request, frozen=True, kw_only=True):
    """Turn this connection into a stream of frames that hold lists of `AccountEvent`, those of all users.

    The first frame comes at once and is an empty list: whatever is committed after it was sent is told, in the order
    of the commits, and what was committed before it is in SQL. What is committed around that moment may be both; ids
    tell. The engine sends an empty frame every `heartbeat` seconds of silence. It closes the connection of a
    subscriber that takes nothing for long, or for which too much is waiting; SQL has what that one missed.
    """

    heartbeat: float = 15.0


Subscription = Subscribe | SubscribeAccountEvents
"""Requests that are answered with a stream of frames instead of one."""

AnyRequest = (
    PlaceOrder
    | PlaceOrders
    | SetRiskLimits
    | EngageKillSwitch
    | ReleaseKillSwitch
    | PreviewOrder
    | EditOrder
    | CancelOrder
    | CancelOrders
    | ClosePosition
    | SetLeverage
    | DepositFunds
    | ResetAccount
    | ArchiveAccount
    | GetEquity
    | GetPortfolio
    | GetOpenOrders
    | GetTrades
    | GetInstruments
    | GetTickers
    | GetCandles
    | GetStatus
    | GetBotConfig
    | VerifyCredential
    | Subscribe
    | SubscribeAccountEvents
)

ANSWERS: dict[type[Request], Any] = {
    PlaceOrder: Order,
    PlaceOrders: list[Placement],
    SetRiskLimits: RiskLimits,
    EngageKillSwitch: KillSwitchState,
    ReleaseKillSwitch: KillSwitchState,
    PreviewOrder: Preview,
    EditOrder: Order,
    CancelOrder: Order,
    CancelOrders: list[Order],
    ClosePosition: Order,
    SetLeverage: Leverage,
    DepositFunds: Deposit,
    ResetAccount: AccountState,
    ArchiveAccount: AccountState,
    GetEquity: list[Equity],
    GetPortfolio: Portfolio,
    GetOpenOrders: list[Order],
    GetTrades: list[Trade],
    GetInstruments: list[Instrument],
    GetTickers: list[Ticker],
    GetCandles: list[Candle],
    GetStatus: EngineStatus,
    GetBotConfig: BotConfig,
    VerifyCredential: CredentialCheck,
}
