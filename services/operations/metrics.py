"""What the web processes count, and one page of it for Prometheus together with what the other parts say."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from services.jobs import Jobs
from services.leases import Leases
from services.principals import SCRAPER, Principal
from utils import shared_metrics
from utils.errors import TradingError
from utils.follow import StreamerStatus
from utils.octobot_bridge import OctoBotBridge
from utils.streamer_channel import StreamerChannel
from utils.version import VERSION

PART_SECONDS = 1.0
"""How long a part may take to tell its metrics; a scrape does not wait longer for one that hangs."""

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The method of requests with a made-up one: what a client chooses must not become a series."""

NOWHERE = "-"
"""The route of requests whose path leads to none."""

_REQUEST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_CALL = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)


class Metrics:
    """Count what this process does.

    The processes of one web server share their counts (`utils.shared_metrics`); the engine counts for itself.
    """

    def __init__(
        self, bridge: OctoBotBridge, streamer: StreamerChannel, jobs: Jobs, leases: Leases, token: str
    ) -> None:
        self._bridge = bridge.within(PART_SECONDS)
        self._streamer = streamer
        self._jobs = jobs
        self._leases = leases
        self._token = token.encode()
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "trading_http_requests", "Answers to requests", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "trading_http_request_seconds",
            "How long answers took, or the heads of streams",
            ["route", "method"],
            buckets=_REQUEST,
            registry=registry,
        )
        self._calls = Histogram(
            "trading_bridge_call_seconds",
            "How long web processes waited for the engine, by kind of request",
            ["request"],
            buckets=_CALL,
            registry=registry,
        )
        self._refusals = Counter(
            "trading_rate_limit_refusals", "Requests refused by a rate limit", ["limit"], registry=registry
        )
        # looking a series up by its labels costs more than counting
        self._known: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def count_request(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the pattern, never the path."""
        key = (route or NOWHERE, method if method in METHODS else OTHER, status)
        known = self._known.get(key)
        if known is None:
            counter, histogram = self._requests.labels(*key), self._seconds.labels(*key[:2])
            known = self._known[key] = (counter.inc, histogram.observe)
        known[0]()
        known[1](seconds)

    def count_call(self, request: str, seconds: float) -> None:
        """Count a call of the engine."""
        self._calls.labels(request).observe(seconds)

    def count_refusal(self, limit: str) -> None:
        """Count a request that a rate limit refused."""
        self._refusals.labels(limit).inc()

    def scraper(self, token: str) -> Principal | None:
        """Return the principal of whoever holds the token for metrics, None for any other token."""
        if not self._token or not hmac.compare_digest(token.encode(), self._token):
            return None
        return SCRAPER

    def page(self) -> str:
        """Return everything; of a part that does not answer only that it is away."""
        engine, streamer = _answer(self._bridge.metrics), _answer(self._streamer.status)
        is_alive, jobs = _answer(self._leases.is_a_worker_alive), _answer(self._jobs.counts)
        up = {"engine": engine is not None, "streamer": streamer is not None, "worker": bool(is_alive)}
        return _text(_Here(up, streamer, jobs or {})) + _text(self._shared()) + (engine or "")

    def _shared(self) -> Collector:
        directory = shared_metrics.directory()
        if directory is None:
            return self._registry
        together = CollectorRegistry()
        MultiProcessCollector(together, str(directory))
        return together


class _Here(Collector):
    """What is known at the moment of a scrape; such gauges are not counted in the files that processes share."""

    def __init__(
        self, up: Mapping[str, bool], streamer: StreamerStatus | None, jobs: Mapping[tuple[str, str], int]
    ) -> None:
        self._up = up
        self._streamer = streamer
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        yield _gauge("trading_build_info", "The version that runs", "version", {VERSION: 1})
        yield _gauge("trading_up", "1 when the part has answered this scrape", "part", self._up)
        kept = GaugeMetricFamily("trading_jobs", "Jobs that are kept, by kind and state", labels=["kind", "state"])
        for labels, count in self._jobs.items():
            kept.add_metric(labels, count)
        yield kept
        if self._streamer is not None:
            yield from _streams(self._streamer)


def _streams(status: StreamerStatus) -> Iterator[Metric]:
    yield _gauge("trading_stream_clients", "Connected clients of streams", "kind", status.clients)
    yield _gauge("trading_stream_topics", "Topics that somebody follows", "channel", status.topics)
    yield CounterMetricFamily("trading_stream_deliveries", "Events written to clients", status.deliveries)
    what = "Prices left out because newer ones had come: the streamer could not keep up"
    yield CounterMetricFamily("trading_stream_coalesced", what, status.coalesced)
    yield _counter("trading_stream_drops", "Streams ended from this side", "reason", status.drops)
    yield _counter("trading_stream_refusals", "Streams that were not opened", "code", status.refusals)
    yield GaugeMetricFamily(
        "trading_streamer_lag_seconds", "How late the streamer's event loop last woke up", status.lag_seconds
    )
    yield GaugeMetricFamily("trading_streamer_uptime_seconds", "Since the streamer started", status.uptime_seconds)
    what = "1 while the streamer hears of it from the engine"
    yield _gauge("trading_streamer_feed_connected", what, "feed", status.feeds)


def _gauge(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def _counter(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, what, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def _answer[Answer](ask: Callable[[], Answer]) -> Answer | None:
    """Return what a part answers, None when it is away."""
    try:
        return ask()
    except TradingError:
        return None


def _text(registry: Collector) -> str:
    return prometheus_client.generate_latest(registry).decode()
