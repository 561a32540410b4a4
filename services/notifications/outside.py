"""What leads out of the installation, as the settings have it."""

from __future__ import annotations

from config import Settings
from models import Database
from services.notifications.webhooks import Webhooks
from utils.outbound import Outbound
from utils.smtp import Mailer
from utils.vault import Vault


def webhooks(settings: Settings, database: Database) -> Webhooks:
    """Return the webhooks of users."""
    outbound = Outbound(allow_private=settings.webhook_private_addresses)
    return Webhooks(database, Vault.of(settings.encryption_keys), outbound)


def mailer(settings: Settings) -> Mailer | None:
    """Return the way to the mail server, None where there is none."""
    return Mailer(settings.smtp_url, settings.mail_from) if settings.smtp_url else None
