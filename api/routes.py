"""Every blueprint, in the order of the documentation."""

from api import (
    accounts,
    admin_audit,
    api_keys,
    auth,
    config,
    credentials,
    documentation,
    health,
    market,
    pages,
    portfolio,
    positions,
    risk,
    second_factors,
    stream,
    trading,
)

BLUEPRINTS = (
    auth.blueprint,
    api_keys.blueprint,
    second_factors.blueprint,
    accounts.blueprint,
    credentials.blueprint,
    portfolio.blueprint,
    trading.blueprint,
    positions.blueprint,
    risk.blueprint,
    market.blueprint,
    stream.blueprint,
    config.blueprint,
    admin_audit.blueprint,
    health.blueprint,
    documentation.blueprint,
    pages.blueprint,
)
