"""Real exchanges as OctoBot's paper accounts see them: their markets and rules, without a line to the exchange.

An account is opened in milliseconds, also while the exchange is away, and no simulated order can leave the machine.
"""

from __future__ import annotations

from typing import Any, ClassVar

import ccxt
import ccxt.async_support as ccxt_async

from engine.demo.exchange import DemoClient, DemoExchange
from engine.demo.forms import market_form
from engine.markets.source import PriceSource

_sources: dict[str, PriceSource] = {}
_classes: dict[str, type[Any]] = {}
"""OctoBot finds classes by walking the subclasses of `RestExchange`: they must be kept, and be there only once."""


def register(source: PriceSource) -> str:
    """Make the markets of `source` known to OctoBot, and return the name of the exchange that has them."""
    name = f"paper{source.exchange}"
    _sources[name] = source
    if name not in _classes:
        client = type(name, (PaperClient,), {"exchange": name})
        for module in (ccxt_async, ccxt):
            setattr(module, name, client)
            module.exchanges.append(name)
        _classes[name] = type(f"{name.title()}Exchange", (PaperExchange,), {"exchange": name})
    return name


class PaperClient(DemoClient):
    """A ccxt exchange that lists the markets of a source. Paper accounts ask it for nothing else."""

    exchange: ClassVar[str] = ""

    def describe(self) -> Any:
        """Return what ccxt wants to know of an exchange."""
        # OctoBot caches markets by this address: what was listed later must not be taken for what was before
        address = f"http://{self.exchange}-{hash(tuple(_sources[self.exchange].instruments()))}.invalid"
        mine = {"id": self.exchange, "name": self.exchange, "urls": {"api": {"public": address}}}
        return self.deep_extend(super().describe(), mine)

    async def fetch_markets(self, params: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002
        """Return the listed markets."""
        return [market_form(instrument) for instrument in _sources[self.exchange].instruments()]


class PaperExchange(DemoExchange):
    """OctoBot's exchange over `PaperClient`."""

    exchange: ClassVar[str] = ""

    @classmethod
    def get_name(cls) -> str:
        """Return the name OctoBot finds this class by; the base class is found by none."""
        return cls.exchange
