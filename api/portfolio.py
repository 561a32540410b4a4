"""What an account holds."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import principal, services
from api.schemas.portfolio import AccountQuery, BalanceSchema, PortfolioSchema, PositionSchema
from utils.wire import Balance, Portfolio, Position

blueprint = Blueprint("portfolio", "What an account holds")


@blueprint.route("/api/portfolio", permission="portfolio:read", errors=ENGINE)
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, PortfolioSchema)
def get_portfolio(query: dict[str, Any]) -> Portfolio:
    """Return balances, positions and profit of an account, valued now."""
    return services.portfolios.overview(principal, **query)


@blueprint.route("/api/portfolio/balance", permission="portfolio:read", errors=ENGINE)
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, BalanceSchema)
def get_balance(query: dict[str, Any]) -> Balance:
    """Return the balances of an account."""
    return services.portfolios.balance(principal, **query)


@blueprint.route("/api/portfolio/positions", "/api/trading/positions", permission="portfolio:read", errors=ENGINE)
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, PositionSchema, many=True)
def list_positions(query: dict[str, Any]) -> list[Position]:
    """List the positions of a futures account, or a spot account's holdings other than its reference currency."""
    return services.portfolios.positions(principal, **query)
