"""The kill switches that are engaged, in memory: checked for every order."""

from __future__ import annotations

from collections.abc import Iterator

from utils.wire import KillSwitch, SwitchScope


class KillSwitches:
    """The switches that are engaged."""

    def __init__(self) -> None:
        self._engaged: dict[tuple[SwitchScope, str], KillSwitch] = {}

    def __iter__(self) -> Iterator[KillSwitch]:
        return iter(list(self._engaged.values()))

    def get(self, scope: SwitchScope, target: str) -> KillSwitch | None:
        """Return a switch, if it is engaged."""
        return self._engaged.get((scope, target))

    def put(self, scope: SwitchScope, target: str, switch: KillSwitch | None) -> None:
        """Engage a switch, or release it with None."""
        if switch is None:
            self._engaged.pop((scope, target), None)
        else:
            self._engaged[scope, target] = switch

    def over(self, account_id: str, user_id: str) -> KillSwitch | None:
        """Return the widest engaged switch that holds for an account."""
        if not self._engaged:
            return None
        return self.get("installation", "") or self.get("user", user_id) or self.get("account", account_id)
