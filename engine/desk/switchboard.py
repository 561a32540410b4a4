"""Kill switches: engaging one refuses new orders at once, and cancels the open ones until none is left."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from engine.accounts.accounts import Accounts
from engine.desk.desk import Desk
from engine.journal.journal import Journal
from engine.journal.keys import Claim
from engine.journal.records import Records
from engine.journal.unit import Line, Unit
from engine.orders.kill_switches import KillSwitches
from engine.orders.triggers import Triggers
from utils import clock, wire
from utils.errors import Forbidden, TradingError
from utils.wire import FINAL_STATUSES, KillSwitch, KillSwitchState

_log = logging.getLogger(__name__)
SWEEP_SECONDS = 8.0
"""How long an answer waits for the cancels; what takes longer goes on, and is told as open."""
RETRY_SECONDS = 1.0
ACCOUNTS_AT_ONCE = 4
LIVE_ACCOUNTS_AT_ONCE = 32
"""They wait for exchanges, and must not keep those waiting that need none."""
_Sweep = asyncio.Task[list[str]]


class Switchboard:
    """Engage and release kill switches."""

    def __init__(
        self, switches: KillSwitches, desk: Desk, accounts: Accounts, journal: Journal, records: Records
    ) -> None:
        self._switches = switches
        self._desk = desk
        self._accounts = accounts
        self._journal = journal
        self._records = records
        self._triggers: Triggers = desk.triggers
        self._changing = asyncio.Lock()
        self._slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
        self._live_slots = asyncio.Semaphore(LIVE_ACCOUNTS_AT_ONCE)
        self._sweeping: dict[str, _Sweep] = {}
        self._failed: dict[str, set[str]] = {}
        """Orders that could not be canceled; the index of triggers misses them while their account is read anew."""

    async def load(self) -> None:
        """Read the switches that were engaged before the engine started."""
        for switch in await asyncio.to_thread(self._records.kill_switches):
            self._switches.put(switch.scope, switch.target, switch)

    async def engage(self, command: wire.EngageKillSwitch) -> KillSwitchState:
        """Refuse new orders of the target from now on, also after a restart, and cancel its open ones."""
        return await self._desk.keys.once(command, lambda claim: self._engage(command, claim))

    async def release(self, command: wire.ReleaseKillSwitch) -> KillSwitchState:
        """Take orders again.

        :raises Forbidden: `kill_switch_of_admin` when an admin engaged it and a user wants to release it,
            `user_inactive` when whoever releases their own is deactivated.
        """
        async with self._changing:
            switch = self._switches.get(command.scope, command.target)
            unit = Unit(Line(command.account, command.actor.user_id))
            if switch is not None:
                refusal = await self._refusal(command, switch)
                if refusal is not None:
                    unit.record("kill_switch.release", command.actor, _target(command), refusal)
                    await self._journal.submit(unit)
                    raise refusal
                unit.record("kill_switch.release", command.actor, _target(command))
                unit.switches.append(_row(switch, engaged=False))
                await self._journal.submit(unit)
                self._switches.put(command.scope, command.target, None)
        return _state(command, None, [], [])

    async def _refusal(self, command: wire.ReleaseKillSwitch, switch: KillSwitch) -> Forbidden | None:
        if not command.as_admin and switch.engaged_by != command.actor.user_id:
            return Forbidden("An administrator engaged this kill switch.", code="kill_switch_of_admin")
        # their request may have come in before the deactivation, which relies on the switch that it found
        own = command.target == command.actor.user_id
        if own and await asyncio.to_thread(self._records.is_deactivated, command.target):
            return Forbidden("The user is deactivated.", code="user_inactive")
        return None

    async def sweep_forever(self) -> None:
        """Cancel what is open under an engaged switch, again and again, until cancelled."""
        while True:
            for switch in self._switches:
                try:
                    await self._sweep(switch, await self._under(switch))
                except TradingError as error:
                    _log.warning("the kill switch of %s %s: %s", switch.scope, switch.target, error.detail)
            await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Wait for the cancels under way."""
        await asyncio.gather(*self._sweeping.values(), return_exceptions=True)

    async def _engage(self, command: wire.EngageKillSwitch, claim: Claim | None) -> KillSwitchState:
        async with self._changing:
            known = self._switches.get(command.scope, command.target)
            switch = known
            # `sweep_forever` may cancel orders before this has come to it, and the answer tells them all
            were_open = self._triggers.by_account()
            if known is None or (command.as_admin and known.engaged_by != command.actor.user_id):
                switch = KillSwitch(
                    scope=command.scope,
                    target=command.target,
                    engaged_by=command.actor.user_id,
                    reason=command.reason,
                    engaged_at=clock.now(),
                )
                # before the commit: whoever pulls the switch does not wait for the database
                self._switches.put(command.scope, command.target, switch)
                unit = Unit(Line(command.account, command.actor.user_id))
                unit.record("kill_switch.engage", command.actor, _target(command))
                unit.switches.append(_row(switch, engaged=True))
                try:
                    await self._journal.submit(unit)
                except TradingError:
                    self._switches.put(command.scope, command.target, known)
                    raise
        canceled: list[str] = []
        still_open: list[str] = []
        if switch is not None:
            # also the accounts in memory that seem to have none: an order may be on its way through them
            accounts = await self._under(switch, *self._accounts.in_memory(), *were_open)
            canceled, still_open = await self._sweep(switch, accounts, were_open)
        state = _state(command, switch, canceled, still_open)
        if claim is not None:
            unit = Unit(Line(command.account, command.actor.user_id))
            unit.key(claim, answer=state)
            await self._journal.submit(unit)
        return state

    async def _sweep(
        self, switch: KillSwitch, accounts: list[str], were_open: dict[str, list[str]] | None = None
    ) -> tuple[list[str], list[str]]:
        """Cancel the open orders of `accounts`; return the ids of what is canceled, and of what is not yet.

        :param were_open: orders, by account, that are told of too though another sweep may have canceled them.
        """
        before = self._triggers.by_account()
        tasks = [self._sweep_account(account_id, switch, before.get(account_id, [])) for account_id in accounts]
        if not tasks:
            return [], []
        done, _ = await asyncio.wait(tasks, timeout=SWEEP_SECONDS)
        canceled = {order_id for task in done for order_id in task.result()}
        now = self._triggers.by_account()
        still_open = {
            order_id
            for account_id in accounts
            for order_id in (*now.get(account_id, ()), *self._failed.get(account_id, ()))
        }
        # a sweep that is still under way, or one that failed half-way, has not told what it canceled
        known = {
            order_id
            for account_id in accounts
            for order_id in (*before.get(account_id, ()), *(were_open or {}).get(account_id, ()))
        }
        gone = known - canceled - still_open
        for order_id, status in (await asyncio.to_thread(self._records.statuses, list(gone))).items():
            if status == "canceled":
                canceled.add(order_id)
            elif status not in FINAL_STATUSES:
                still_open.add(order_id)
        return sorted(canceled), sorted(still_open - canceled)

    def _sweep_account(self, account_id: str, switch: KillSwitch, known: list[str]) -> _Sweep:
        """Start to cancel the open orders of an account, after the sweep of it that may be under way."""
        work = self._cancel(account_id, switch, known, self._sweeping.get(account_id))
        task = self._sweeping[account_id] = asyncio.create_task(work, name=f"sweep {account_id}")

        def ended(_task: Any) -> None:
            if self._sweeping.get(account_id) is task:
                del self._sweeping[account_id]

        task.add_done_callback(ended)
        return task

    async def _cancel(self, account_id: str, switch: KillSwitch, known: list[str], earlier: _Sweep | None) -> list[str]:
        """Cancel what is open on an account and return the ids; note what was open when that fails."""
        if earlier is not None:
            await asyncio.wait([earlier])
        command = wire.CancelOrders(actor=wire.Actor(user_id=switch.engaged_by), account=account_id)
        async with self._live_slots if account_id in self._triggers.live_accounts() else self._slots:
            try:
                orders = await self._desk.cancel_all(command)
            except Exception as error:
                # whatever it is, the others must be canceled
                _log.warning("orders of account %s are not canceled yet: %s", account_id, error)
                self._failed.setdefault(account_id, set()).update(known)
                return []
        self._failed.pop(account_id, None)
        return [order.id for order in orders if order.status in FINAL_STATUSES]

    async def _under(self, switch: KillSwitch, *others: str) -> list[str]:
        """Return the accounts under `switch` that have open orders, or are among `others`."""
        busy = self._triggers.by_account().keys() | self._failed.keys() | set(others)
        if switch.scope == "account":
            return sorted(busy & {switch.target})
        if switch.scope == "user":
            busy &= set(await asyncio.to_thread(self._records.accounts_of, switch.target))
        return sorted(busy)


def _state(
    command: wire.EngageKillSwitch | wire.ReleaseKillSwitch,
    switch: KillSwitch | None,
    canceled: list[str],
    still_open: list[str],
) -> KillSwitchState:
    return KillSwitchState(
        scope=command.scope,
        target=command.target,
        engaged=switch is not None,
        engaged_by=switch.engaged_by if switch else None,
        reason=switch.reason if switch else None,
        engaged_at=switch.engaged_at if switch else None,
        canceled=canceled,
        open=still_open,
    )


def _row(switch: KillSwitch, *, engaged: bool) -> dict[str, Any]:
    return {
        "scope": switch.scope,
        "target": switch.target,
        "engaged_by": switch.engaged_by,
        "reason": switch.reason,
        "engaged_at": switch.engaged_at if engaged else None,
    }


def _target(command: wire.EngageKillSwitch | wire.ReleaseKillSwitch) -> str:
    return f"{command.scope} {command.target}".strip()
