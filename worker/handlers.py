"""The table of all kinds of jobs and their handlers."""

from __future__ import annotations

from collections.abc import Mapping

from services import WorkerServices
from services.backtests.backtests import Backtests
from services.backtests.sweeps import Sweeps
from services.bot import notices
from services.jobs import Handler
from services.notifications import announcements, mail, mail_addresses, webhooks
from services.tournaments import moves, news, participation, prizes
from worker import backtests

MANY = 90
"""Of what must be done in the end, however long the engine is away; those of a tournament are wanted anew after it."""


def handlers(services: WorkerServices) -> Mapping[str, Handler]:
    """Return what does the jobs of each kind."""
    return {
        Backtests.KIND: backtests.handler(services.backtests),
        Sweeps.KIND: backtests.sweep_handler(services.sweeps),
        moves.CLOSE: Handler(call=services.tournament_end.close, seconds=3_600.0, attempts=MANY, longest_delay=30.0),
        news.JOB: Handler(call=services.tournament_news.deliver, seconds=600.0, attempts=MANY, longest_delay=60.0),
        participation.ARCHIVE: Handler(call=services.tournament_end.archive, attempts=MANY, longest_delay=60.0),
        webhooks.JOB: Handler(call=services.webhooks.deliver, attempts=webhooks.ATTEMPTS, at_once=8, first_delay=5.0),
        prizes.JOB: services.prizes.handler(),
        mail.JOB: Handler(call=services.mails.deliver, attempts=mail.ATTEMPTS, first_delay=30.0),
        mail_addresses.JOB: Handler(call=services.mail_addresses.send_code, attempts=3, first_delay=5.0),
        mail_addresses.FAREWELL: Handler(
            call=services.mail_addresses.send_farewell, attempts=mail.ATTEMPTS, first_delay=30.0
        ),
        # one after the other: what happened first is told first
        notices.JOB: Handler(call=services.bot_notices.deliver, attempts=notices.ATTEMPTS, at_once=1, first_delay=5.0),
        announcements.JOB: Handler(call=services.announcements.deliver, seconds=600.0, at_once=1),
    }
