"""The use cases that the streamer needs, wired together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from config import Settings
from models import Database
from services.accounts.accounts import Accounts
from services.accounts.events import AccountEvents
from services.backtests.progress import BacktestProgress
from services.market import Market
from services.operations.log_readers import LogReaders
from services.strategies.owners import StrategyOwners
from services.streams import Streams
from services.tournaments.rankings import Rankings
from services.users.api_keys import ApiKeys
from services.users.confirmation import Confirmation
from services.users.passwords import Passwords
from services.users.second_factors import SecondFactors
from services.users.sessions import Sessions
from services.users.tickets import Tickets
from services.users.tokens import Tokens
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from utils.vault import Vault


@dataclass(frozen=True, kw_only=True)
class StreamServices:
    """The use cases that the streamer needs."""

    sessions: Sessions
    api_keys: ApiKeys
    tickets: Tickets
    streams: Streams
    rankings: Rankings
    market: Market
    account_events: AccountEvents
    backtest_progress: BacktestProgress
    strategy_owners: StrategyOwners
    log_readers: LogReaders
    close: Callable[[], None]


def build_for_streams(settings: Settings, *, threads: int) -> StreamServices:
    """Wire the services of the streamer together, for at most `threads` questions at a time."""
    database = Database(settings.database_url, pool_size=threads)
    bridge = OctoBotBridge(UnixTransport(settings.engine_socket))
    passwords = Passwords(processes=1)
    second_factors = SecondFactors(database, Vault.of(settings.encryption_keys), Confirmation(database, passwords))
    keys = ApiKeys(database, second_factors)
    progress, owners = BacktestProgress(database), StrategyOwners(database)
    rankings = Rankings(database, bridge)
    return StreamServices(
        sessions=Sessions(database, passwords, Tokens(settings.secret_key), second_factors, keys),
        api_keys=keys,
        tickets=Tickets(database),
        streams=Streams(bridge, Accounts(database), rankings, progress, owners),
        rankings=rankings,
        market=Market(bridge),
        account_events=AccountEvents(database),
        backtest_progress=progress,
        strategy_owners=owners,
        log_readers=LogReaders(database),
        close=database.close,
    )
