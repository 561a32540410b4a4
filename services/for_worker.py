"""The use cases that the worker needs, wired together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import migrations
from config import Settings
from models import Database
from services.backtests.backtests import Backtests
from services.backtests.plans import Plans
from services.backtests.sweeps import Sweeps
from services.bot.accounts import BotAccounts
from services.bot.notices import BotNotices
from services.bot.records import BotRecords
from services.bot_config.schemas import Schemas
from services.data_files.service import DataFiles
from services.idempotency import Idempotency
from services.jobs import Jobs
from services.leases import Leases
from services.notifications import outside
from services.notifications.alerts import AlertWatch
from services.notifications.announcements import Announcements
from services.notifications.mail import Mails
from services.notifications.mail_addresses import MailAddresses
from services.notifications.notifications import EventReader, Notifications
from services.notifications.webhooks import Webhooks
from services.tournaments.end import TournamentEnd
from services.tournaments.moves import TournamentSchedule
from services.tournaments.news import TournamentNews
from services.tournaments.prizes import Prizes, want_settlement
from utils.bot_bridge import BotBridge
from utils.home import Home
from utils.octobot_bridge import OctoBotBridge, UnixTransport


@dataclass(frozen=True, kw_only=True)
class WorkerServices:
    """The use cases that the worker needs."""

    jobs: Jobs
    leases: Leases
    idempotency: Idempotency
    backtests: Backtests
    data_files: DataFiles
    sweeps: Sweeps
    event_reader: EventReader
    notifications: Notifications
    webhooks: Webhooks
    mails: Mails
    mail_addresses: MailAddresses
    announcements: Announcements
    alert_watch: AlertWatch
    prizes: Prizes
    tournament_schedule: TournamentSchedule
    tournament_end: TournamentEnd
    tournament_news: TournamentNews
    bot_records: BotRecords
    bot_accounts: BotAccounts
    bot_notices: BotNotices
    tentacle_schemas: Schemas
    is_schema_current: Callable[[], bool]
    close: Callable[[], None]


def build_for_worker(settings: Settings) -> WorkerServices:
    """Wire the services of the worker together."""
    database = Database(settings.database_url)
    bridge, idempotency = OctoBotBridge(UnixTransport(settings.engine_socket)), Idempotency(database)
    data_files = DataFiles(database, settings.candle_dir, idempotency)
    plans = Plans(bridge, data_files)
    bot_records = BotRecords(database, autostart=settings.octobot_autostart)
    return WorkerServices(
        jobs=Jobs(database),
        leases=Leases(database),
        idempotency=idempotency,
        backtests=Backtests(database, plans, idempotency),
        data_files=data_files,
        sweeps=Sweeps(database, plans, idempotency),
        event_reader=EventReader(database),
        notifications=Notifications(database),
        webhooks=outside.webhooks(settings, database),
        alert_watch=AlertWatch(database, bridge),
        mails=Mails(database, outside.mailer(settings)),
        mail_addresses=MailAddresses(database, outside.mailer(settings)),
        announcements=Announcements(database, idempotency),
        prizes=Prizes(database, bridge),
        tournament_schedule=TournamentSchedule(database),
        tournament_end=TournamentEnd(database, bridge, want_settlement),
        tournament_news=TournamentNews(database),
        bot_records=bot_records,
        bot_accounts=BotAccounts(database),
        bot_notices=BotNotices(bot_records, BotBridge(UnixTransport(settings.bot_socket, "bot"))),
        tentacle_schemas=Schemas(Home(settings.octobot_home)),
        is_schema_current=lambda: migrations.is_current(database),
        close=database.close,
    )
