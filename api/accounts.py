"""The caller's accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import actor, origin, principal, services
from api.schemas.accounts import (
    AccountSchema,
    AccountsQuery,
    DepositSchema,
    NewAccountSchema,
    NewDepositSchema,
    RenameSchema,
    ResetSchema,
)
from api.schemas.trading import IdempotencyHeaders
from services.accounts.accounts import Account
from services.accounts.changes import NewAccount
from utils.pages import Page
from utils.wire import Deposit

blueprint = Blueprint("accounts", "Portfolios on an exchange, on paper or live")

ACCOUNTS = "/api/accounts"
ACCOUNT = f"{ACCOUNTS}/<account_id>"
Headers = dict[str, str | None]


@blueprint.route(ACCOUNTS, method="POST", permission="accounts:write", errors=(409, *ENGINE))
@blueprint.arguments(NewAccountSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, AccountSchema, headers={"Location": {"$ref": "#/components/headers/Location"}})
def open_account(new: NewAccount, headers: Headers) -> tuple[Account, int, dict[str, str]]:
    """Open an account: on paper at any connected exchange, or live with verified keys."""
    account = services.account_changes.open(principal, origin(), new, headers["key"])
    return account, 201, {"Location": f"{ACCOUNTS}/{account.id}"}


@blueprint.route(ACCOUNTS, permission="accounts:read")
@blueprint.arguments(AccountsQuery, location="query")
@blueprint.response(200, AccountSchema, paged=True)
def list_accounts(query: dict[str, Any]) -> Page[Account]:
    """List the caller's accounts, oldest first; administrators see those of the operator's bot, too."""
    return services.accounts.list(principal, **query)


@blueprint.route(ACCOUNT, permission="accounts:read")
@blueprint.response(200, AccountSchema)
def get_account(account_id: str) -> Account:
    """Return one of the caller's accounts, or of the operator's bot, for administrators."""
    return services.accounts.get(principal, account_id)


@blueprint.route(ACCOUNT, method="PATCH", permission="accounts:write", errors=(409,))
@blueprint.arguments(RenameSchema)
@blueprint.response(200, AccountSchema)
def rename_account(body: dict[str, str], account_id: str) -> Account:
    """Give an account another name."""
    return services.account_changes.rename(principal, origin(), account_id, body["name"])


@blueprint.route(ACCOUNT, method="DELETE", permission="accounts:write", errors=(409, *ENGINE))
@blueprint.response(200, AccountSchema)
def archive_account(account_id: str) -> Account:
    """Archive an account: its open orders are canceled, and it can only be read from then on."""
    return services.account_changes.archive(principal, actor(), account_id)


@blueprint.route(f"{ACCOUNT}/reset", method="POST", permission="accounts:write", errors=(409, *ENGINE))
@blueprint.arguments(ResetSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, AccountSchema)
def reset_account(body: dict[str, Decimal | None], headers: Headers, account_id: str) -> Account:
    """Reset a paper account: no orders, and no holdings but its starting balance."""
    return services.account_changes.reset(principal, actor(), account_id, body["starting_balance"], headers["key"])


@blueprint.route(f"{ACCOUNT}/deposit", method="POST", permission="accounts:write", errors=(409, *ENGINE))
@blueprint.arguments(NewDepositSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, DepositSchema)
def deposit(body: dict[str, Any], headers: Headers, account_id: str) -> tuple[Deposit, int]:
    """Deposit play money into a paper account; it does not count as profit."""
    return services.account_changes.deposit(principal, actor(), account_id, **body, key=headers["key"]), 201
