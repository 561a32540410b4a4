"""Every blueprint, in the order of the documentation."""

from api import accounts, auth, health, pages

BLUEPRINTS = (
    auth.blueprint,
    accounts.blueprint,
    health.blueprint,
    pages.blueprint,
)
