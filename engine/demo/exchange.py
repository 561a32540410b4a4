"""The demo exchange as OctoBot sees it: a ccxt class without network, and the `RestExchange` on top of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from inspect import getattr_static, isfunction
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import octobot_trading.enums as octobot_enums
import octobot_trading.exchanges as octobot_exchanges

from config import DEMO
from engine.demo.forms import book_form, candles_form, float_form, market_form, market_trade_form, moment_form
from engine.markets.source import MarketSource
from utils import timeframes
from utils.clock import to_ms
from utils.errors import NotFound, Refused
from utils.wire import Ticker

Clock = Callable[[], float]
"""Tells the wall clock's time in Unix seconds."""

_CANDLES = 500
_DEPTH = 20
_TRADES = 50

_registered: list[tuple[MarketSource, Clock]] = []
"""Every source ever registered; the last one counts."""


@cache
def _attributes() -> list[str]:
    """Return the names of the class's attributes that are no methods; ccxt gives static ones to every instance."""
    return [name for name in dir(DemoClient) if not isfunction(getattr_static(DemoClient, name))]


def register(source: MarketSource, clock: Clock = time.time) -> None:
    """Make `source` the market of every demo exchange of this process, those already built included."""
    _registered.append((source, clock))
    for module in (ccxt_async, ccxt):
        setattr(module, DEMO, DemoClient)
        if DEMO not in module.exchanges:
            module.exchanges.append(DEMO)


class DemoClient(ccxt_async.Exchange):  # type: ignore[misc]
    """A ccxt exchange that asks the registered `MarketSource` instead of a server."""

    def __dir__(self) -> list[str]:
        """Return the names of which ccxt makes a second spelling (`fetchTicker`) whenever it builds an exchange.

        It puts those of methods on the class, where they are from the first time on. Making them all again would be
        half of what it takes to open an account.
        """
        if "fetchTicker" not in vars(DemoClient):
            return list(super().__dir__())
        return [*vars(self), *_attributes()]

    def describe(self) -> Any:
        """Return what ccxt wants to know of an exchange."""
        offered = (
            "spot",
            "swap",
            "fetchFundingRate",
            "fetchMarkets",
            "fetchTicker",
            "fetchTickers",
            "fetchOHLCV",
            "fetchOrderBook",
        )
        return self.deep_extend(
            super().describe(),
            {
                "id": DEMO,
                "name": DEMO,
                "countries": [],
                "rateLimit": 1,
                "has": dict.fromkeys((*offered, "fetchTrades", "fetchBalance"), True) | {"fetchCurrencies": False},
                "timeframes": {name: name for name in timeframes.NAMES},
                # OctoBot caches markets by this address: another source must not be taken for the one before.
                "urls": {"api": {"public": f"http://demo-{len(_registered)}.invalid"}, "www": "", "doc": ""},
                "precisionMode": ccxt.TICK_SIZE,
                "requiredCredentials": {"apiKey": False, "secret": False},
            },
        )

    async def close(self) -> None:
        """Do nothing: ccxt would wait for connections to close, and none was ever opened."""

    async def fetch_markets(self, params: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002
        """Return the listed markets."""
        return [market_form(instrument) for instrument in _source()[0].instruments()]

    async def fetch_ticker(self, symbol: str, params: Any = None) -> Any:  # noqa: ARG002
        """Return the ticker of a market."""
        return self._ticker(_ask(lambda source, at: source.ticker(symbol, at)))

    async def fetch_tickers(self, symbols: Sequence[str] | None = None, params: Any = None) -> Any:  # noqa: ARG002
        """Return the tickers of `symbols`, or of every market."""
        wanted = symbols or _source()[0].symbols
        return {symbol: await self.fetch_ticker(symbol) for symbol in wanted}

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Any = None,  # noqa: ARG002
    ) -> list[list[float]]:
        """Return candles, the running one last."""
        most = limit or _CANDLES
        return candles_form(_ask(lambda source, at: source.candles(symbol, timeframe, limit=most, since=since, at=at)))

    async def fetch_order_book(self, symbol: str, limit: int | None = None, params: Any = None) -> Any:  # noqa: ARG002
        """Return the best offers."""
        return book_form(symbol, _ask(lambda source, at: source.order_book(symbol, limit or _DEPTH, at)))

    async def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Any = None,  # noqa: ARG002
    ) -> Any:
        """Return the latest trades, oldest first."""
        trades = _ask(lambda source, at: source.trades(symbol, limit or _TRADES, at))
        forms = [market_trade_form(symbol, trade) for trade in trades]
        return [self.safe_trade(form) for form in forms if form["timestamp"] >= (since or 0)]

    async def fetch_funding_rate(self, symbol: str, params: Any = None) -> Any:  # noqa: ARG002
        """Return mark and index price, the funding rate as it stands, and when it is due."""
        ticker = _ask(lambda source, at: source.ticker(symbol, at))
        if ticker.funding_rate is None or ticker.next_funding_at is None:
            raise ccxt.BadSymbol(f"{symbol} is no perpetual.")
        due = to_ms(ticker.next_funding_at)
        return {
            **moment_form(ticker.as_of),
            "symbol": symbol,
            "markPrice": float_form(ticker.mark_price),
            "indexPrice": float_form(ticker.index_price),
            "interestRate": None,
            "fundingRate": float(ticker.funding_rate),
            "fundingTimestamp": due,
            "fundingDatetime": self.iso8601(due),
            "info": {},
        }

    async def fetch_balance(self, params: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """Return nothing: balances are the accounts' affair."""
        return {"free": {}, "used": {}, "total": {}, "info": {}}

    def _ticker(self, ticker: Ticker) -> Any:
        return self.safe_ticker(
            {
                **moment_form(ticker.as_of),
                "symbol": ticker.symbol,
                "high": str(ticker.high),
                "low": str(ticker.low),
                "bid": str(ticker.bid),
                "ask": str(ticker.ask),
                "last": str(ticker.last),
                "percentage": str(ticker.change_percent),
                "baseVolume": str(ticker.volume),
                "markPrice": float_form(ticker.mark_price),
                "indexPrice": float_form(ticker.index_price),
                "info": {},
            }
        )


class DemoExchange(octobot_exchanges.RestExchange):  # type: ignore[misc]
    """OctoBot's spot and futures exchange over `DemoClient`, with exact fees."""

    FIX_MARKET_STATUS = True
    """Give OctoBot the tick sizes as numbers of digits, the form its order adapter cuts by."""

    @classmethod
    def get_name(cls) -> str:
        """Return the name OctoBot finds this class by."""
        return DEMO

    @classmethod
    def get_supported_exchange_types(cls) -> list[Any]:
        """Return the kinds of trading on offer."""
        return [octobot_enums.ExchangeTypes.SPOT, octobot_enums.ExchangeTypes.FUTURE]

    @classmethod
    def load_user_inputs_from_class(cls, tentacles_setup_config: Any, tentacle_config: Any) -> Any:  # noqa: ARG003
        """Return no settings: there is nothing to configure."""
        return {}

    async def switch_to_account(self, account_type: Any) -> None:
        """Do nothing: there is one kind of account."""

    async def load_pair_contract(self, pair: str) -> None:
        """Tell OctoBot of a perpetual."""
        self.create_pair_contract(pair)

    def create_pair_contract(self, pair: str, *_: Any, **__: Any) -> Any:
        """Return the contract of a perpetual, made once: isolated margin, one position per market.

        OctoBot's simulator asks for it with terms of its own, which would forget the leverage that was chosen.
        """
        if pair not in self.pair_contracts:
            contract = self.connector.client.market(pair)
            kinds = octobot_enums.FutureContractType
            most = Decimal(str(contract["limits"]["leverage"]["max"]))
            super().create_pair_contract(
                pair,
                current_leverage=most,
                contract_size=Decimal(str(contract["contractSize"])),
                margin_type=octobot_enums.MarginType.ISOLATED,
                contract_type=kinds.LINEAR_PERPETUAL if contract["linear"] else kinds.INVERSE_PERPETUAL,
                position_mode=octobot_enums.PositionMode.ONE_WAY,
                maintenance_margin_rate=Decimal(contract["info"]["maintenance_margin_rate"]),
                maximum_leverage=most,
            )
        return self.pair_contracts[pair]

    def get_trade_fee(
        self,
        symbol: str,
        order_type: Any,  # noqa: ARG002
        quantity: Decimal,
        price: Decimal,
        taker_or_maker: str,
    ) -> dict[str, Any]:
        """Return `quantity * price * rate` in the quote currency, to the last digit, for buys and sells alike.

        The connector's own answer has the same keys but comes from floats.
        """
        market = self.connector.client.market(symbol)
        rate = Decimal(market["info"][taker_or_maker])
        columns = octobot_enums.FeePropertyColumns
        return {
            columns.TYPE.value: taker_or_maker,
            columns.CURRENCY.value: market["settle"] or market["quote"],
            columns.RATE.value: rate,
            columns.COST.value: quantity * price * rate,
            columns.IS_FROM_EXCHANGE.value: False,
        }


def _source() -> tuple[MarketSource, Clock]:
    try:
        return _registered[-1]
    except IndexError:
        raise ccxt.ExchangeNotAvailable("no market source is registered") from None


def _ask[T](question: Callable[[MarketSource, float], T]) -> T:
    source, clock = _source()
    try:
        return question(source, clock())
    except NotFound as error:
        raise ccxt.BadSymbol(error.detail) from error
    except Refused as error:
        raise ccxt.BadRequest(error.detail) from error
