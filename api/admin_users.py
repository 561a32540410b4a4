"""Users, for administrators."""

from __future__ import annotations

from api.blueprint import ENGINE, Blueprint
from api.context import actor, origin, principal, services
from api.schemas.administration import ManagedUserSchema, UserChangesSchema, UserDetailsSchema, UserQuery
from services.administration import ManagedUser, UserChanges, UserDetails, UserFilters
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
    """Return a user with what they have open."""
    return services.administration.get(user_id)


@blueprint.route(USER, method="PUT", permission="users:write", errors=(409, *ENGINE))
@blueprint.arguments(UserChangesSchema)
@blueprint.response(200, UserDetailsSchema)
def change_user(changes: UserChanges, user_id: str) -> UserDetails:
    """Activate or deactivate a user, change their role, reset their second factor, or sign them out everywhere.

    Deactivating ends their sessions and API keys at once and pulls their kill switch: open orders are canceled and new
    ones refused, whoever sends them, while holdings and positions stay. Activating releases the switch again. A 503
    says that the engine is away and only this part is missing: repeat the request.
    """
    return services.administration.change(principal, actor(), origin(), user_id, changes)
