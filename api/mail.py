"""The caller's e-mail address, and the mails sent to it."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.envelope import PageQuery
from api.schemas.mail import MailCodeSchema, MailDeliverySchema, MailStateSchema
from middleware.rate_limits import LOGIN
from services.notifications.mail import MailDelivery
from services.notifications.mail_addresses import MailState
from utils.pages import Page

blueprint = Blueprint("mail", "Telling users by e-mail, once they have confirmed their address")

EMAIL = "/api/notifications/email"


@blueprint.route(EMAIL, permission="notifications:read")
@blueprint.response(200, MailStateSchema)
def get_email() -> MailState:
    """Return the caller's e-mail address, and whether it is confirmed."""
    return services.mail_addresses.state(principal)


@blueprint.route(f"{EMAIL}/code", method="POST", permission="profile:write", limit=LOGIN, errors=(409,))
@blueprint.response(202, MailStateSchema)
def send_email_code() -> tuple[MailState, int]:
    """Send a code to the address of the caller's profile, with growing pauses, and five within a day."""
    return services.mail_addresses.ask(principal, origin()), 202


@blueprint.route(f"{EMAIL}/confirm", method="POST", permission="profile:write", limit=LOGIN)
@blueprint.arguments(MailCodeSchema)
@blueprint.response(200, MailStateSchema)
def confirm_email(body: dict[str, str]) -> MailState:
    """Confirm the address by the code that was sent to it."""
    return services.mail_addresses.confirm(principal, origin(), body["code"])


@blueprint.route(f"{EMAIL}/test", method="POST", permission="profile:write", limit=LOGIN, errors=(409,))
@blueprint.response(202, MailDeliverySchema)
def test_email() -> tuple[MailDelivery, int]:
    """Send the caller a test mail; the deliveries show what became of it."""
    return services.mails.test(principal), 202


@blueprint.route(f"{EMAIL}/deliveries", permission="notifications:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, MailDeliverySchema, paged=True)
def list_email_deliveries(query: dict[str, Any]) -> Page[MailDelivery]:
    """List the mails sent to the caller in the last 30 days and their delivery, newest first.

    What happens within a minute goes into one mail. One that the server did not take is sent again, ten times in all,
    under the same Message-ID: it may come twice.
    """
    return services.mails.deliveries(principal, **query)
