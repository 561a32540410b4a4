"""What an account holds, its value over time and its performance; and the value of all accounts together."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import principal, services
from api.schemas.performance import (
    AggregateSchema,
    AllocationSchema,
    CurrencyQuery,
    HistorySchema,
    PerformanceSchema,
    PeriodQuery,
)
from api.schemas.portfolio import AccountQuery, BalanceSchema, PortfolioSchema, PositionSchema
from services.accounts.equity import History
from services.accounts.performance import Performance
from services.accounts.wealth import Aggregate, Allocation
from utils.wire import Balance, Portfolio, Position

READING = (409, *ENGINE)
"""With what the operator's bot says of its accounts."""

blueprint = Blueprint("portfolio", "What accounts hold, were worth, and how well they did")


@blueprint.route("/api/portfolio", permission="portfolio:read", errors=READING)
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, PortfolioSchema)
def get_portfolio(query: dict[str, Any]) -> Portfolio:
    """Return balances, positions and profit of an account, valued now."""
    return services.portfolios.overview(principal, **query)


@blueprint.route("/api/portfolio/balance", permission="portfolio:read", errors=READING)
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, BalanceSchema)
def get_balance(query: dict[str, Any]) -> Balance:
    """Return the balances of an account."""
    return services.portfolios.balance(principal, **query)


@blueprint.route("/api/portfolio/positions", "/api/trading/positions", permission="portfolio:read", errors=READING)
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, PositionSchema, many=True)
def list_positions(query: dict[str, Any]) -> list[Position]:
    """List the positions of a futures account, or a spot account's holdings other than its reference currency."""
    return services.portfolios.positions(principal, **query)


@blueprint.route("/api/portfolio/history", permission="portfolio:read", errors=READING)
@blueprint.arguments(PeriodQuery, location="query")
@blueprint.response(200, HistorySchema)
def get_history(query: dict[str, Any]) -> History:
    """Return the value of an account over time, up to now."""
    return services.equity.history(principal, **query)


@blueprint.route("/api/portfolio/performance", permission="portfolio:read", errors=READING)
@blueprint.arguments(PeriodQuery, location="query")
@blueprint.response(200, PerformanceSchema)
def get_performance(query: dict[str, Any]) -> Performance:
    """Return the performance of an account: gains, fees, trades, returns and risk."""
    return services.performances.performance(principal, **query)


@blueprint.route("/api/portfolio/allocation", permission="portfolio:read", errors=ENGINE)
@blueprint.arguments(CurrencyQuery, location="query")
@blueprint.response(200, AllocationSchema)
def get_allocation(query: dict[str, Any]) -> Allocation:
    """Return how the caller's holdings are spread over assets, accounts and exchanges."""
    return services.wealth.allocation(principal, **query)


@blueprint.route("/api/portfolio/aggregate", permission="portfolio:read", errors=ENGINE)
@blueprint.arguments(CurrencyQuery, location="query")
@blueprint.response(200, AggregateSchema)
def get_aggregate(query: dict[str, Any]) -> Aggregate:
    """Return the value of all the caller's accounts in one currency, paper and live separately."""
    return services.wealth.aggregate(principal, **query)
