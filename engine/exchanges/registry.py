"""Real exchanges as OctoBot finds them: one `RestExchange` class per configured name, on the class of `connect`."""

from __future__ import annotations

from typing import Any

import octobot_trading.enums as octobot_enums
import octobot_trading.exchanges as octobot_exchanges

from config import Settings
from engine.exchanges.client import client_class, client_config
from engine.exchanges.venue import lent

_classes: dict[str, type[Any]] = {}
"""OctoBot finds classes by walking the subclasses of `RestExchange`: they must be kept, and be there only once."""


class RealConnector(octobot_exchanges.CCXTConnector):  # type: ignore[misc]
    """OctoBot's connector on our ccxt class."""

    def _create_exchange_type(self) -> None:
        self.exchange_type = client_class(self.rest_name)

    def _should_authenticate(self) -> bool:
        # keys do not go through OctoBot's configuration: a live account hands them to the client
        return False

    async def _ensure_exchange_init(self) -> None:
        """Take over markets that are there already, and ask nothing then."""
        known = lent(self.rest_name)
        if known is None:
            await super()._ensure_exchange_init()
        else:
            self.client.set_markets_from_exchange(known)


class RealExchange(octobot_exchanges.RestExchange):  # type: ignore[misc]
    """What all real exchanges have in common."""

    FIX_MARKET_STATUS = True
    ADJUST_FOR_TIME_DIFFERENCE = True
    DEFAULT_CONNECTOR_CLASS = RealConnector

    exchange = ""
    settings: Settings

    @classmethod
    def get_name(cls) -> str:
        """Return the name OctoBot finds this class by; the base class is found by none."""
        return cls.exchange

    @classmethod
    def get_supported_exchange_types(cls) -> list[Any]:
        """Return the kinds of trading on offer."""
        return [octobot_enums.ExchangeTypes.SPOT, octobot_enums.ExchangeTypes.FUTURE]

    @classmethod
    def load_user_inputs_from_class(cls, tentacles_setup_config: Any, tentacle_config: Any) -> Any:  # noqa: ARG003
        """Return no settings: there is nothing to configure."""
        return {}

    async def switch_to_account(self, account_type: Any) -> None:
        """Do nothing: there is one kind of account."""

    def get_additional_connector_config(self) -> dict[str, Any]:
        """Return the options, the time-out and the address of the ccxt client."""
        return client_config(self.exchange, self.settings, "futures" if self.exchange_manager.is_future else "spot")


def register(name: str, settings: Settings) -> None:
    """Make an exchange known to OctoBot."""
    known = _classes.setdefault(name, type(f"{name.title()}Exchange", (RealExchange,), {"exchange": name}))
    known.settings = settings
