"""The caller's API keys."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.api_keys import ApiKeySchema, CreatedApiKeySchema, NewApiKeySchema
from api.schemas.envelope import PageQuery
from middleware.rate_limits import LOGIN
from services.users.api_keys import ApiKey, CreatedApiKey, NewApiKey
from utils.pages import Page

blueprint = Blueprint("api keys", "Keys for programs, sent as X-API-Key")

API_KEYS = "/api/auth/api-keys"


@blueprint.route(API_KEYS, method="POST", permission="api_keys:write", limit=LOGIN, errors=(409,))
@blueprint.arguments(NewApiKeySchema)
@blueprint.response(201, CreatedApiKeySchema)
def create_api_key(new: NewApiKey) -> CreatedApiKey:
    """Create an API key with the password and, with a second factor, a code as `totp`; the key is shown only once.

    It ends when its owner changes the password.
    """
    return services.api_keys.create(principal, origin(), new)


@blueprint.route(API_KEYS, permission="api_keys:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, ApiKeySchema, paged=True)
def list_api_keys(query: dict[str, Any]) -> Page[ApiKey]:
    """List the caller's keys, oldest first."""
    return services.api_keys.list(principal, **query)


@blueprint.route(f"{API_KEYS}/<api_key_id>", method="DELETE", permission="api_keys:write")
@blueprint.response(200, ApiKeySchema)
def delete_api_key(api_key_id: str) -> ApiKey:
    """Delete an API key; within a second it is refused everywhere."""
    return services.api_keys.delete(principal, origin(), api_key_id)
