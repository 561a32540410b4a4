"""The use cases of the web server, wired together."""

from __future__ import annotations

from dataclasses import dataclass

from config import Settings
from models import Database
from services import bot_config
from services.accounts.accounts import Accounts
from services.accounts.changes import AccountChanges
from services.accounts.credentials import Credentials
from services.accounts.equity import EquityCurves
from services.accounts.events import AccountEvents
from services.accounts.performance import Performances
from services.accounts.portfolio import Portfolios
from services.accounts.wealth import Wealth
from services.backtests.backtests import Backtests
from services.backtests.plans import Plans
from services.backtests.progress import BacktestProgress
from services.backtests.sweeps import Sweeps
from services.bot.bot import Bot
from services.bot.notices import BotNotices
from services.bot.readings import BotReadings
from services.bot.records import BotRecords
from services.data_files.service import DataFiles
from services.idempotency import Idempotency
from services.jobs import Jobs
from services.leases import Leases
from services.market import Market
from services.notifications import outside
from services.notifications.alerts import Alerts
from services.notifications.announcements import Announcements
from services.notifications.mail import Mails
from services.notifications.mail_addresses import MailAddresses
from services.notifications.notifications import Notifications
from services.notifications.webhooks import Webhooks
from services.operations.audit_log import AuditLog
from services.operations.configuration import Configurations
from services.operations.gateway import Gateway
from services.operations.health import Health
from services.operations.logs import Logs
from services.operations.metrics import Metrics
from services.operations.statistics import Figures
from services.strategies.additions import StrategyAdditions
from services.strategies.holdings import StrategyHoldings
from services.strategies.owners import StrategyOwners
from services.strategies.signals import Signals
from services.strategies.strategies import Strategies
from services.streams import Streams
from services.tournaments.awards import Awards
from services.tournaments.changes import TournamentChanges
from services.tournaments.leaderboard import Leaderboard
from services.tournaments.participation import Participation
from services.tournaments.rankings import Rankings
from services.tournaments.tournaments import Tournaments
from services.trading.order_trades import OrderTrades
from services.trading.orders import Orders
from services.trading.paper_trading import PaperTrading
from services.trading.positions import Positions
from services.trading.risk import Risk
from services.trading.trade_export import TradeExports
from services.users.administration import Administration
from services.users.api_keys import ApiKeys
from services.users.confirmation import Confirmation
from services.users.deactivation import Deactivation
from services.users.deletion import Deletion
from services.users.email_changes import EmailChanges
from services.users.passwords import Passwords
from services.users.personal_data import PersonalData
from services.users.second_factors import SecondFactors
from services.users.sessions import Sessions
from services.users.settings import UserSettings
from services.users.tickets import Tickets
from services.users.tokens import Tokens
from services.users.users import Users
from utils.bot_bridge import BotBridge
from utils.home import Home
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from utils.streamer_channel import StreamerChannel
from utils.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Services:
    """Every use case of one installation, built once."""

    users: Users
    sessions: Sessions
    api_keys: ApiKeys
    second_factors: SecondFactors
    email_changes: EmailChanges
    tickets: Tickets
    account_events: AccountEvents
    accounts: Accounts
    account_changes: AccountChanges
    credentials: Credentials
    orders: Orders
    order_trades: OrderTrades
    paper_trading: PaperTrading
    trade_exports: TradeExports
    risk: Risk
    portfolios: Portfolios
    positions: Positions
    equity: EquityCurves
    performances: Performances
    wealth: Wealth
    strategies: Strategies
    strategy_additions: StrategyAdditions
    strategy_holdings: StrategyHoldings
    signals: Signals
    backtests: Backtests
    data_files: DataFiles
    sweeps: Sweeps
    tournaments: Tournaments
    tournament_changes: TournamentChanges
    rankings: Rankings
    leaderboard: Leaderboard
    awards: Awards
    participation: Participation
    market: Market
    notifications: Notifications
    webhooks: Webhooks
    mails: Mails
    mail_addresses: MailAddresses
    announcements: Announcements
    alerts: Alerts
    streams: Streams
    streamer: StreamerChannel
    configurations: Configurations
    bot: Bot
    bot_notices: BotNotices
    config_changes: bot_config.Changes
    config_history: bot_config.History
    config_profiles: bot_config.Profiles
    config_tentacles: bot_config.Tentacles
    administration: Administration
    user_settings: UserSettings
    personal_data: PersonalData
    deletion: Deletion
    figures: Figures
    audit_log: AuditLog
    gateway: Gateway
    health: Health
    logs: Logs
    metrics: Metrics


def build(settings: Settings, database: Database, bridge: OctoBotBridge) -> Services:
    """Wire the services together."""
    streamer = StreamerChannel(settings.streamer_socket)
    jobs, leases = Jobs(database), Leases(database)
    metrics = Metrics(bridge, streamer, jobs, leases, settings.metrics_token)
    bridge = bridge.observed(metrics.count_call)
    passwords = Passwords(processes=settings.web_workers)
    vault = Vault.of(settings.encryption_keys)
    confirmation = Confirmation(database, passwords)
    second_factors = SecondFactors(database, vault, confirmation)
    keys, deactivation = ApiKeys(database, second_factors), Deactivation(database, bridge)
    sessions = Sessions(database, passwords, Tokens(settings.secret_key), second_factors, keys)
    accounts = Accounts(database)
    bot_records = BotRecords(database, autostart=settings.octobot_autostart)
    bot_bridge = BotBridge(UnixTransport(settings.bot_socket, "bot"))
    bot_readings = BotReadings(bot_records, bot_bridge)
    orders, positions = Orders(database, bridge, accounts, bot_readings), Positions(bridge, accounts)
    portfolios = Portfolios(bridge, accounts, bot_readings)
    idempotency = Idempotency(database)
    data_files = DataFiles(database, settings.candle_dir, idempotency)
    plans = Plans(bridge, data_files)
    equity = EquityCurves(database, bridge, accounts, bot_readings)
    performances = Performances(database, bridge, accounts, equity, bot_readings)
    strategies = Strategies(database, bridge, performances)
    tournaments = Tournaments(database)
    rankings = Rankings(database, bridge)
    home = Home(settings.octobot_home)
    bot = Bot(database, bot_records, bot_bridge, home, live_trading_enabled=settings.live_trading_enabled)
    config_changes = bot_config.Changes(database, home, bot, live_trading_enabled=settings.live_trading_enabled)
    notifications = Notifications(database)
    mail_addresses = MailAddresses(database, outside.mailer(settings))
    return Services(
        users=Users(database, passwords, signup_enabled=settings.signup_enabled),
        sessions=sessions,
        api_keys=keys,
        second_factors=second_factors,
        email_changes=EmailChanges(database, second_factors, mail_addresses),
        tickets=Tickets(database),
        account_events=AccountEvents(database),
        accounts=accounts,
        account_changes=AccountChanges(
            database,
            bridge,
            accounts,
            idempotency,
            live_trading_enabled=settings.live_trading_enabled,
            max_accounts=settings.max_accounts,
        ),
        credentials=Credentials(database, bridge, vault, idempotency, settings.exchanges),
        orders=orders,
        order_trades=OrderTrades(database, orders),
        paper_trading=PaperTrading(accounts, orders, positions, portfolios),
        trade_exports=TradeExports(database, accounts),
        risk=Risk(database, bridge, accounts, bot_records.left_orders),
        portfolios=portfolios,
        positions=positions,
        equity=equity,
        performances=performances,
        wealth=Wealth(bridge, accounts),
        strategies=strategies,
        strategy_additions=StrategyAdditions(
            database,
            bridge,
            accounts,
            idempotency,
            max_strategies=settings.max_strategies,
            live_trading_enabled=settings.live_trading_enabled,
        ),
        strategy_holdings=StrategyHoldings(database, bridge, strategies),
        signals=Signals(database, bridge, strategies),
        backtests=Backtests(database, plans, idempotency),
        data_files=data_files,
        sweeps=Sweeps(database, plans, idempotency),
        tournaments=tournaments,
        rankings=rankings,
        leaderboard=Leaderboard(database),
        awards=Awards(database, tournaments),
        tournament_changes=TournamentChanges(database, bridge, idempotency),
        participation=Participation(database, idempotency),
        market=Market(bridge),
        notifications=notifications,
        webhooks=outside.webhooks(settings, database),
        mails=Mails(database, outside.mailer(settings)),
        mail_addresses=mail_addresses,
        announcements=Announcements(database, idempotency),
        alerts=Alerts(database, bridge, idempotency),
        streams=Streams(bridge, accounts, rankings, BacktestProgress(database), StrategyOwners(database)),
        streamer=streamer,
        bot=bot,
        bot_notices=BotNotices(bot_records, bot_bridge),
        configurations=Configurations(settings, bridge, home),
        config_changes=config_changes,
        config_history=bot_config.History(database),
        config_profiles=bot_config.Profiles(database, home, config_changes, idempotency),
        config_tentacles=bot_config.Tentacles(home, config_changes),
        administration=Administration(database, sessions, keys, deactivation),
        user_settings=UserSettings(database, notifications),
        personal_data=PersonalData(database),
        deletion=Deletion(
            database, bridge, confirmation=confirmation, deactivation=deactivation, sessions=sessions, keys=keys
        ),
        figures=Figures(database, bridge),
        audit_log=AuditLog(database),
        gateway=Gateway(database, bridge),
        health=Health(database, bridge, streamer, leases),
        logs=Logs(settings.log_dir),
        metrics=metrics,
    )
