"""The real engine, with OctoBot, as a contract test sees it."""

from __future__ import annotations

from decimal import Decimal

import models
from config import Settings
from models import Database
from tests import books
from tests.engine_host import EngineHost
from tests.manual_market import ManualMarket
from utils import clock
from utils.ids import new_id
from utils.octobot_bridge import OctoBotBridge, UnixTransport


class EngineExchange:
    """An engine on a database of its own, reached through its socket."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._market = ManualMarket()
        self._host = EngineHost(settings, self._market)
        self._host.start()
        self.bridge = OctoBotBridge(UnixTransport(settings.engine_socket), timeout=30)

    def set_price(self, symbol: str, price: Decimal) -> None:
        self._market.set_price(symbol, price)
        self._host.tick()

    def new_account(self, type: str = "spot") -> tuple[str, str]:
        user, account, moment = new_id(), new_id(), clock.now()
        with self._database.write() as session:
            session.add(
                models.User(
                    id=user,
                    username=user,
                    username_key=user,
                    email=user,
                    email_key=user,
                    password_hash="",
                    role="user",
                    is_active=True,
                    created_at=moment,
                    updated_at=moment,
                )
            )
            session.flush()
            session.add(
                models.Account(
                    id=account,
                    user_id=user,
                    name="Paper",
                    mode="paper",
                    exchange="demo",
                    type=type,
                    kind="main",
                    reference_currency="USDT",
                    starting_balance=Decimal(10_000),
                    status="active",
                    created_at=moment,
                    updated_at=moment,
                )
            )
        return user, account

    def restart(self) -> None:
        self._host.stop()
        self._host.start()

    def differences(self) -> list[str]:
        return books.differences(self._database, self.bridge)

    def close(self) -> None:
        self._host.close()
