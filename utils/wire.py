"""The messages between the API and the engine: frozen, typed, with Decimals and UTC datetimes.

Nouns (`Order`, `Trade`, `Portfolio` …) are what both sides speak of; their fields are the API's fields. Requests are
imperative (`PlaceOrder`); `ANSWERS` names what each one is answered with. A frame is four bytes of length (little
endian) followed by MessagePack: `Call` one way, `Reply` the other.
"""

from __future__ import annotations

import struct
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from utils.errors import Fault

Side = Literal["buy", "sell"]
OrderType = Literal[
    "market",
    "limit",
    "stop",
    "stop_limit",
    "take_profit",
    "take_profit_limit",
    "trailing_stop",
    "trailing_stop_limit",
]
TimeInForce = Literal["gtc", "ioc", "fok", "day"]
OrderStatus = Literal[
    "pending_new",
    "accepted",
    "partially_filled",
    "pending_cancel",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "replaced",
    "unknown",
]
Mode = Literal["paper", "live"]

OPEN_STATUSES: tuple[OrderStatus, ...] = ("pending_new", "accepted", "partially_filled", "pending_cancel", "unknown")
FINAL_STATUSES: tuple[OrderStatus, ...] = ("filled", "canceled", "expired", "rejected", "replaced")
TIMEFRAMES: dict[str, int] = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "12h": 43200,
    "1d": 86400,
}
"""Length of each time frame in seconds."""

MAX_FRAME = 32 * 1024 * 1024


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every noun."""


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of everything the API asks of the engine."""


# --------------------------------------------------------------------------------------------------- nouns


class Fee(Message, frozen=True, kw_only=True):
    """A fee of `cost` units of `currency`."""

    currency: str
    cost: Decimal


class Order(Message, frozen=True, kw_only=True):
    """An order as its owner sees it; `average` is the mean fill price, `cost` the quote amount filled.

    `trailing_level` is the best price a trailing order has seen, `group_id` joins the orders of an OCO pair.
    """

    id: str
    client_order_id: str
    account: str
    mode: Mode
    exchange: str
    symbol: str
    side: Side
    type: OrderType
    status: OrderStatus
    amount: Decimal
    filled: Decimal
    remaining: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    trailing_percent: Decimal | None
    average: Decimal | None
    cost: Decimal
    fee: Fee | None
    time_in_force: TimeInForce
    reduce_only: bool
    group_id: str | None
    triggered_at: datetime | None
    reject_code: str | None
    created_at: datetime
    updated_at: datetime
    trailing_level: Decimal | None = None


class Trade(Message, frozen=True, kw_only=True):
    """One fill of an order; `realized_pnl` is in the account's reference currency, after fees."""

    id: str
    order_id: str
    account: str
    mode: Mode
    exchange: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Fee | None
    realized_pnl: Decimal | None
    created_at: datetime


class Holding(Message, frozen=True, kw_only=True):
    """What an account has of one currency: `total = free + locked`; `value` in the reference currency."""

    free: Decimal
    locked: Decimal
    total: Decimal
    value: Decimal | None


class Balance(Message, frozen=True, kw_only=True):
    """Everything an account holds, valued at mark prices."""

    account: str
    mode: Mode
    currencies: dict[str, Holding]
    reference_currency: str
    total_value: Decimal


class Profit(Message, frozen=True, kw_only=True):
    """Gain over what was deposited: `amount` in the reference currency, `percent` of the deposits."""

    amount: Decimal
    percent: Decimal


class Position(Message, frozen=True, kw_only=True):
    """A holding other than the reference currency (spot): average entry, mark and unrealised gain."""

    account: str
    symbol: str
    side: Literal["long", "short"]
    amount: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    unrealized_pnl: Decimal | None


class Portfolio(Message, frozen=True, kw_only=True):
    """The overview of one account: the fields of its balance, and what goes with them."""

    account: str
    mode: Mode
    currencies: dict[str, Holding]
    reference_currency: str
    total_value: Decimal
    open_orders: int
    positions: list[Position]
    profit: Profit
    as_of: datetime


class Check(Message, frozen=True, kw_only=True):
    """One rule an order was held against; `code` and `message` say why when `ok` is false."""

    name: str
    ok: bool
    code: str | None
    message: str | None


class Preview(Message, frozen=True, kw_only=True):
    """What placing an order would do now: expected price, cost, fee and the free balances after."""

    symbol: str
    side: Side
    type: OrderType
    amount: Decimal | None
    price: Decimal | None
    cost: Decimal | None
    fee: Fee | None
    balance_after: dict[str, Decimal]
    checks: list[Check]
    ok: bool


class Instrument(Message, frozen=True, kw_only=True):
    """A tradable market and its rules; fees are fractions (`0.001` = 0.1 %)."""

    symbol: str
    exchange: str
    type: Literal["spot", "swap", "option"]
    base: str
    quote: str
    price_tick: Decimal
    amount_step: Decimal
    min_amount: Decimal
    max_amount: Decimal | None
    min_cost: Decimal
    maker_fee: Decimal
    taker_fee: Decimal


class Ticker(Message, frozen=True, kw_only=True):
    """The last 24 hours of a market; `volume` in base units, `stale` when the feed is mute."""

    symbol: str
    exchange: str
    last: Decimal
    bid: Decimal
    ask: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    change_percent: Decimal
    as_of: datetime
    stale: bool


class Candle(Message, frozen=True, kw_only=True):
    """Open, high, low, close and base volume of one time frame; `timestamp` is its opening, epoch milliseconds."""

    timestamp: int
    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool


class Price(Message, frozen=True, kw_only=True):
    """The price event of the stream."""

    symbol: str
    exchange: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    as_of: datetime


class StreamEvent(Message, frozen=True, kw_only=True):
    """One event of a subscription: `id` grows, also over restarts; `reset` means events were missed."""

    id: int
    event: Literal["price", "reset"]
    payload: Price | None = None


class FeedStatus(Message, frozen=True, kw_only=True):
    """The state of one exchange's market feed; `tick_age` in seconds, None before the first tick."""

    exchange: str
    connected: bool
    symbols: int
    tick_age: float | None


class EngineStatus(Message, frozen=True, kw_only=True):
    """What the engine says of itself; `loop_lag` is how late its event loop last ran, in seconds."""

    pid: int
    octobot_version: str
    started_at: datetime
    accounts_in_memory: int
    open_orders: int
    loop_lag: float
    feeds: list[FeedStatus]


class BotConfig(Message, frozen=True, kw_only=True):
    """The configuration OctoBot's accounts run with, without secrets."""

    octobot_version: str
    config: dict[str, Any]


# ------------------------------------------------------------------------------------------------ requests


class Actor(Message, frozen=True, kw_only=True):
    """Who asks, for the audit log: the user and where the request came from."""

    user_id: str
    ip: str | None = None
    request_id: str | None = None


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


class Command(Request, frozen=True, kw_only=True):
    """Base of the requests that change something; `actor` goes to the audit log."""

    actor: Actor
    account: str


class PlaceOrder(Command, frozen=True, kw_only=True):
    """Place an order; with `idempotency_key` a repetition is answered with the first one's outcome."""

    ticket: OrderTicket
    idempotency_key: str | None = None


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


class CancelOrder(Command, frozen=True, kw_only=True):
    """Cancel one open order."""

    order_id: str


class CancelOrders(Command, frozen=True, kw_only=True):
    """Cancel all open orders of an account, of one symbol or side when given."""

    symbol: str | None = None
    side: Side | None = None


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


AnyRequest = (
    PlaceOrder
    | PreviewOrder
    | EditOrder
    | CancelOrder
    | CancelOrders
    | GetPortfolio
    | GetOpenOrders
    | GetTrades
    | GetInstruments
    | GetTickers
    | GetCandles
    | GetStatus
    | GetBotConfig
    | Subscribe
)

ANSWERS: dict[type[Request], Any] = {
    PlaceOrder: Order,
    PreviewOrder: Preview,
    EditOrder: Order,
    CancelOrder: Order,
    CancelOrders: list[Order],
    GetPortfolio: Portfolio,
    GetOpenOrders: list[Order],
    GetTrades: list[Trade],
    GetInstruments: list[Instrument],
    GetTickers: list[Ticker],
    GetCandles: list[Candle],
    GetStatus: EngineStatus,
    GetBotConfig: BotConfig,
}

# -------------------------------------------------------------------------------------------------- frames


class Call(msgspec.Struct, frozen=True, array_like=True):
    """A request and the moment (Unix seconds) after which nobody waits for its answer."""

    deadline: float
    request: AnyRequest


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """An encoded answer, or the fault that took its place."""

    answer: msgspec.Raw
    fault: Fault | None = None


HEADER = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
_call_decoder = msgspec.msgpack.Decoder(Call)
_reply_decoder = msgspec.msgpack.Decoder(Reply)
_answer_decoders = {kind: msgspec.msgpack.Decoder(answer) for kind, answer in ANSWERS.items()}
_event_decoder = msgspec.msgpack.Decoder(StreamEvent)
_NOTHING = msgspec.Raw(_encoder.encode(None))


def frame(body: bytes) -> bytes:
    """Put the length in front of `body`."""
    return HEADER.pack(len(body)) + body


def encode_call(call: Call) -> bytes:
    """Return the frame of `call`."""
    return frame(_encoder.encode(call))


def decode_call(body: bytes) -> Call:
    """Read a call.

    :raises msgspec.DecodeError: when `body` is not one.
    """
    return _call_decoder.decode(body)


def encode_answer(answer: Any) -> bytes:
    """Return the frame of a reply that holds `answer`."""
    return frame(_encoder.encode(Reply(msgspec.Raw(_encoder.encode(answer)))))


def encode_fault(fault: Fault) -> bytes:
    """Return the frame of a reply that holds `fault`."""
    return frame(_encoder.encode(Reply(_NOTHING, fault)))


def decode_reply(body: bytes, kind: type[Request]) -> Any:
    """Return the answer to a request of `kind`, or raise the fault.

    :raises TradingError: the engine's error, as the class it was raised with.
    :raises msgspec.DecodeError: when `body` is not a reply to `kind`.
    """
    reply = _reply_decoder.decode(body)
    if reply.fault is not None:
        raise reply.fault.error()
    return _answer_decoders[kind].decode(reply.answer)


def encode_event(event: StreamEvent) -> bytes:
    """Return the frame of one stream event."""
    return frame(_encoder.encode(event))


def decode_event(body: bytes) -> StreamEvent:
    """Read one stream event.

    :raises msgspec.DecodeError: when `body` is not one.
    """
    return _event_decoder.decode(body)
