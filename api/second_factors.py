"""The caller's second factor."""

from __future__ import annotations

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.second_factors import (
    CodeSchema,
    DisablingSchema,
    EnrollmentSchema,
    PasswordSchema,
    RecoveryCodesSchema,
    SecondFactorStateSchema,
)
from middleware.rate_limits import LOGIN
from services.users.second_factors import Enrollment, RecoveryCodes, SecondFactorState

blueprint = Blueprint("second factor", "One-time codes of an authenticator app (TOTP)")

TOTP = "/api/auth/totp"


@blueprint.route(f"{TOTP}/enroll", method="POST", permission="profile:write", limit=LOGIN, errors=(409,))
@blueprint.arguments(PasswordSchema)
@blueprint.response(200, EnrollmentSchema)
def enroll_second_factor(body: dict[str, str]) -> Enrollment:
    """Get a secret for an authenticator app; it takes effect once it is confirmed."""
    return services.second_factors.enroll(principal, origin(), body["password"])


@blueprint.route(f"{TOTP}/confirm", method="POST", permission="profile:write", limit=LOGIN, errors=(409,))
@blueprint.arguments(CodeSchema)
@blueprint.response(200, RecoveryCodesSchema)
def confirm_second_factor(body: dict[str, str]) -> RecoveryCodes:
    """Turn the second factor on with a code of the app; the recovery codes are shown only once."""
    return services.second_factors.confirm(principal, origin(), body["totp"])


@blueprint.route(f"{TOTP}/disable", method="POST", permission="profile:write", limit=LOGIN, errors=(409,))
@blueprint.arguments(DisablingSchema)
@blueprint.response(200, SecondFactorStateSchema)
def disable_second_factor(body: dict[str, str]) -> SecondFactorState:
    """Turn the second factor off with the password and a code of the app, or a recovery code."""
    return services.second_factors.disable(principal, origin(), body["password"], body["totp"])
