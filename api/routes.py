"""Every blueprint, in the order of the documentation."""

from api import (
    accounts,
    auth,
    config,
    credentials,
    documentation,
    health,
    market,
    metrics,
    pages,
    portfolio,
    positions,
    risk,
    signals,
    strategies,
    stream,
    trading,
)

BLUEPRINTS = (
    auth.blueprint,
    accounts.blueprint,
    credentials.blueprint,
    portfolio.blueprint,
    trading.blueprint,
    positions.blueprint,
    risk.blueprint,
    strategies.blueprint,
    signals.blueprint,
    market.blueprint,
    stream.blueprint,
    config.blueprint,
    health.blueprint,
    metrics.blueprint,
    documentation.blueprint,
    pages.blueprint,
)
