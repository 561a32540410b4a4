"""What the engine counts and measures, in Prometheus' text format when it is asked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.accounts.octobot import OCTOBOT_VERSION
from engine.journal.unit import Unit
from engine.markets.market import Market
from utils import wire

if TYPE_CHECKING:
    from engine.accounts.accounts import Accounts
    from engine.journal.journal import Journal
    from engine.live.account import LiveAccount
    from engine.orders.triggers import Triggers

LAG_PROBE_SECONDS = 0.1

REFUSED = "refused"
"""The outcome of an order that was never stored; the other outcomes are statuses."""

_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_COMMIT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5)


_FEEDS: tuple[tuple[str, str, Callable[[wire.FeedStatus], float | None]], ...] = (
    ("trading_feed_connected", "1 while prices of the exchange are good to trade at", lambda feed: feed.connected),
    ("trading_feed_read_age_seconds", "Since prices of the exchange were last read", lambda feed: feed.tick_age),
    ("trading_feed_price_age_seconds", "Since any price of the exchange moved", lambda feed: feed.price_age),
    ("trading_feed_mute_symbols", "Markets that show no life for too long", lambda feed: len(feed.mute_symbols)),
    ("trading_feed_latency_seconds", "How long the last reading of prices took", lambda feed: feed.latency),
)


class Metrics:
    """Count for one engine. Counters start at zero with it, which Prometheus expects."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()
        self._registry = registry = CollectorRegistry()
        ProcessCollector(namespace="trading_engine", registry=registry)
        self._orders = Counter(
            "trading_orders",
            "Statuses that orders came to, each counted when it was committed, and orders that were refused",
            ["mode", "type", "outcome"],
            registry=registry,
        )
        commits = Counter(
            "trading_journal_commits",
            "Transactions of the journal, and those that the database did not take",
            ["outcome"],
            registry=registry,
        )
        self._stored, self._failed = commits.labels("stored"), commits.labels("failed")
        self._units = Counter("trading_journal_units", "Changes of accounts that were committed", registry=registry)
        self._commit = Histogram(
            "trading_journal_commit_seconds",
            "How long a transaction of the journal took",
            buckets=_COMMIT,
            registry=registry,
        )
        self.lag = 0.0
        """How late the event loop last woke up, in seconds."""
        self._lags = Histogram(
            "trading_engine_lag_seconds",
            "How late the engine's event loop woke up, measured ten times a second",
            buckets=_LAG,
            registry=registry,
        )
        info = Gauge("trading_engine_info", "The OctoBot that trades", ["octobot"], registry=registry)
        info.labels(OCTOBOT_VERSION).set(1)

    def watch(self, accounts: Accounts, triggers: Triggers, journal: Journal, markets: Iterable[Market]) -> None:
        """Add what is read when somebody asks."""
        for name, what, read in (
            ("trading_engine_accounts", "Accounts in memory", lambda: len(accounts)),
            ("trading_engine_open_orders", "Orders that wait for a price", lambda: len(triggers)),
            ("trading_journal_waiting", "Changes that are not committed yet", lambda: journal.waiting),
        ):
            Gauge(name, what, registry=self._registry).set_function(read)
        self._registry.register(_Exchanges(markets, accounts.live))

    async def measure_lag(self) -> None:
        """Measure until cancelled how late the event loop is."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(LAG_PROBE_SECONDS)
            self.lag = max(time.monotonic() - before - LAG_PROBE_SECONDS, 0.0)
            self._lags.observe(self.lag)

    def committed(self, units: Sequence[Unit], seconds: float) -> None:
        """Count one transaction and the moves of the orders in it; called on the journal's thread."""
        self._stored.inc()
        self._units.inc(len(units))
        self._commit.observe(seconds)
        for unit in units:
            for order in unit.moves:
                self._orders.labels(order.mode, order.type, order.status).inc()

    def failed(self) -> None:
        """Count a transaction that was not stored."""
        self._failed.inc()

    def refused(self, mode: wire.Mode, kind: wire.OrderType) -> None:
        """Count an order that was refused before anything was stored."""
        self._orders.labels(mode, kind, REFUSED).inc()

    def text(self) -> str:
        """Return all of it."""
        return prometheus_client.generate_latest(self._registry).decode()


class _Exchanges(Collector):
    """Read the state of every exchange at the moment of a scrape."""

    def __init__(self, markets: Iterable[Market], live: Callable[[], list[LiveAccount]]) -> None:
        self._markets = markets
        self._live = live

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        statuses = [market.status() for market in self._markets]
        yield from self._feeds(statuses)
        ages = GaugeMetricFamily(
            "trading_feed_age_seconds", "Since a market last showed a sign of life", labels=["exchange", "symbol"]
        )
        for status in statuses:
            for symbol, age in status.symbol_ages.items():
                ages.add_metric([status.exchange, symbol], age)
        yield ages
        yield self._breakers()

    def _feeds(self, statuses: list[wire.FeedStatus]) -> Iterator[Metric]:
        for name, what, read in _FEEDS:
            gauge = GaugeMetricFamily(name, what, labels=["exchange"])
            for status in statuses:
                value = read(status)
                if value is not None:
                    gauge.add_metric([status.exchange], value)
            yield gauge
        reconnects = CounterMetricFamily(
            "trading_feed_reconnects", "Connections made anew after a failure or silence", labels=["exchange"]
        )
        for status in statuses:
            reconnects.add_metric([status.exchange], status.reconnects)
        yield reconnects

    def _breakers(self) -> Metric:
        breakers = GaugeMetricFamily(
            "trading_exchange_breakers",
            "Live accounts in memory; those whose breaker is open leave their exchange alone, since it does not answer",
            labels=["exchange", "state"],
        )
        states = Tally(
            (account.record.exchange, "open" if account.trader.breaker.wait > 0 else "closed")
            for account in self._live()
        )
        for market in self._markets:
            for state in ("open", "closed"):
                breakers.add_metric([market.exchange, state], states[market.exchange, state])
        return breakers
