"""Which jobs there are: the one table of kinds and what does them."""

from __future__ import annotations

from collections.abc import Mapping

from services import WorkerServices, announcements, mail, mail_addresses, webhooks
from services.backtests import KIND
from services.jobs import Handler
from worker import backtests


def handlers(services: WorkerServices) -> Mapping[str, Handler]:
    """Return what does the jobs of each kind."""
    return {
        KIND: backtests.handler(services.backtests),
        webhooks.JOB: Handler(call=services.webhooks.deliver, attempts=webhooks.ATTEMPTS, at_once=8, first_delay=5.0),
        mail.JOB: Handler(call=services.mails.deliver, attempts=mail.ATTEMPTS, first_delay=30.0),
        mail_addresses.JOB: Handler(call=services.mail_addresses.send_code, attempts=3, first_delay=5.0),
        announcements.JOB: Handler(call=services.announcements.deliver, seconds=600.0, at_once=1),
    }
