"""Which class OctoBot takes for the demo exchange."""

from __future__ import annotations

from typing import Any

from octobot.initializer import Initializer

from engine.demo.exchange import DemoExchange


class DemoInitializer(Initializer):  # type: ignore[misc]
    """Let OctoBot's own initializer do its work, and have `DemoExchange` count as a tentacle that is active.

    OctoBot takes no exchange that is not one: its default class, or that of an installed package, would stand in, which
    trades spot alone and reckons fees with floats.
    """

    async def create(self, init_bot_storage: bool) -> None:
        """Read which tentacles are active, and more. What is in the home stays as it is."""
        await super().create(init_bot_storage)
        setup: Any = self.octobot.tentacles_setup_config
        is_active = setup.is_tentacle_activated

        def is_activated(name: str, *rest: Any) -> bool:
            return name == DemoExchange.__name__ or bool(is_active(name, *rest))

        setup.is_tentacle_activated = is_activated
