"""What happens to users' strategies: those of their account events that belong to accounts of strategies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from streaming.accounts import AccountFeed, AccountFollowing
from streaming.client import Client
from utils.wire import AccountEvent

Names = Callable[[str, Collection[str]], dict[str, str | None]]
"""Returns the strategy on each of a user's accounts; see `services.strategies.owners`."""


class StrategyFollowing(AccountFollowing):
    """One client who follows their strategies, or one of them.

    Which accounts are strategies' is asked when an event names one for the first time, and again when one tells of a
    strategy: a live account that was its owner's may have become a strategy's, or another one's.
    """

    __slots__ = ("_known", "_names", "_strategy")

    def __init__(
        self, feed: AccountFeed, names: Names, client: Client, strategy: str | None, since_id: int | None
    ) -> None:
        super().__init__(feed, client, None, since_id)
        self._names = names
        self._strategy = strategy
        self._known: dict[str, str | None] = {}

    def can_tell(self, event: AccountEvent) -> bool:
        """Tell whether it is known whose account it is."""
        return event.account in self._known and event.type != "strategy"

    async def learn(self, page: Sequence[AccountEvent]) -> None:
        """Ask which strategies the accounts belong to."""
        unknown = {each.account for each in page if each.type == "strategy" or each.account not in self._known}
        if unknown:
            self._known |= await self.feed.readers.ask(self._names, self.client.caller.user_id, sorted(unknown))

    def concerns(self, event: AccountEvent) -> bool:
        """Tell whether it is a strategy's, and the one that is meant."""
        if event.type == "reset":
            return True
        name = self._known[event.account]
        return name is not None and self._strategy in (None, name)
