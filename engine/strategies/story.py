"""What a strategy's log says of its own life: who brought it into which state, what ended it, and when it went on."""

from __future__ import annotations

from engine.journal.unit import Unit
from engine.strategies.records import StrategyRecord
from utils.money import plain
from utils.wire import FUNDED_STATES, Actor, StrategyState

RESTARTED = "Runs again: the engine was started anew."
CONNECTED = "Runs again: its exchange was connected."
STOPPING = "Waits: the engine stops, and runs it again with its next start."
_MOVES: dict[StrategyState, str] = {
    "initialized": "Initialized",
    "running": "Started",
    "stopped": "Stopped",
    "removed": "Removed",
    "created": "Restored",
}


def tell_move(was: StrategyRecord, now: StrategyRecord, actor: Actor, unit: Unit) -> None:
    """Add to the log that the strategy was brought into another state, or was edited, and what came of its money."""
    who = "its owner" if actor.key_id is None else "an API key of its owner"
    if was.state == now.state:
        unit.log(now.id, now.name, "info", f"Edited by {who}{', and goes on so' * (now.state == 'running')}.")
    else:
        unit.log(now.id, now.name, "info", f"{_MOVES[now.state]} by {who}{_moved_money(was, now)}.")


def tell_end(now: StrategyRecord, unit: Unit) -> None:
    """Add to the log why the strategy has ended by itself."""
    said = f"Ended in error, its open orders canceled: {now.error_code}: {now.error}"
    unit.log(now.id, now.name, "error", said)


def waiting(record: StrategyRecord) -> str:
    """Return what is said of a strategy that is to run, and cannot yet."""
    return f"Waits: {record.exchange} is not connected."


def _moved_money(was: StrategyRecord, now: StrategyRecord) -> str:
    had, has = was.state in FUNDED_STATES, now.state in FUNDED_STATES
    if had == has or now.mode == "live":
        return ", its open orders canceled" if now.state == "stopped" else ""
    if has:
        return f", with {plain(was.funding)} {was.reference_currency} of its parent account"
    return "; its open orders were canceled, and all it held went back to its parent account"
