"""The caller's strategies."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import actor, origin, principal, services
from api.schemas.performance import PerformanceSchema
from api.schemas.strategies import (
    ExchangeQuery,
    LogEntrySchema,
    LogQuery,
    NewStrategySchema,
    PortfolioNameSchema,
    RemovedQuery,
    RestoreSchema,
    SpanQuery,
    StrategyChangesSchema,
    StrategyClassSchema,
    StrategyHoldingSchema,
    StrategyPortfolioSchema,
    StrategyQuery,
    StrategySchema,
    UpdatesQuery,
    UpdatesSchema,
)
from api.schemas.trading import IdempotencyHeaders
from services.accounts.performance import Performance
from services.strategies.additions import NewStrategy
from services.strategies.holdings import PortfolioName, StrategyHolding, StrategyPortfolio, Updates
from services.strategies.strategies import LogEntry, Wanted
from utils.pages import Page
from utils.wire import Strategy, StrategyClass

blueprint = Blueprint("strategies", "Strategies: programs that trade on accounts of their own")

STRATEGIES = "/api/strategies/"
STRATEGY = "/api/strategies/<strategy_name>"
Headers = dict[str, str | None]
CHANGING = (409, *ENGINE)


@blueprint.route(STRATEGIES, "/api/strategies", permission="strategies:read")
@blueprint.arguments(StrategyQuery, location="query")
@blueprint.response(200, StrategySchema, paged=True)
def list_strategies(wanted: Wanted) -> Page[Strategy]:
    """List the caller's strategies, oldest first."""
    return services.strategies.list(principal, wanted)


@blueprint.route(STRATEGIES, "/api/strategies", method="POST", permission="strategies:write", errors=CHANGING)
@blueprint.arguments(NewStrategySchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, StrategySchema, headers={"Location": {"$ref": "#/components/headers/Location"}})
def add_strategy(new: NewStrategy, headers: Headers) -> tuple[Strategy, int, dict[str, str]]:
    """Add a strategy: `init` funds it, `start` lets it trade."""
    strategy = services.strategy_additions.add(principal, origin(), new, headers["key"])
    return strategy, 201, {"Location": f"{STRATEGIES}{strategy.name}"}


@blueprint.route(f"{STRATEGIES}updates", permission="strategies:read")
@blueprint.arguments(UpdatesQuery, location="query")
@blueprint.response(200, UpdatesSchema)
def get_updates(query: dict[str, Any]) -> Updates:
    """Return what happened to strategies since the last call, for clients that poll."""
    return services.strategy_holdings.updates(principal, **query)


@blueprint.route(f"{STRATEGIES}meta/strategy-classes", permission="strategies:read", errors=ENGINE)
@blueprint.response(200, StrategyClassSchema, many=True)
def list_strategy_classes() -> list[StrategyClass]:
    """List the strategy classes, with the JSON Schema of their settings."""
    return services.strategies.classes()


@blueprint.route(f"{STRATEGIES}meta/portfolios", permission="strategies:read", errors=ENGINE)
@blueprint.arguments(ExchangeQuery, location="query")
@blueprint.response(200, PortfolioNameSchema, many=True)
def list_portfolio_names(query: dict[str, str]) -> list[PortfolioName]:
    """List the markets a strategy can trade; classes with `basket` take several, separated by commas."""
    return services.strategy_holdings.names(query["exchange"])


@blueprint.route(f"{STRATEGIES}meta/removed-strategies", permission="strategies:read")
@blueprint.arguments(RemovedQuery, location="query")
@blueprint.response(200, StrategySchema, paged=True)
def list_removed_strategies(wanted: Wanted) -> Page[Strategy]:
    """List the strategies that can be restored, oldest first."""
    return services.strategies.list(principal, wanted)


@blueprint.route(f"{STRATEGIES}holdings", permission="strategies:read", errors=ENGINE)
@blueprint.response(200, StrategyHoldingSchema, many=True)
def list_strategy_holdings() -> list[StrategyHolding]:
    """Return what each strategy holds, valued now."""
    return services.strategy_holdings.holdings(principal)


@blueprint.route("/api/data/portfolios", permission="strategies:read", errors=ENGINE)
@blueprint.response(200, StrategyPortfolioSchema, many=True)
def list_strategy_portfolios() -> list[StrategyPortfolio]:
    """Return the holdings of strategies, summed by what they trade, valued now."""
    return services.strategy_holdings.portfolios(principal)


@blueprint.route(f"{STRATEGIES}restore", method="POST", permission="strategies:write", errors=(404, *CHANGING))
@blueprint.arguments(RestoreSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, StrategySchema)
def restore_strategy(body: dict[str, str], headers: Headers) -> Strategy:
    """Bring a removed strategy back; it is `created` then."""
    return services.strategies.move(principal, actor(), body["strategy_name"], "restore", headers["key"])


@blueprint.route(STRATEGY, permission="strategies:read")
@blueprint.response(200, StrategySchema)
def get_strategy(strategy_name: str) -> Strategy:
    """Return one of the caller's strategies."""
    return services.strategies.get(principal, strategy_name)


@blueprint.route(STRATEGY, method="PATCH", permission="strategies:write", errors=CHANGING)
@blueprint.arguments(StrategyChangesSchema)
@blueprint.response(200, StrategySchema)
def edit_strategy(body: dict[str, Any], strategy_name: str) -> Strategy:
    """Change the settings of a strategy; a running one uses them at once."""
    settings, funding = body["settings"], body["funding"]
    return services.strategies.edit(principal, actor(), strategy_name, settings, funding)


@blueprint.route(f"{STRATEGY}/init", method="POST", permission="strategies:write", errors=CHANGING)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, StrategySchema)
def init_strategy(headers: Headers, strategy_name: str) -> Strategy:
    """Fund a strategy from its parent."""
    return services.strategies.move(principal, actor(), strategy_name, "init", headers["key"])


@blueprint.route(f"{STRATEGY}/start", method="POST", permission="strategies:write", errors=CHANGING)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, StrategySchema)
def start_strategy(headers: Headers, strategy_name: str) -> Strategy:
    """Start a strategy; one that was stopped is funded again."""
    return services.strategies.move(principal, actor(), strategy_name, "start", headers["key"])


@blueprint.route(f"{STRATEGY}/stop", method="POST", permission="strategies:write", errors=CHANGING)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, StrategySchema)
def stop_strategy(headers: Headers, strategy_name: str) -> Strategy:
    """Stop a strategy: cancel its open orders, and return its holdings, without selling them, to its parent."""
    return services.strategies.move(principal, actor(), strategy_name, "stop", headers["key"])


@blueprint.route(f"{STRATEGY}/remove", method="DELETE", permission="strategies:write", errors=CHANGING)
@blueprint.response(200, StrategySchema)
def remove_strategy(strategy_name: str) -> Strategy:
    """Remove a strategy from the lists; it can be restored."""
    return services.strategies.move(principal, actor(), strategy_name, "remove")


@blueprint.route(f"{STRATEGY}/delete", method="DELETE", permission="strategies:write", errors=CHANGING)
@blueprint.response(200, StrategySchema)
def delete_strategy(strategy_name: str) -> Strategy:
    """Delete a strategy for good; its account is archived, and its orders and trades can still be read."""
    return services.strategies.move(principal, actor(), strategy_name, "delete")


@blueprint.route(f"{STRATEGY}/performance", permission="strategies:read", errors=ENGINE)
@blueprint.arguments(SpanQuery, location="query")
@blueprint.response(200, PerformanceSchema)
def get_strategy_performance(query: dict[str, str], strategy_name: str) -> Performance:
    """Return the performance of a strategy: gains, fees, trades, returns and risk."""
    return services.strategies.performance(principal, strategy_name, query["period"])


@blueprint.route(f"{STRATEGY}/log", permission="strategies:read")
@blueprint.arguments(LogQuery, location="query")
@blueprint.response(200, LogEntrySchema, paged=True)
def list_strategy_log(query: dict[str, Any], strategy_name: str) -> Page[LogEntry]:
    """Return the log of a strategy: what became of it, and its own messages, the newest first.

    It tells who brought it into which state, why it ended, and when it went on.
    """
    return services.strategies.log(principal, strategy_name, **query)
