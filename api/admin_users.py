"""Users, for administrators."""

from __future__ import annotations

from flask import Response

from api.blueprint import ENGINE, Blueprint
from api.context import actor, origin, principal, services
from api.personal_data import EXPORT, download
from api.schemas.administration import ManagedUserSchema, UserChangesSchema, UserDetailsSchema, UserQuery
from api.schemas.personal_data import DeletedSchema
from api.schemas.second_factors import PasswordSchema
from middleware.rate_limits import LOGIN
from services.users.administration import ManagedUser, UserChanges, UserDetails, UserFilters
from services.users.deletion import Deleted
from utils.pages import Page

blueprint = Blueprint("administration", "Users, for administrators")

USERS = "/api/admin/users"
USER = f"{USERS}/<user_id>"


@blueprint.route(USERS, permission="users:read")
@blueprint.arguments(UserQuery, location="query")
@blueprint.response(200, ManagedUserSchema, paged=True)
def list_users(filters: UserFilters) -> Page[ManagedUser]:
    """List users, newest first."""
    return services.administration.list(filters)


@blueprint.route(USER, permission="users:read")
@blueprint.response(200, UserDetailsSchema)
def get_user(user_id: str) -> UserDetails:
    """Return a user, and how much they have open."""
    return services.administration.get(user_id)


@blueprint.route(USER, method="PUT", permission="users:write", errors=(409, *ENGINE))
@blueprint.arguments(UserChangesSchema)
@blueprint.response(200, UserDetailsSchema)
def change_user(changes: UserChanges, user_id: str) -> UserDetails:
    """Activate or deactivate a user, change their role, reset their second factor, or sign them out everywhere.

    Signing them out ends their API keys too. Deactivating does both at once and pulls their kill switch: open orders
    are canceled and new ones refused, whoever sends them, while holdings and positions stay. Activating releases the
    switch again. A 503 says that the engine is away and only this part is missing: repeat the request.
    """
    return services.administration.change(principal, actor(), origin(), user_id, changes)


@blueprint.route(f"{USER}/export", permission="users:read")
@blueprint.doc(responses={200: EXPORT})
def export_user(user_id: str) -> Response:
    """Write everything that is kept about a user, as NDJSON."""
    return download(services.personal_data.export(principal, origin(), user_id))


@blueprint.route(f"{USER}/deletion", method="POST", permission="users:write", limit=LOGIN, errors=(409, *ENGINE))
@blueprint.arguments(PasswordSchema)
@blueprint.response(200, DeletedSchema)
def delete_user(body: dict[str, str], user_id: str) -> Deleted:
    """Delete a user for good, as they could themselves; the password is the administrator's own."""
    return services.deletion.delete(principal, actor(), origin(), body["password"], user_id)
