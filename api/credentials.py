"""The caller's keys to exchanges."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import origin, principal, services
from api.schemas.credentials import CredentialNameSchema, CredentialSchema, NewCredentialSchema, ReplacementSchema
from api.schemas.envelope import PageQuery
from api.schemas.trading import IdempotencyHeaders
from services.accounts.credentials import Credential, NewCredential, Replacement
from utils.pages import Page

blueprint = Blueprint("credentials", "Keys to exchanges: stored encrypted, shown to nobody")

CREDENTIALS = "/api/credentials"
CREDENTIAL = f"{CREDENTIALS}/<credential_id>"


@blueprint.route(CREDENTIALS, method="POST", permission="credentials:write", errors=(409,))
@blueprint.arguments(NewCredentialSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, CredentialSchema, headers={"Location": {"$ref": "#/components/headers/Location"}})
def create_credential(new: NewCredential, headers: dict[str, str | None]) -> tuple[Credential, int, dict[str, str]]:
    """Store keys to an exchange; they have to be verified before a live account can trade with them."""
    made = services.credentials.create(principal, origin(), new, headers["key"])
    return made, 201, {"Location": f"{CREDENTIALS}/{made.id}"}


@blueprint.route(CREDENTIALS, permission="credentials:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, CredentialSchema, paged=True)
def list_credentials(query: dict[str, Any]) -> Page[Credential]:
    """List the caller's credentials, oldest first."""
    return services.credentials.list(principal, **query)


@blueprint.route(CREDENTIAL, permission="credentials:read")
@blueprint.response(200, CredentialSchema)
def get_credential(credential_id: str) -> Credential:
    """Return one of the caller's credentials."""
    return services.credentials.get(principal, credential_id)


@blueprint.route(CREDENTIAL, method="PUT", permission="credentials:write", errors=(409,))
@blueprint.arguments(ReplacementSchema)
@blueprint.response(200, CredentialSchema)
def replace_credential(replacement: Replacement, credential_id: str) -> Credential:
    """Put other keys in the place of these; they have to be verified anew."""
    return services.credentials.replace(principal, origin(), credential_id, replacement)


@blueprint.route(CREDENTIAL, method="PATCH", permission="credentials:write", errors=(409,))
@blueprint.arguments(CredentialNameSchema)
@blueprint.response(200, CredentialSchema)
def rename_credential(body: dict[str, str], credential_id: str) -> Credential:
    """Give these keys another name; they stay what they are, verified or not."""
    return services.credentials.rename(principal, origin(), credential_id, body["name"])


@blueprint.route(CREDENTIAL, method="DELETE", permission="credentials:write", errors=(409,))
@blueprint.response(200, CredentialSchema)
def delete_credential(credential_id: str) -> Credential:
    """Forget the keys for good; refused while an active account trades with them."""
    return services.credentials.delete(principal, origin(), credential_id)


@blueprint.route(f"{CREDENTIAL}/verify", method="POST", permission="credentials:write", errors=(409, *ENGINE))
@blueprint.response(200, CredentialSchema)
def verify_credential(credential_id: str) -> Credential:
    """Ask the exchange what the keys may do; `status` and `error_code` tell what it said."""
    return services.credentials.verify(principal, origin(), credential_id)
