"""The only door to OctoBot: `OctoBotBridge`, one typed method per request, over the engine's Unix socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from utils import wire
from utils.unix_transport import UnixTransport

__all__ = ["OctoBotBridge", "Transport", "UnixTransport"]


class Transport(Protocol):
    """Carry requests to an engine and answers back."""

    def call(self, request: wire.AnyRequest, deadline: float) -> Any:
        """Send `request` and return its answer (see `wire.ANSWERS`).

        :param deadline: Unix time after which nobody waits any more.
        :raises TradingError: the engine's error.
        :raises EngineUnavailable: when the engine cannot be reached; nothing was done.
        :raises EngineTimeout: when no answer came; the outcome is unknown.
        """

    def stream(self, request: wire.Subscription) -> Iterator[Any]:
        """Yield what the frames of a subscription hold; None for each heartbeat.

        :raises EngineUnavailable: when the engine cannot be reached or goes away.
        """


class OctoBotBridge:
    """Ask OctoBot, from any thread; every call has one deadline of `timeout` seconds.

    All methods raise what `Transport.call` raises.
    """

    def __init__(
        self, transport: Transport, timeout: float = 5.0, observe: Callable[[str, float], None] | None = None
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._observe = observe

    def within(self, timeout: float) -> OctoBotBridge:
        """Return a bridge to the same engine whose calls have a deadline of `timeout` seconds."""
        return OctoBotBridge(self._transport, timeout, self._observe)

    def observed(self, observe: Callable[[str, float], None]) -> OctoBotBridge:
        """Return the same bridge; `observe` is told the kind of each request and how many seconds its call took."""
        return OctoBotBridge(self._transport, self._timeout, observe)

    def place_order(self, command: wire.PlaceOrder) -> wire.Order:
        """Place an order. :raises Refused: with the rule it breaks as code. :raises Conflict: key or id is taken."""
        return self._call(command)

    def preview_order(self, query: wire.PreviewOrder) -> wire.Preview:
        """Return what an order would cost and every check's result. :raises Conflict: `account_archived`."""
        return self._call(query)

    def edit_order(self, command: wire.EditOrder) -> wire.Order:
        """Change an open order; its id stays. :raises NotFound: unknown id. :raises Conflict: not open any more."""
        return self._call(command)

    def cancel_order(self, command: wire.CancelOrder) -> wire.Order:
        """Cancel an open order. :raises NotFound: unknown id. :raises Conflict: not open any more."""
        return self._call(command)

    def cancel_orders(self, command: wire.CancelOrders) -> list[wire.Order]:
        """Cancel all open orders that match and return them."""
        return self._call(command)

    def close_position(self, command: wire.ClosePosition) -> wire.Order:
        """Close a position at the market. :raises NotFound: unknown symbol, or there is none."""
        return self._call(command)

    def set_leverage(self, command: wire.SetLeverage) -> wire.Leverage:
        """Choose the leverage of a market. :raises NotFound: unknown symbol. :raises Refused: the margin forbids it."""
        return self._call(command)

    def place_orders(self, command: wire.PlaceOrders) -> list[wire.Placement]:
        """Place a batch, one order after the other; each has its own outcome.

        :raises Refused: `idempotency_key_reused` when the key belongs to another request.
        """
        return self._call(command)

    def set_risk_limits(self, command: wire.SetRiskLimits) -> wire.RiskLimits:
        """Replace an account's risk limits; they hold when this answers. :raises Refused: `unknown_symbol`."""
        return self._call(command)

    def engage_kill_switch(self, command: wire.EngageKillSwitch) -> wire.KillSwitchState:
        """Refuse new orders and cancel the open ones; tells which are canceled and which are not yet."""
        return self._call(command)

    def release_kill_switch(self, command: wire.ReleaseKillSwitch) -> wire.KillSwitchState:
        """Take orders again. :raises Forbidden: when an admin engaged the switch and a user wants to release it."""
        return self._call(command)

    def deposit(self, command: wire.DepositFunds) -> wire.Deposit:
        """Pay into a paper account. :raises Refused: `currency_not_valued`. :raises Conflict: live, or archived."""
        return self._call(command)

    def reset_account(self, command: wire.ResetAccount) -> wire.AccountState:
        """Begin a paper account anew. :raises Conflict: live, or archived."""
        return self._call(command)

    def archive_account(self, command: wire.ArchiveAccount) -> wire.AccountState:
        """Let an account trade no more. :raises Conflict: an order could not be canceled."""
        return self._call(command)

    def freeze_tournament(self, query: wire.FreezeTournament) -> wire.Marks:
        """Let nothing of a tournament trade any more; tells the prices. :raises Conflict: `tournament_not_over`."""
        return self._call(query)

    def close_entries(self, command: wire.CloseEntries) -> list[wire.ClosedEntry]:
        """Close accounts of a tournament, each with an outcome of its own. :raises Conflict: `tournament_not_over`."""
        return self._call(command)

    def strategy_classes(self) -> list[wire.StrategyClass]:
        """Return what strategies can be."""
        return self._call(wire.GetStrategyClasses())

    def check_strategy(self, query: wire.CheckStrategy) -> wire.StrategyDraft:
        """Return a strategy with all its settings. :raises Refused: it does not fit. :raises NotFound: no market."""
        return self._call(query)

    def move_strategy(self, command: wire.MoveStrategy) -> wire.Strategy:
        """Bring a strategy into another state. :raises Conflict: it is in one that the action does not go with."""
        return self._call(command)

    def edit_strategy(self, command: wire.EditStrategy) -> wire.Strategy:
        """Change a strategy's settings. :raises Refused: `invalid_settings`."""
        return self._call(command)

    def send_alert(self, command: wire.SendAlert) -> list[wire.Order]:
        """Let a strategy act on an alert. :raises Conflict: it does not run. :raises Refused: the order is."""
        return self._call(command)

    def equity(self, accounts: list[str], currency: str | None = None) -> list[wire.Equity]:
        """Return what accounts are worth, in their order; one whose exchange is away says so."""
        return self._call(wire.GetEquity(accounts=accounts, currency=currency))

    def ranking(self, query: wire.GetRanking) -> wire.Ranking:
        """Return a part of a running tournament's ranking. :raises NotFound: `not_ranked` when it is not followed."""
        return self._call(query)

    def store_ranking(self, tournament: str) -> None:
        """Store how a tournament's participants stand, if it is followed."""
        self._call(wire.StoreRanking(tournament=tournament))

    def portfolio(self, account: str) -> wire.Portfolio:
        """Return the account's holdings valued at mark prices."""
        return self._call(wire.GetPortfolio(account=account))

    def open_orders(self, account: str) -> list[wire.Order]:
        """Return the open orders as OctoBot holds them in memory."""
        return self._call(wire.GetOpenOrders(account=account))

    def trades(self, account: str) -> list[wire.Trade]:
        """Return the trades that OctoBot made for the account since it came into memory, oldest first."""
        return self._call(wire.GetTrades(account=account))

    def listing(self, exchange: str | None = None) -> wire.Listing:
        """Return the markets of an exchange, or of all, and when they were read. :raises NotFound: unknown exchange."""
        return self._call(wire.GetInstruments(exchange=exchange))

    def instruments(self, exchange: str | None = None) -> list[wire.Instrument]:
        """Return the markets of an exchange, or of all, and their rules. :raises NotFound: unknown exchange."""
        return self.listing(exchange).instruments

    def tickers(self, exchange: str, symbols: list[str] | None = None) -> list[wire.Ticker]:
        """Return the tickers. :raises NotFound: unknown exchange or symbol."""
        return self._call(wire.GetTickers(exchange=exchange, symbols=symbols))

    def ticker(self, exchange: str, symbol: str) -> wire.Ticker:
        """Return one ticker. :raises NotFound: unknown exchange or symbol."""
        return self.tickers(exchange, [symbol])[0]

    def candles(self, query: wire.GetCandles) -> wire.CandleSeries:
        """Return candles, ascending. :raises NotFound: unknown exchange or symbol. :raises Refused: time frame."""
        return self._call(query)

    def order_book(self, query: wire.GetOrderBook) -> wire.OrderBook:
        """Return the best offers. :raises NotFound: unknown exchange or symbol."""
        return self._call(query)

    def market_trades(self, query: wire.GetMarketTrades) -> wire.MarketTrades:
        """Return the latest trades of a market. :raises NotFound: unknown exchange or symbol."""
        return self._call(query)

    def option_chain(self, query: wire.GetOptionChain) -> wire.OptionChain:
        """Return the options on a market. :raises NotFound: unknown market or expiry, or there are no options."""
        return self._call(query)

    def verify_credential(self, query: wire.VerifyCredential) -> wire.CredentialCheck:
        """Return what an exchange says of sealed keys. :raises ExchangeUnavailable: it cannot be asked now."""
        return self._call(query)

    def status(self) -> wire.EngineStatus:
        """Return how the engine is."""
        return self._call(wire.GetStatus())

    def connect_exchange(self, command: wire.ConnectExchange) -> wire.FeedStatus:
        """Follow an exchange. :raises Refused: `unknown_exchange`."""
        return self._call(command)

    def disconnect_exchange(self, command: wire.DisconnectExchange) -> wire.DisconnectedExchange:
        """Follow an exchange no more. :raises NotFound: it is not connected. :raises Conflict: it is in use."""
        return self._call(command)

    def metrics(self) -> str:
        """Return what the engine counts and measures, in Prometheus' text format."""
        return self._call(wire.GetMetrics())

    def bot_config(self) -> wire.BotConfig:
        """Return the configuration OctoBot runs with, without secrets."""
        return self._call(wire.GetBotConfig())

    def subscribe(self, query: wire.Subscribe) -> Iterator[wire.StreamEvent | None]:
        """Yield price events as they happen; None for each heartbeat. Close the iterator to unsubscribe."""
        return self._transport.stream(query)

    def account_events(self, query: wire.SubscribeAccountEvents) -> Iterator[list[wire.AccountEvent] | None]:
        """Yield what is committed from now on, for all users: at once an empty list, then lists as they come."""
        return self._transport.stream(query)

    def _call(self, request: wire.AnyRequest) -> Any:
        if self._observe is None:
            return self._transport.call(request, time.time() + self._timeout)
        began = time.perf_counter()
        try:
            return self._transport.call(request, time.time() + self._timeout)
        finally:
            self._observe(type(request).__name__, time.perf_counter() - began)
