"""The report of a backtest as one page: no script, nothing from other hosts, good on a screen and on paper."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from decimal import Decimal
from html import escape

from api.charts import Chart
from services.backtests.reports import Report
from utils.backtest_figures import Outcome
from utils.money import plain

MOST_TRADES = 1_000
"""The page shows so many, the CSV all."""
_STYLE = """
:root{color-scheme:light dark;--ink:#16202c;--soft:#5b6776;--line:#dfe5ec;--paper:#fff;--back:#f4f6f9;
--own:#1463d8;--held:#d9822b;--good:#11804a;--bad:#c23030}
@media (prefers-color-scheme:dark){:root{--ink:#e8edf3;--soft:#9aa7b6;--line:#2c3845;--paper:#17202a;--back:#0f151c;
--own:#5a9bff;--held:#f0a352;--good:#45c486;--bad:#ff7a7a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:16px;margin:0 0 10px}p{margin:0;color:var(--soft)}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:18px;margin-top:18px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:18px}
.figures div>b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
.figures div>span{color:var(--soft);font-size:13px}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{text-align:right;color:var(--soft);font-weight:500;font-size:13px}
td{text-align:right;border-top:1px solid var(--line)}th,td{padding:6px 8px;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.scroll{overflow-x:auto}.good{color:var(--good)}.bad{color:var(--bad)}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:12px}
svg .grid{stroke:var(--line)}polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}
svg .grid,polyline{vector-effect:non-scaling-stroke}
.own{stroke:var(--own)}.held{stroke:var(--held)}.fall{stroke:var(--bad)}.area{fill:var(--bad);stroke:none;opacity:.16}
circle{stroke:var(--paper);stroke-width:1}circle.buy{fill:var(--good)}circle.sell{fill:var(--bad)}
.key{display:flex;gap:18px;flex-wrap:wrap;margin-bottom:8px;color:var(--soft);font-size:13px}
.key i{display:inline-block;width:14px;height:3px;margin-right:6px;vertical-align:middle}
.key .o{background:var(--own)}.key .h{background:var(--held)}.key .b,.key .s{width:8px;height:8px;border-radius:4px}
.key .b{background:var(--good)}.key .s{background:var(--bad)}
@media screen and (max-width:860px){svg text{font-size:18px}}
@media screen and (max-width:560px){svg{overflow:visible}svg text{font-size:28px}svg .spare{display:none}circle{r:6px}
.figures{grid-template-columns:1fr 1fr}main{padding:20px 12px 32px}section{padding:14px}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The page needs its own style sheet, and nothing else."""


def page(report: Report) -> str:
    """Return the page."""
    run = report.run
    title = f"{run.strategy_class} on {', '.join(run.symbols)}"
    span = f"{run.begins_at:%Y-%m-%d %H:%M} to {run.ends_at:%Y-%m-%d %H:%M} UTC"
    subtitle = f"Backtest of {report.candles} candles of {run.timeframe} on {run.exchange}, {span}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}, a backtest</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><p>{escape(subtitle)}</p>"
        f"{_figures(report)}{_equity(report)}{_drawdown(report)}{_comparison(report)}"
        f"{_trades(report)}{_inputs(report)}</main></body></html>"
    )


def _figures(report: Report) -> str:
    own, held = report.strategy, report.buy_and_hold
    shown = [
        (f"Profit in {report.currency}", _signed(own.profit)),
        ("Profit", _percent(own.profit_percent)),
        ("Buy and hold", _percent(held.profit_percent)),
        ("Deepest fall", _cell(own.max_drawdown, " %")),
        ("Sharpe ratio", _cell(own.sharpe_ratio)),
        ("Trades", str(len(report.trades))),
        ("Win rate", _cell(report.win_rate, " %")),
        (f"Fees in {report.currency}", _money(report.fees)),
    ]
    cells = "".join(f"<div><b>{value}</b><span>{escape(name)}</span></div>" for name, value in shown)
    return f'<section class="figures">{cells}</section>'


def _equity(report: Report) -> str:
    moments = [each.at for each in report.equity]
    own, held = ([float(getattr(each, name)) for each in report.equity] for name in ("value", "held"))
    values = dict(zip([moment.timestamp() for moment in moments], own, strict=True))
    ends = sorted(values)
    marks, place = [], 0
    for trade in report.trades:
        at = trade.at.timestamp()
        while place + 1 < len(ends) and ends[place] < at:
            place += 1
        marks.append((trade.side, ends[place], values[ends[place]]))
    chart = Chart("Value over time", moments, min(*own, *held), max(*own, *held))
    keys = (("o", "Strategy"), ("h", "Buy and hold"), ("b", "Buy"), ("s", "Sell"))
    key = "".join(f'<span><i class="{name}"></i>{label}</span>' for name, label in keys)
    drawn = chart.draw([("held", held), ("own", own)], marks=marks[:MOST_TRADES])
    return f'<section><h2>Value in {escape(report.currency)}</h2><div class="key">{key}</div>{drawn}</section>'


def _drawdown(report: Report) -> str:
    falls, peak = [], 0.0
    for each in report.equity:
        peak = max(peak, float(each.value))
        falls.append((float(each.value) / peak - 1) * 100 if peak else 0.0)
    chart = Chart("Fall from the highest value so far", [each.at for each in report.equity], min(falls), 0.0)
    drawn = chart.draw([("fall", falls)], area="fall")
    return f"<section><h2>Fall from the highest value so far, in percent</h2>{drawn}</section>"


def _comparison(report: Report) -> str:
    def cells(outcome: Outcome) -> list[str]:
        return [
            _money(outcome.ending_value),
            _signed(outcome.profit),
            _percent(outcome.profit_percent),
            _cell(outcome.max_drawdown, " %"),
            _cell(outcome.volatility, " %"),
            _cell(outcome.sharpe_ratio),
            _cell(outcome.sortino_ratio),
        ]

    head = ("", "At the end", "Profit", "Profit", "Deepest fall", "Volatility a year", "Sharpe", "Sortino")
    rows = [["Strategy", *cells(report.strategy)], ["Buy and hold", *cells(report.buy_and_hold)]]
    return f'<section><h2>Beside buying and holding</h2><div class="scroll">{_table(head, rows)}</div></section>'


def _trades(report: Report) -> str:
    rows = [
        [
            f"{each.at:%Y-%m-%d %H:%M}",
            escape(each.symbol),
            f'<span class="{"good" if each.side == "buy" else "bad"}">{each.side}</span>',
            escape(plain(each.price)),
            escape(plain(each.amount)),
            _money(each.cost),
            _money(each.fee),
            "-" if each.side == "buy" or each.realized_pnl is None else _signed(each.realized_pnl),
        ]
        for each in report.trades[:MOST_TRADES]
    ]
    more = len(report.trades) - len(rows)
    note = f"<p>And {more} more: the CSV has them all.</p>" if more else ""
    head = ("Time (UTC)", "Market", "Side", "Price", "Amount", "Cost", "Fee", "Gain")
    table = _table(head, rows) if rows else "<p>There were none.</p>"
    return f'<section><h2>Trades</h2><div class="scroll">{table}</div>{note}</section>'


def _inputs(report: Report) -> str:
    run = report.run
    rows = [[escape(name), escape(str(value))] for name, value in run.settings.items()]
    rows += [[f"Start in {escape(name)}", escape(plain(amount))] for name, amount in run.starting_portfolio.items()]
    rows += [["Fee", "the market's" if run.fee is None else escape(plain(run.fee))]]
    rows += [[f"Held at the end in {escape(name)}", escape(plain(amount))] for name, amount in report.holdings.items()]
    log = "".join(f"<p>{escape(line)}</p>" for line in report.log[:100])
    said = f"<section><h2>What the strategy said</h2>{log}</section>" if log else ""
    return f'<section><h2>Settings and holdings</h2><div class="scroll">{_table(("", ""), rows)}</div></section>{said}'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _signed(value: Decimal) -> str:
    return f'<span class="{"bad" if value < 0 else "good"}">{value:+,.2f}</span>'


def _percent(value: Decimal | None) -> str:
    return "-" if value is None else f'<span class="{"bad" if value < 0 else "good"}">{value:+,.2f} %</span>'


def _cell(value: Decimal | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.2f}{unit}"
