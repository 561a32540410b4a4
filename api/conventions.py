"""The conventions of the whole API: the description at the top of the document, and its shared components."""

from __future__ import annotations

from typing import Any

from utils.origins import REPLAYED

TITLE = "Trading Backend"
DESCRIPTION = """\
A REST API for many users in front of OctoBot. Users trade on paper and, if the operator allows it, live with their own
exchange keys.

**Answers** are `{"success": true, "data": …}`. Errors are `application/problem+json` (RFC 9457), one body everywhere;
`error_code` is stable and meant for programs, `request_id` finds the request in the log.

**Signing in.** `POST /api/auth/signup`, then `POST /api/auth/login`, then send `Authorization: Bearer <access_token>`.
An access token is valid for 15 minutes; `POST /api/auth/refresh` exchanges the refresh token, which can be used once,
for a new pair. A refresh token that is used twice ends its session. Users with a second factor
(`/api/auth/totp`) send a code as `totp` with the login; without it the answer is 401 `totp_required`.

**API keys** are for programs: `POST /api/auth/api-keys` with the password (and `totp`, with a second factor), then send
`X-API-Key` instead. A key can do what its scopes (`read`; `trade`, which reads too; `admin`) and its owner's role
permit. It ends when its owner is deactivated, changes the password, or is signed out by an administrator. It cannot
sign out, create keys, store exchange keys, or change users or the bot's configuration.

**Repeating.** Send an `Idempotency-Key` with what trades: the same key with the same body is answered with the first
outcome and the header `Idempotent-Replayed: true`, with another body it is refused (422 `idempotency_key_reused`). Keys
belong to one user and live for 7 days.
A batch has one key: when it is repeated, orders already placed are returned, and the others are placed.
After a 504 the outcome is unknown: repeat the request with the same key, or look the order up by its `client_order_id`.

**Risk.** An order above a limit of its account is refused with 422 and a code that begins with `risk_`; under an
engaged kill switch the code is `kill_switch`. A preview shows every check.

**Live orders** are sent once and followed until their outcome is certain. The server itself holds stops,
take-profits, trailing stops, the stop of a pair and the stop-loss of a bracket until they trigger (`sent_at` is null);
they trigger only while it runs.

**Strategies** trade on their own accounts. Add one; `init` funds it from its parent account, `start` lets it trade,
`stop` returns what it holds; `remove` hides it until it is restored, `delete` is final. A strategy that fails is
stopped, its open orders are canceled, and `error` says why. An action that its state does not
allow is answered 409 `strategy_<state>`.

**Backtests** play a strategy on recorded candles. `POST` answers 202; the run is `queued`, then `running`, and
`succeeded` when its report is ready. `DELETE` cancels an unfinished run, and deletes a finished one.
`POST /api/backtesting/data` uploads your own candles: CSV, or a `.data` file of OctoBot.
`POST /api/backtesting/sweeps` plays a strategy with every combination of some settings, and ranks the results.

**Tournaments** open, start and end on schedule (`draft`, `registration`, `running`, `closing`, `finished`, or
`cancelled`). Every participant gets a separate account and trades it through the usual routes; an order before the
start or after the end is answered 409 `tournament_not_started` or `tournament_over`. At the end open orders are
canceled and all positions are closed at the same prices, those of the end. Participants are notified (`kind` is
`tournament`) once of each `payload.event`: `joined`, `started`, `cancelled`, `ended` with rank and return,
`prize_won`, `prize_paid` and `prize_failed`.

**Rankings** are at most a second old while a tournament runs, and final once it is settled: by return, then by the
smaller drawdown, then by who joined first. Trades, volume and win rate count only what participants traded themselves,
not the closing at the end. Drawdowns are calculated from values taken once a second while the engine runs; one that is
killed loses those of at most ten seconds. Prizes sum to the pool; they are records of what the operator pays.

**Lists** are paged: send `pagination.next_cursor` as `cursor` to get the next page, until `has_more` is false.

**Numbers** are decimal strings, in and out; JSON numbers are accepted too. **Times** are RFC 3339 in UTC.
Markets are written `BTC/USDT`, in any case, or `BTC-USDT` where a slash is in the way.

**Market data** says how old it is (`as_of`), and is `stale` when the exchange is away or mute; stale prices are not
traded at. Instruments, and candles that will not change any more, have an `ETag` and a `Cache-Control`:
ask again with `If-None-Match`, and 304 says that nothing is new. Answers over 1 KB are compressed for clients that send
`Accept-Encoding: gzip`; streams never are.

**The operator's bot** is configured under `/api/config`: `PATCH` is a JSON merge patch (RFC 7396) that is refused
as a whole when any part is wrong. Secrets are shown as `[redacted]`; sent back, it leaves them unchanged.
Send the `ETag` that you read as `If-Match`, so that you do not overwrite somebody else's change (412
`config_changed`). Every change is in the history and can be rolled back to. OctoBot reads its configuration at its
start: `restart_required` says that a restart is needed, `?restart=true` restarts it. Otherwise a running bot may undo
the change when it saves its own configuration.

**Rate limits** are per user or API key, and per address for anonymous callers; `X-RateLimit-*` tell what is left.
"""
SERVERS = [
    {"url": "/", "description": "The installation that serves this document"},
    {"url": "http://127.0.0.1:5000", "description": "An installation on this machine, as `make run` starts it"},
]
PARAMETERS = {
    "account": "The id of an account.",
    "account_id": "The id of an account.",
    "api_key_id": "The id of an API key.",
    "action": "What was done, such as `session.started`.",
    "base": "The currency that is traded.",
    "client_order_id": "The id that the client gave the order.",
    "credential_id": "The id of a credential.",
    "depth": "How many offers on each side.",
    "direction": "`desc`: newest first.",
    "exchange": "The exchange.",
    "file_id": "The id of an upload.",
    "Last-Event-ID": "The id of the last event that was read; browsers send it by themselves. It wins over `since_id`.",
    "is_active": "Whether active users are wanted, or deactivated ones; all when absent.",
    "ip": "The address it came from.",
    "limit": "How many at most.",
    "name": "The name of the file.",
    "order_id": "The id of an order.",
    "outcome": "Whether it was done, or denied.",
    "participant": "The id of a participant.",
    "position_id": "The `id` of a position: its symbol, `BTC-USDT`.",
    "prize_id": "The id of a prize.",
    "profile_id": "The id of a profile.",
    "quote": "The currency that is paid with.",
    "request_id": "The id of a request.",
    "role": "The role of the user.",
    "run_id": "The id of a backtest.",
    "search": "A part of the symbol, in any case.",
    "signal_key": "The secret key of `POST /api/strategies/{strategy_name}/signal-keys`.",
    "signal_key_id": "The id of a key.",
    "side": "The side of the order.",
    "session_id": "The id of a session.",
    "since_id": "The id of the last event that was read.",
    "strategy_name": "The name of a strategy.",
    "alert_id": "The id of a price alert.",
    "webhook_id": "The id of a webhook.",
    "level": "How grave it is; all when absent.",
    "status": "Whether what is still open is wanted, or what is not, or both.",
    "symbol": "A market, `BTC/USDT` or `BTC-USDT`, in any case.",
    "sweep_id": "The id of a sweep.",
    "tentacle_name": "The name of a tentacle's class.",
    "target": "The id of what was changed.",
    "team_id": "The id of a team.",
    "tournament": "The id of a tournament.",
    "tournament_id": "The id of a tournament.",
    "user_id": "The id of a user.",
}
"""What parameters mean whose schema does not say it."""

DECIMALS: dict[str, dict[str, Any]] = {
    "DecimalString": {
        "description": "An exact number; never in scientific notation.",
        "type": "string",
        "format": "decimal",
        "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
        "examples": ["0.5"],
    },
    "DecimalInput": {
        "description": "An exact number of at most 30 digits: a decimal string, or a JSON number.",
        "type": ["string", "number"],
        "format": "decimal",
        "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$",
        "examples": ["0.5", 0.5],
    },
}
COMPONENTS: dict[str, dict[str, Any]] = {
    "securitySchemes": {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access_token` of `POST /api/auth/login`.",
        },
        "api_key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "The `key` of `POST /api/auth/api-keys`.",
        },
    },
    "headers": {
        "RequestId": {
            "description": "The id of the request: the client's `X-Request-ID`, or a fresh one.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
        },
        "RateLimit": {
            "description": "Requests that the tightest limit allows.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "RateRemaining": {"description": "How many of them are left.", "schema": {"type": "integer", "minimum": 0}},
        "RateReset": {"description": "When they start anew, Unix seconds.", "schema": {"type": "integer"}},
        "RetryAfter": {
            "description": "Seconds after which the same request may succeed.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "Challenge": {"description": "How to sign in.", "schema": {"type": "string"}},
        "Location": {"description": "Where what was created is found.", "schema": {"type": "string"}},
        "IdempotentReplayed": {
            "description": "`true` when the `Idempotency-Key` had come before; absent from the first answer.",
            "schema": {"type": "string", "enum": ["true"]},
        },
        "ETag": {"description": "Names this answer; send it as `If-None-Match`.", "schema": {"type": "string"}},
        "CacheControl": {
            "description": "How long the answer may be kept; `no-store`: not at all.",
            "schema": {"type": "string"},
        },
    },
}
ALWAYS = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
REPEATABLE = {REPLAYED: {"$ref": "#/components/headers/IdempotentReplayed"}}
LIMITED = {
    "X-RateLimit-Limit": {"$ref": "#/components/headers/RateLimit"},
    "X-RateLimit-Remaining": {"$ref": "#/components/headers/RateRemaining"},
    "X-RateLimit-Reset": {"$ref": "#/components/headers/RateReset"},
}
