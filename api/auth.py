"""Signing up, in and out."""

from __future__ import annotations

from typing import Any

from api.blueprint import PUBLIC, Blueprint
from api.context import origin, principal, services
from api.schemas.auth import (
    ChangeEmailSchema,
    ChangePasswordSchema,
    LogInSchema,
    RefreshSchema,
    SessionSchema,
    SignedOutSchema,
    SignUpSchema,
    TicketSchema,
    TokenPairSchema,
    UserSchema,
)
from api.schemas.envelope import PageQuery
from api.schemas.mail import MailStateSchema
from api.schemas.profile import ProfileChangesSchema, ProfileSchema
from middleware.rate_limits import LOGIN
from services.notifications.mail_addresses import MailState
from services.users.email_changes import ChangeEmail
from services.users.session_rows import OpenSession
from services.users.sessions import ChangePassword, LogIn, TokenPair
from services.users.tickets import Ticket
from services.users.users import Profile, SignUp, User
from utils.pages import Page

blueprint = Blueprint("auth", "Signing up, in and out")


@blueprint.route("/api/auth/signup", method="POST", permission=PUBLIC, errors=(403, 409))
@blueprint.arguments(SignUpSchema)
@blueprint.response(201, UserSchema)
def sign_up(command: SignUp) -> User:
    """Sign up; a paper account with 10,000 USDT comes with it."""
    return services.users.sign_up(command, origin())


@blueprint.route("/api/auth/login", method="POST", permission=PUBLIC, limit=LOGIN, errors=(401, 403))
@blueprint.arguments(LogInSchema)
@blueprint.response(200, TokenPairSchema)
def log_in(command: LogIn) -> TokenPair:
    """Sign in with a username or an address."""
    return services.sessions.log_in(command, origin())


@blueprint.route("/api/auth/refresh", method="POST", permission=PUBLIC, errors=(401,))
@blueprint.arguments(RefreshSchema)
@blueprint.response(200, TokenPairSchema)
def refresh_tokens(body: dict[str, str]) -> TokenPair:
    """Exchange a refresh token for a new pair; using one twice ends its session."""
    return services.sessions.refresh(body["refresh_token"], origin())


@blueprint.route("/api/auth/logout", method="POST", permission="profile:write")
@blueprint.response(200, SignedOutSchema)
def log_out() -> dict[str, bool]:
    """End the session; its tokens are worth nothing from then on."""
    services.sessions.log_out(principal, origin())
    return {"signed_out": True}


@blueprint.route("/api/auth/logout-all", method="POST", permission="profile:write")
@blueprint.response(200, SignedOutSchema)
def log_out_everywhere() -> dict[str, bool]:
    """End all sessions of the caller, the present one too; streams end within five seconds."""
    services.sessions.log_out_all(principal, origin())
    return {"signed_out": True}


@blueprint.route("/api/auth/password", method="POST", permission="profile:write", limit=LOGIN)
@blueprint.arguments(ChangePasswordSchema)
@blueprint.response(200, TokenPairSchema)
def change_password(command: ChangePassword) -> TokenPair:
    """Change the password; all sessions and API keys end with that, and the answer opens a fresh session."""
    return services.sessions.change_password(principal, command, origin())


@blueprint.route("/api/auth/email", method="POST", permission="profile:write", limit=LOGIN, errors=(409,))
@blueprint.arguments(ChangeEmailSchema)
@blueprint.response(200, MailStateSchema)
def change_email(command: ChangeEmail) -> MailState:
    """Change the address; sessions and API keys go on.

    Where this installation sends mail, a code goes to the new address, for `POST /api/notifications/email/confirm`, and
    the former one, if it was confirmed, is told.
    """
    return services.email_changes.change(principal, origin(), command)


@blueprint.route("/api/auth/sessions", permission="profile:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, SessionSchema, paged=True)
def list_sessions(query: dict[str, Any]) -> Page[OpenSession]:
    """List the caller's sessions that have not ended, oldest first."""
    return services.sessions.list(principal, **query)


@blueprint.route("/api/auth/sessions/<session_id>", method="DELETE", permission="profile:write")
@blueprint.response(200, SignedOutSchema)
def end_session(session_id: str) -> dict[str, bool]:
    """End one of the caller's sessions, as on a device that was lost; its streams end within five seconds."""
    services.sessions.end(principal, session_id, origin())
    return {"signed_out": True}


@blueprint.route("/api/auth/stream-ticket", method="POST", permission="profile:write")
@blueprint.response(201, TicketSchema)
def issue_stream_ticket() -> Ticket:
    """Return a ticket that goes into the URL of a stream (`ticket=`), for browsers, which cannot send a header there.

    It must be used within 30 seconds. A WebSocket uses it up; an `EventSource` may reconnect with it until the session
    ends, at most 15 minutes after its last use. It opens streams, and nothing else.
    """
    return services.tickets.issue(principal, origin())


@blueprint.route("/api/auth/me", permission="profile:read")
@blueprint.response(200, ProfileSchema)
def get_me() -> Profile:
    """Return the caller."""
    return services.users.get(principal)


@blueprint.route("/api/auth/me", method="PATCH", permission="profile:write")
@blueprint.arguments(ProfileChangesSchema)
@blueprint.response(200, ProfileSchema)
def change_profile(changes: dict[str, Any]) -> Profile:
    """Change the caller's profile; null deletes a field."""
    return services.users.change_profile(principal, origin(), changes)
