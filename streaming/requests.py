"""What a request to the streamer's own port asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from services.market import DEFAULT_EXCHANGE
from services.streams import account_wish, backtest_wish, candle_wish, price_wish, ranking_wish
from utils.bearer import bearer_token
from utils.errors import FieldError, Malformed, NotFound, Refused, Unauthenticated
from utils.follow import SOCKETS, OpenSocket, Wish

MAX_FIELDS = 20
MAX_ID = 2**63 - 1
_COMMON = frozenset({"since_id", "ticket"})
_KNOWN = {
    "/api/stream/prices": frozenset({"symbols", "exchange"}),
    "/api/stream/candles": frozenset({"symbol", "timeframe", "exchange"}),
    "/api/stream/account": frozenset({"account"}),
    "/api/stream/rankings": frozenset({"tournament"}),
}
_BACKTEST = re.compile(r"/api/backtesting/runs/([^/]+)/events")


@dataclass(frozen=True, kw_only=True)
class StreamRequest:
    """A request as it came: its path, its headers by lower-case name, and its bytes."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes
    early: bytes = b""

    @property
    def path(self) -> str:
        """Return the path that is asked for."""
        return unquote(self._parts.path)

    @property
    def query(self) -> dict[str, str]:
        """Return the query. :raises Malformed: it has too many members. :raises Refused: one is there twice."""
        try:
            pairs = parse_qsl(self._parts.query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise Malformed("The query has too many members.") from None
        query = dict(pairs)
        if len(query) < len(pairs):
            names = [name for name, _ in pairs]
            raise _refused(next(name for name in names if names.count(name) > 1), "repeated", "Send it once.")
        return query

    @property
    def is_socket(self) -> bool:
        """Tell whether a WebSocket is asked for."""
        return self.path in SOCKETS

    def wish(self) -> Wish | OpenSocket:
        """Return what is asked for.

        :raises NotFound: there is no such stream. :raises Refused: the query is not valid; `errors` name the fields.
        """
        if self.path in SOCKETS:
            if "websocket" not in self.headers.get("upgrade", "").lower():
                raise Malformed("This path is for WebSockets.", code="websocket_handshake")
            _check_names(self.query, frozenset())
            return OpenSocket(kind=SOCKETS[self.path], handshake=self.raw, early=self.early)
        run = _BACKTEST.fullmatch(self.path)
        if run is None and self.path not in _KNOWN:
            raise NotFound("There is nothing at this path.")
        query = self.query
        _check_names(query, _KNOWN.get(self.path, frozenset()))
        since = self._since(query)
        if run is not None:
            return backtest_wish(run[1], since)
        if self.path == "/api/stream/account":
            return account_wish(query.get("account"), since)
        if self.path == "/api/stream/rankings":
            if "tournament" not in query:
                raise _refused("tournament", "required", "Missing data for required field.")
            return ranking_wish(query["tournament"], since)
        exchange = query.get("exchange", DEFAULT_EXCHANGE)
        if self.path == "/api/stream/prices":
            named = query.get("symbols")
            return price_wish(exchange, None if named is None else named.split(","), since)
        if "symbol" not in query:
            raise _refused("symbol", "required", "Missing data for required field.")
        return candle_wish(exchange, query["symbol"], query.get("timeframe", "1h"), since)

    def token(self) -> str | None:
        """Return the access token, None without one. :raises Unauthenticated: `token_invalid`."""
        return bearer_token(self.headers.get("authorization"))

    def key(self) -> str | None:
        """Return the API key, None without one. :raises Unauthenticated: `token_invalid` when it is not alone."""
        key = self.headers.get("x-api-key")
        if key is not None and (self.token() is not None or "ticket" in self.query):
            raise Unauthenticated("Send a token, a ticket or X-API-Key, one of them.", code="token_invalid")
        return key

    def ticket(self) -> str:
        """Return the ticket. :raises Unauthenticated: `token_missing` when there is none either."""
        ticket = self.query.get("ticket")
        if ticket is None:
            raise Unauthenticated("Send an access token, an API key or a ticket.", code="token_missing")
        return ticket

    @property
    def _parts(self) -> SplitResult:
        try:
            return urlsplit(self.target)
        except ValueError:  # brackets that hold no address
            return SplitResult("", "", "", "", "")

    def _since(self, query: dict[str, str]) -> int | None:
        for field, text in (("Last-Event-ID", self.headers.get("last-event-id")), ("since_id", query.get("since_id"))):
            if text is not None:
                if not text.isascii() or not text.isdigit() or int(text[:20]) > MAX_ID or len(text) > 19:
                    raise _refused(field, "invalid", "Use the id of an event.")
                return int(text)
        return None


def _check_names(query: dict[str, str], known: frozenset[str]) -> None:
    unknown = [name for name in query if name not in known | _COMMON]
    if unknown:
        faults = tuple(FieldError(field=name, code="unknown_field", message="Unknown field.") for name in unknown)
        raise Refused("The query is not valid.", errors=faults)


def _refused(field: str, code: str, message: str) -> Refused:
    return Refused("The query is not valid.", errors=(FieldError(field=field, code=code, message=message),))
