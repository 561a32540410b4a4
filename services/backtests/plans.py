"""Check a requested backtest against its strategy class, its markets and the available candles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from services.data_files.service import DataFiles, Series
from services.principals import Principal
from utils import clock
from utils.errors import FieldError, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.pages import EPOCH
from utils.wire import TIMEFRAMES, CheckStrategy, GetCandles, Message, StrategyDraft

MOST_CANDLES = 10_000
USUAL_CANDLES = 500


class NewRun(Message, frozen=True, kw_only=True):
    """A backtest to play; `begins_at` and `ends_at` are cut to whole candles, and the latest 500 ones for None.

    The candles are an upload's where `data_file` names one; the rules of the markets are the exchange's all the same.
    """

    strategy_class: str
    settings: dict[str, Any]
    symbols: list[str]
    timeframe: str
    exchange: str
    starting_portfolio: dict[str, Decimal]
    fee: Decimal | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    data_file: str | None = None


class Combination(NamedTuple):
    """All settings of one point of a grid, or those that are varied and why they cannot be played."""

    settings: dict[str, Any]
    refusal: Refused | None


class Plans:
    """Make plans of what users ask for."""

    def __init__(self, bridge: OctoBotBridge, data_files: DataFiles) -> None:
        self._bridge = bridge
        self._data_files = data_files

    def values(self, principal: Principal, new: NewRun) -> dict[str, Any]:
        """Return the columns of a run that say what is played.

        :raises Refused: class, settings, time or portfolio do not fit. :raises NotFound: unknown market or upload.
        """
        return self._values(principal, new, self._draft(new, is_listed=new.data_file is None))

    def combinations(
        self, principal: Principal, new: NewRun, grid: Mapping[str, Sequence[Any]]
    ) -> tuple[dict[str, Any], list[Combination]]:
        """Return the columns that all combinations of a grid have in common, and the settings of each.

        A combination that the class refuses is part of the grid all the same, and says why.

        :raises Refused: as `values` does, also when all combinations are refused.
        """
        found: list[Combination] = []
        draft: StrategyDraft | None = None
        refusal: Refused | None = None
        for chosen in product(*grid.values()):
            varied = dict(zip(grid, chosen, strict=True))
            try:
                drafted = self._draft(
                    replace(new, settings={**new.settings, **varied}), is_listed=new.data_file is None
                )
            except Refused as error:
                if error.code != "invalid_settings":
                    raise
                refusal = refusal or error
                found.append(Combination(varied, error))
            else:
                draft = draft or drafted
                found.append(Combination(drafted.settings, None))
        if draft is None:
            raise refusal or Refused("There is nothing to play.")
        return self._values(principal, new, draft), found

    def _values(self, principal: Principal, new: NewRun, draft: StrategyDraft) -> dict[str, Any]:
        symbols = draft.portfolio_name.split(",")
        if new.data_file is None:
            earliest, latest = None, self._latest(new, symbols[0])
        else:
            earliest, latest = self._recorded(principal, new, symbols)
        begins_at, ends_at = _time(new, earliest, latest)
        return {
            "exchange": new.exchange,
            "strategy_class": draft.strategy_class,
            "symbols": draft.portfolio_name,
            "timeframe": new.timeframe,
            "settings": msgspec.json.encode(draft.settings).decode(),
            "portfolio": msgspec.json.encode(new.starting_portfolio).decode(),
            "fee": new.fee,
            "begins_at": begins_at,
            "ends_at": ends_at,
            "data_file": new.data_file,
        }

    def _draft(self, new: NewRun, *, is_listed: bool) -> StrategyDraft:
        currency = new.symbols[0].partition("/")[2]
        if currency not in new.starting_portfolio:
            raise _refused("starting_portfolio", "no_quote_currency", f"Say how much {currency} there is at the start.")
        check = CheckStrategy(
            exchange=new.exchange,
            reference_currency=currency,
            strategy_class=new.strategy_class,
            portfolio_name=",".join(new.symbols),
            settings=new.settings,
            is_listed=is_listed,
            purpose="backtest",
        )
        draft = self._bridge.check_strategy(check)
        if "timeframe" in draft.settings and "timeframe" not in new.settings:
            check = replace(check, settings={**new.settings, "timeframe": new.timeframe})
            draft = self._bridge.check_strategy(check)
        wanted = TIMEFRAMES.get(draft.settings.get("timeframe", new.timeframe), 0)
        if wanted % TIMEFRAMES[new.timeframe] or not wanted:
            detail = f"Its candles cannot be made of {new.timeframe} ones."
            raise _refused("timeframe", "timeframe_too_coarse", detail)
        bases = {symbol.partition("/")[0] for symbol in draft.portfolio_name.split(",")}
        others = new.starting_portfolio.keys() - bases - {currency}
        if others:
            detail = f"The strategy does not trade {', '.join(sorted(others))}."
            raise _refused("starting_portfolio", "currency_not_traded", detail)
        return draft

    def _latest(self, new: NewRun, symbol: str) -> datetime:
        """Return when the exchange's last candle that is over closed."""
        query = GetCandles(exchange=new.exchange, symbol=symbol, timeframe=new.timeframe, limit=2)
        closed = [each for each in self._bridge.candles(query).candles if each.closed]
        if not closed:
            raise _refused("timeframe", "no_candles", f"There are no candles of {symbol}.")
        return clock.from_ms(closed[-1].timestamp) + timedelta(seconds=TIMEFRAMES[new.timeframe])

    def _recorded(self, principal: Principal, new: NewRun, symbols: list[str]) -> tuple[datetime, datetime]:
        """Return when the candles of an upload begin and end that all markets have."""
        file = self._data_files.get(principal, new.data_file or "")
        series: list[Series] = []
        for symbol in symbols:
            found = [each for each in file.series if (each.symbol, each.timeframe) == (symbol, new.timeframe)]
            if not found:
                raise _refused("data_file", "no_candles", f"It has no candles of {symbol} in {new.timeframe}.")
            series += found
        return max(each.begins_at for each in series), min(each.ends_at for each in series)


def _time(new: NewRun, earliest: datetime | None, latest: datetime) -> tuple[datetime, datetime]:
    """Return when the first candle opens and the last one closes."""
    seconds = TIMEFRAMES[new.timeframe]
    frame = timedelta(seconds=seconds)
    end = latest if new.ends_at is None else min(_floor(new.ends_at, seconds), latest)
    begin = end - USUAL_CANDLES * frame if new.begins_at is None else _floor(new.begins_at, seconds)
    begin = max(begin, earliest or EPOCH)
    if end - begin < 2 * frame:
        raise _refused("from", "too_few_candles", "Fewer than two candles have closed in that time.")
    if end - begin > MOST_CANDLES * frame:
        raise _refused("from", "too_many_candles", f"At most {MOST_CANDLES} candles are played.")
    return begin, end


def _floor(moment: datetime, seconds: int) -> datetime:
    # nothing was traded before, and five hundred candles before the year 1 there was no calendar
    return datetime.fromtimestamp(max(int(moment.timestamp()), 0) // seconds * seconds, UTC)


def _refused(field: str, code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
