"""Streams of server-sent events, and WebSockets."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.blueprint import ENGINE, Blueprint
from api.handover import hand_over, hand_over_socket
from api.schemas.streams import (
    AccountsQuery,
    CandlesQuery,
    PricesQuery,
    ProgressQuery,
    RankingQuery,
    ResumeHeaders,
    TicketQuery,
    resumed,
)
from services.streams import backtest_wish
from utils.follow import FollowAccounts, FollowCandles, FollowPrices, FollowRanking

blueprint = Blueprint("stream", "Server-sent events, to be resumed where they broke off, and WebSockets")

_PRICES = """\
retry: 2000

id: 1795175285001
event: price
data: {"symbol":"BTC/USDT","exchange":"demo","price":"60000","bid":"59999.99","ask":"60000.01",\
"as_of":"2026-11-20T12:00:05.586272Z"}

: heartbeat
"""
_CANDLES = """\
retry: 2000

id: 1795175280000
event: candle
data: {"timestamp":1795175280000,"time":"2026-11-20T12:08:00Z","open":"60000","high":"60012.5","low":"59990",\
"close":"60001","volume":"1.25","closed":false}
"""
_ACCOUNT = """\
retry: 2000

id: 41

id: 42
event: balance
data: {"account":"01a1f8c8-ff6e-7c04-88b0-97250dbe7be9","currencies":{"USDT":{"free":"9400","locked":"0",\
"total":"9400"}}}
"""
_PROGRESS = """\
retry: 2000

id: 1042
event: backtest
data: {"id":"01a1f8c8-ff6e-7c04-88b0-97250dbe7be9","state":"running","progress":42,"error_code":null,"error":null,\
"updated_at":"2026-11-29T12:00:05.5Z"}
"""
_RANKING = """\
retry: 2000

id: 1795175285001
event: ranking
data: {"tournament":"01a1f8c8-ff81-7a10-9b3e-0d6f2c8a4e71","status":"running","participants":200,"rankings":[\
{"rank":1,"return_percent":"12.5","value":"11250","trades":4,"win_rate":"50","volume":"24000","max_drawdown":"3.25",\
"participant":"01a1f8c8-ff84-7b21-8c3d-4e5f6a7b8c9d","user":"Ada","team":null}],"teams":[],\
"as_of":"2026-11-20T12:00:05.586272Z"}
"""


def _events(example: str) -> dict[str, object]:
    return {
        "description": "Events, as they happen",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": example}},
    }


_SWITCHED = {"description": "The connection is a WebSocket now"}
ERRORS = (501, *ENGINE)


@blueprint.route("/api/stream/prices", permission="market:read", errors=ERRORS, takes_ticket=True)
@blueprint.arguments(PricesQuery, location="query")
@blueprint.arguments(ResumeHeaders, location="headers")
@blueprint.doc(responses={200: _events(_PRICES)})
def stream_prices(query: FollowPrices, headers: dict[str, int]) -> Response:
    """Stream prices: `price` events, and `reset` when some were missed. Resume with `Last-Event-ID` or `since_id`."""
    return hand_over(resumed(query, headers))


@blueprint.route("/api/stream/candles", permission="market:read", errors=ERRORS, takes_ticket=True)
@blueprint.arguments(CandlesQuery, location="query")
@blueprint.arguments(ResumeHeaders, location="headers")
@blueprint.doc(responses={200: _events(_CANDLES)})
def stream_candles(query: FollowCandles, headers: dict[str, int]) -> Response:
    """Stream the running candle, and those that close: `candle` events, whose ids are openings (epoch milliseconds)."""
    return hand_over(resumed(query, headers))


@blueprint.route("/api/stream/account", permission="streams:read", errors=ERRORS, takes_ticket=True)
@blueprint.arguments(AccountsQuery, location="query")
@blueprint.arguments(ResumeHeaders, location="headers")
@blueprint.doc(responses={200: _events(_ACCOUNT)})
def stream_account(query: FollowAccounts, headers: dict[str, int]) -> Response:
    """Stream what happens to the caller's accounts: `order`, `trade`, `balance`, `position`, `strategy` and log events.

    Ids grow by one; a client that resumes gets exactly what it missed, also after restarts. After `reset`, reload all.
    """
    return hand_over(resumed(query, headers))


@blueprint.route("/api/backtesting/runs/<run_id>/events", permission="backtests:read", errors=ERRORS, takes_ticket=True)
@blueprint.arguments(ProgressQuery, location="query")
@blueprint.arguments(ResumeHeaders, location="headers")
@blueprint.doc(responses={200: _events(_PROGRESS), 204: {"description": "It is over, and its last event is known"}})
def stream_backtest(query: dict[str, Any], headers: dict[str, int], run_id: str) -> Response:
    """Stream the progress of a backtest: `backtest` events until it is over; then the stream ends."""
    return hand_over(resumed(backtest_wish(run_id, query.get("since_id")), headers))


@blueprint.route("/api/stream/rankings", permission="tournaments:read", errors=(404, *ERRORS), takes_ticket=True)
@blueprint.arguments(RankingQuery, location="query")
@blueprint.arguments(ResumeHeaders, location="headers")
@blueprint.doc(responses={200: _events(_RANKING)})
def stream_rankings(query: FollowRanking, headers: dict[str, int]) -> Response:
    """Stream the first 25 ranks of a tournament, and of its teams: a `ranking` event now and whenever they change.

    Each event is complete, so a client that resumes misses nothing. Ask for your own rank with `/me`.
    """
    return hand_over(resumed(query, headers))


@blueprint.route("/ws/market", permission="market:read", errors=(400, *ERRORS), takes_ticket=True, websocket=True)
@blueprint.arguments(TicketQuery, location="query")
@blueprint.doc(responses={101: _SWITCHED})
def open_market_socket(_query: dict[str, str]) -> Response:
    """Open a WebSocket with the channels `prices` and `candles`."""
    return hand_over_socket("market")


@blueprint.route("/ws/account", permission="streams:read", errors=(400, *ERRORS), takes_ticket=True, websocket=True)
@blueprint.arguments(TicketQuery, location="query")
@blueprint.doc(responses={101: _SWITCHED})
def open_account_socket(_query: dict[str, str]) -> Response:
    """Open a WebSocket with the channel `account`."""
    return hand_over_socket("account")


@blueprint.route(
    "/ws/strategies", permission="strategies:read", errors=(400, *ERRORS), takes_ticket=True, websocket=True
)
@blueprint.arguments(TicketQuery, location="query")
@blueprint.doc(responses={101: _SWITCHED})
def open_strategies_socket(_query: dict[str, str]) -> Response:
    """Open a WebSocket with the channel `strategies`: states, orders, trades, balances and logs of your strategies."""
    return hand_over_socket("strategies")


@blueprint.route("/ws/logs", permission="logs:read", errors=(400, *ERRORS), takes_ticket=True, websocket=True)
@blueprint.arguments(TicketQuery, location="query")
@blueprint.doc(responses={101: _SWITCHED})
def open_logs_socket(_query: dict[str, str]) -> Response:
    """Open a WebSocket with the channel `logs`: log records of all processes, secrets masked; for admins."""
    return hand_over_socket("logs")
