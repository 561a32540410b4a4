"""The real ccxt classes, called without `await`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import ccxt.async_support

from tests.exchanges.protocol import Key
from tests.exchanges.server import Loopback


class Client:
    """`ccxt.async_support.<exchange>` on an event loop of its own; every method of it waits for its answer."""

    def __init__(self, exchange: Loopback | str, key: Key | None = None, **options: Any) -> None:
        """Connect to `exchange` with `key`; `options` go to ccxt (`timeout` in ms); with a name it gets no others."""
        name, config = (exchange, options) if isinstance(exchange, str) else (exchange.name, options)
        if isinstance(exchange, Loopback):
            config = exchange.ccxt_config(key, **options)
        self.ccxt = getattr(ccxt.async_support, name)(config)
        self.ccxt.enableLastJsonResponse = True
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.ccxt, name)
        return lambda *args, **kwargs: self._loop.run_until_complete(method(*args, **kwargs))

    @property
    def answer(self) -> Any:
        """The last JSON body that came in, errors too."""
        return self.ccxt.last_json_response

    def together(self, *calls: Any) -> list[Any]:
        """Wait for several coroutines at once; errors are among the results."""

        async def gather() -> list[Any]:
            return list(await asyncio.gather(*calls, return_exceptions=True))

        return self._loop.run_until_complete(gather())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.run_until_complete(self.ccxt.close())
        self._loop.close()
