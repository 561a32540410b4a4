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
    """Make a key with the password and, with a second factor, a code as `totp`; the key is never shown again.

    It ends with its owner's password: whoever changes that makes new keys.
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
    """End a key, at once where this is answered and within a second everywhere else."""
    return services.api_keys.delete(principal, origin(), api_key_id)
