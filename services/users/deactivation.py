"""What a deactivation means for trading: the user's kill switch is pulled, and released when they come back."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, select

import models
from models import Database
from services.trading.risk import SWITCH_SECONDS
from utils.errors import BridgeError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, EngageKillSwitch, ReleaseKillSwitch

REASON = "The user is deactivated"


class Deactivation:
    """Stop and resume the trading of users.

    The kill switch refuses new orders at the one gate that orders of every origin pass, cancels the open ones until
    that is done, and holds across restarts. Holdings and positions stay as they are, live ones at their exchange.
    """

    def __init__(self, database: Database, bridge: OctoBotBridge) -> None:
        self._database = database
        self._bridge = bridge

    def stop_trading(self, actor: Actor, user_id: str) -> None:
        """Pull the user's kill switch, as `pull_switch` does, once they are deactivated.

        :raises BridgeError: the engine is away, and the user's open orders stay open.
        """
        try:
            self.pull_switch(actor, user_id)
        except BridgeError as error:
            raise _unfinished(error, "their open orders are not canceled") from error

    def pull_switch(self, actor: Actor, user_id: str) -> bool:
        """Pull the user's kill switch, and tell whether this did it.

        One that they or an administrator have pulled already stays as it is.
        """
        was_engaged = self._is_engaged(user_id)
        # not as an administrator, who takes over what is engaged
        command = EngageKillSwitch(actor=actor, scope="user", target=user_id, reason=REASON)
        state = self._bridge.within(SWITCH_SECONDS).engage_kill_switch(command)
        return not was_engaged and (state.engaged_by, state.reason) == (actor.user_id, REASON)

    def resume_trading(self, actor: Actor, user_id: str) -> None:
        """Release the kill switch of a user who is active, if a deactivation pulled it.

        :raises BridgeError: the engine is away, and the user cannot trade.
        """
        is_active = exists().where(models.User.id == user_id, models.User.is_active)
        if not self._is_engaged(user_id, models.KillSwitch.reason == REASON, is_active):
            return
        command = ReleaseKillSwitch(actor=actor, scope="user", target=user_id, as_admin=True)
        try:
            self._bridge.release_kill_switch(command)
        except BridgeError as error:
            raise _unfinished(error, "they cannot trade") from error

    def _is_engaged(self, user_id: str, *conditions: ColumnElement[bool]) -> bool:
        """Tell whether the user's kill switch is engaged, on `conditions`."""
        switch = models.KillSwitch
        query = select(switch.target).where(switch.scope == "user", switch.target == user_id, *conditions)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None


def _unfinished(error: BridgeError, what: str) -> BridgeError:
    detail = f"The user is changed, but {what} yet: {error.detail} Repeat the request."
    return type(error)(detail, code=error.code, retry_after=error.retry_after)
