"""The caller's accounts."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import principal, services
from api.schemas.accounts import AccountSchema
from api.schemas.envelope import PageQuery
from services.accounts import Account
from utils.pages import Page

blueprint = Blueprint("accounts", "Portfolios on an exchange; on paper in this version")


@blueprint.route("/api/accounts", permission="accounts:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, AccountSchema, paged=True)
def list_accounts(query: dict[str, Any]) -> Page[Account]:
    """List the caller's accounts, oldest first."""
    return services.accounts.list(principal, **query)


@blueprint.route("/api/accounts/<account_id>", permission="accounts:read")
@blueprint.response(200, AccountSchema)
def get_account(account_id: str) -> Account:
    """Return one of the caller's accounts."""
    return services.accounts.owned(principal, account_id)
