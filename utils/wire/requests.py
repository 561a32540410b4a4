"""What the API asks of the engine, imperative; `ANSWERS` names what each request is answered with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from utils.errors import Fault
from utils.wire.accounts import AccountState, Deposit, Equity
from utils.wire.base import Command, Message, Request
from utils.wire.bot import BOT_ANSWERS, BotRequest
from utils.wire.credentials import CredentialCheck, VerifyCredential
from utils.wire.foreign import FOREIGN_ANSWERS, ForeignRequest
from utils.wire.market import FeedStatus
from utils.wire.market_requests import MARKET_ANSWERS, MarketRequest
from utils.wire.rankings import GetRanking, Ranking, StoreRanking
from utils.wire.risk import EngageKillSwitch, KillSwitchState, ReleaseKillSwitch, RiskLimits, SetRiskLimits
from utils.wire.status import (
    BotConfig,
    ConnectExchange,
    DisconnectedExchange,
    DisconnectExchange,
    EngineStatus,
    GetBotConfig,
    GetMetrics,
    GetStatus,
)
from utils.wire.strategies import (
    CheckStrategy,
    EditStrategy,
    GetStrategyClasses,
    MoveStrategy,
    SendAlert,
    Strategy,
    StrategyClass,
    StrategyDraft,
)
from utils.wire.tournaments import ClosedEntry, CloseEntries, FreezeTournament, Marks
from utils.wire.trading import ExitLeg, Leverage, Order, OrderType, Portfolio, Preview, Side, TimeInForce, Trade


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


class Subscribe(Request, frozen=True, kw_only=True):
    """Turn this connection into a stream of `StreamEvent` frames, from after `since_id` when given.

    `symbols` None means every market; with `history` all that is kept comes first. The first frame comes at once, and
    an empty one when there is nothing to tell, as after every `heartbeat` seconds of silence.
    """

    exchange: str
    symbols: list[str] | None = None
    since_id: int | None = None
    history: bool = False
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
    | FreezeTournament
    | CloseEntries
    | GetStrategyClasses
    | CheckStrategy
    | MoveStrategy
    | EditStrategy
    | SendAlert
    | GetEquity
    | GetPortfolio
    | GetOpenOrders
    | GetTrades
    | GetRanking
    | StoreRanking
    | MarketRequest
    | GetStatus
    | GetMetrics
    | GetBotConfig
    | ConnectExchange
    | DisconnectExchange
    | VerifyCredential
    | BotRequest
    | ForeignRequest
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
    FreezeTournament: Marks,
    CloseEntries: list[ClosedEntry],
    GetStrategyClasses: list[StrategyClass],
    CheckStrategy: StrategyDraft,
    MoveStrategy: Strategy,
    EditStrategy: Strategy,
    SendAlert: list[Order],
    GetEquity: list[Equity],
    GetPortfolio: Portfolio,
    GetOpenOrders: list[Order],
    GetTrades: list[Trade],
    GetRanking: Ranking,
    StoreRanking: None,
    **MARKET_ANSWERS,
    GetStatus: EngineStatus,
    GetMetrics: str,
    GetBotConfig: BotConfig,
    ConnectExchange: FeedStatus,
    DisconnectExchange: DisconnectedExchange,
    VerifyCredential: CredentialCheck,
    **BOT_ANSWERS,
    **FOREIGN_ANSWERS,
}
