"""What the engine counts and measures, in Prometheus' text format when it is asked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from engine.market import Market
from engine.octobot_account import OCTOBOT_VERSION
from engine.unit import Unit
from utils import wire

if TYPE_CHECKING:
    from engine.live.account import LiveAccount

LAG_PROBE_SECONDS = 0.1

REFUSED = "refused"
"""The outcome of an order that was never stored; the other outcomes are statuses."""

_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_COMMIT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5)


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

    def show(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read when somebody asks."""
        Gauge(name, what, registry=self._registry).set_function(value)

    def watch(self, markets: Iterable[Market], live: Callable[[], list[LiveAccount]]) -> None:
        """Add what is known of the exchanges: how fresh their prices are, and the breakers of live accounts."""
        self._registry.register(_Exchanges(list(markets), live))

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

    def __init__(self, markets: list[Market], live: Callable[[], list[LiveAccount]]) -> None:
        self._markets = markets
        self._live = live

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families."""
        connected = GaugeMetricFamily(
            "trading_feed_connected", "1 while prices of the exchange come in", labels=["exchange"]
        )
        age = GaugeMetricFamily(
            "trading_feed_age_seconds", "How long ago the prices of the exchange were read", labels=["exchange"]
        )
        for market in self._markets:
            status = market.status()
            connected.add_metric([status.exchange], status.connected)
            if status.tick_age is not None:
                age.add_metric([status.exchange], status.tick_age)
        yield connected
        yield age
        breakers = GaugeMetricFamily(
            "trading_exchange_breakers",
            "Live accounts in memory, by exchange and whether it answers them: an open breaker leaves it alone",
            labels=["exchange", "state"],
        )
        states = Tally(
            (account.record.exchange, "open" if account.trader.breaker.wait > 0 else "closed")
            for account in self._live()
        )
        for market in self._markets:
            for state in ("open", "closed"):
                breakers.add_metric([market.exchange, state], states[market.exchange, state])
        yield breakers
