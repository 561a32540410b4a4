"""What the Postman collection does that the OpenAPI document does not say: a run from top to bottom, as a new user."""

from __future__ import annotations

from typing import Any

FIRST = ("auth", "accounts", "market")
"""Folders that others need: the price of an order comes from the market."""
LAST = ("archive_account", "end_session", "log_out_everywhere", "log_out")
LEFT_OUT = (
    "data files",
    "credentials",
    "second factor",
    "webhooks",
    "close_position",
    "close_paper_position",
    *("change_email", "delete_me", "delete_user"),
    "get_backtest_report",
    *("get_tournament", "join_tournament", "leave_tournament"),
    *("list_teams", "make_team", "join_team", "leave_team"),
    *("list_rankings", "list_team_rankings", "get_rank_history", "get_own_rank", "list_prizes"),
    "get_own_leaderboard_row",
    *("send_email_code", "confirm_email", "test_email"),
)
"""Folders and operations."""

FOLDERS = {"signals": "strategies"}
"""Tags whose requests belong to the story of another."""
STORY = (
    ("add_strategy", "init_strategy", "start_strategy", "make_signal_key", "receive_alert"),
    ("edit_strategy", "stop_strategy", "delete_signal_key", "remove_strategy", "list_removed_strategies"),
    ("restore_strategy", "delete_strategy"),
)
"""Operations whose order matters: the first before all others of their folder, the rest after them."""

PATH_VALUES = {
    "account_id": "{{openedId}}",
    "alert_id": "{{alertId}}",
    "api_key_id": "{{apiKeyId}}",
    "client_order_id": "{{clientOrderId}}",
    "name": "init.js",
    "order_id": "{{orderId}}",
    "prize_id": "{{$guid}}",
    "profile_id": "default",
    "run_id": "{{runId}}",
    "session_id": "{{sessionId}}",
    "signal_key": "{{signalKey}}",
    "signal_key_id": "{{signalKeyId}}",
    "strategy_name": "{{strategyName}}",
    "sweep_id": "{{sweepId}}",
    "symbol": "BTC-USDT",
    "tournament_id": "{{$guid}}",
    "tentacle_name": "GridTradingMode",
    "user_id": "{{userId}}",
}
FUTURES = {"set_leverage"}
"""Operations that need a futures account."""
QUERY_VALUES = {
    "symbol": "BTC/USDT",
    "symbols": "BTC/USDT,ETH/USDT",
    "timeframe": "1h",
    "limit": "20",
    "scope": "user",
    "account": "{{accountId}}",
}
HEADER_VALUES = {"Idempotency-Key": "{{$guid}}", "If-Match": "*"}
BODIES: dict[str, dict[str, Any]] = {
    "SignUp": {"username": "{{username}}", "email": "{{username}}@example.com", "password": "{{password}}"},
    "LogIn": {"username": "{{username}}", "password": "{{password}}"},
    "ChangePassword": {"current_password": "{{password}}", "new_password": "{{password}}"},
    "NewApiKey": {"name": "My bot", "scopes": ["trade"], "password": "{{password}}"},
    "Refresh": {"refresh_token": "{{refreshToken}}"},
    "OrderTicket": {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "amount": "0.01", "price": "{{limitPrice}}"},
    "OrderChanges": {"amount": "0.012"},
    "NewAccount": {"name": "Futures {{$guid}}", "mode": "paper", "exchange": "demo", "type": "futures"},
    "Rename": {"name": "Perpetuals {{$guid}}"},
    "LeverageChange": {"account": "{{openedId}}", "leverage": "10"},
    "NewStrategy": {
        "name": "signal-{{$guid}}",
        "strategy_class": "signal",
        "portfolio_name": "BTC/USDT",
        "funding": "50",
    },
    "NewSweep": {
        "strategy_class": "dca",
        "symbols": ["BTC/USDT"],
        "timeframe": "1h",
        "grid": {"every": [2, 4]},
        "starting_portfolio": {"USDT": "1000"},
    },
    "NewBacktest": {
        "strategy_class": "dca",
        "symbols": ["BTC/USDT"],
        "timeframe": "1h",
        "starting_portfolio": {"USDT": "1000"},
    },
    "StrategyChanges": {"settings": {"share_percent": "50"}},
    "Restore": {"strategy_name": "{{strategyName}}"},
    "Alert": {"action": "buy", "symbol": "BTCUSDT", "quote_amount": "20"},
    "KillSwitchOrder": {"scope": "user", "reason": "Trying it out"},
}
"""What is sent instead of the document's examples: a run has a user and prices of its own."""
_SIGN_IN_AGAIN = [
    "pm.sendRequest({",
    '    url: pm.variables.get("baseUrl") + "/api/auth/login",',
    '    method: "POST",',
    '    header: { "Content-Type": "application/json" },',
    "    body: {",
    '        mode: "raw",',
    "        raw: JSON.stringify({",
    '            username: pm.variables.get("username"),',
    '            password: pm.variables.get("password"),',
    "        }),",
    "    },",
    '}, (error, answer) => pm.collectionVariables.set("token", answer.json().data.access_token));',
]
BEFORE = {
    # what comes before them ends the session
    "log_out_everywhere": _SIGN_IN_AGAIN,
    "log_out": _SIGN_IN_AGAIN,
    "sign_up": ['pm.collectionVariables.set("username", "postman-" + pm.variables.replaceIn("{{$randomUUID}}"));'],
}
_TOKENS = {"token": "answer.access_token", "refreshToken": "answer.refresh_token"}
KEEP = {
    "sign_up": {"userId": "answer.id"},
    "log_in": _TOKENS,
    "refresh_tokens": _TOKENS,
    "change_password": _TOKENS,
    "list_sessions": {"sessionId": "answer[0].id"},
    "list_accounts": {"accountId": "answer[0].id"},
    "open_account": {"openedId": "answer.id"},
    "create_price_alert": {"alertId": "answer.id"},
    "create_api_key": {"apiKeyId": "answer.id"},
    "add_strategy": {"strategyName": "answer.name"},
    "start_backtest": {"runId": "answer.id"},
    "start_sweep": {"sweepId": "answer.id"},
    "make_signal_key": {"signalKey": "answer.key", "signalKeyId": "answer.id"},
    "place_order": {"orderId": "answer.id", "clientOrderId": "answer.client_order_id"},
    # far enough below the market to stay open
    "get_ticker": {"limitPrice": "Math.floor(Number(answer.last) * 0.9).toString()"},
}
"""What later requests need of an operation's answer."""
ADMIN_ONLY = ("config", "bot", "logs", "metrics", "administration", "announcements", "statistics", "audit log")
"""Folders that a user is kept out of."""
FOR_ADMINS = (
    *("connect_exchange", "disconnect_exchange"),
    *("create_tournament", "edit_tournament", "delete_tournament"),
    *("open_tournament", "start_tournament", "end_tournament", "cancel_tournament"),
    *("list_managed_prizes", "export_prizes", "change_prize"),
)
"""Operations of other folders that a user may not do."""
