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
    """Add to the log that the strategy was brought into another state, or was edited, and what came of that."""
    who = "its owner" if actor.key_id is None else "an API key of its owner"
    said = f"Edited by {who}{_edited(was, now)}" if was.state == now.state else _moved(was, now, who)
    unit.log(now.id, now.name, "info", f"{said}.")


def tell_end(now: StrategyRecord, unit: Unit) -> None:
    """Add to the log why the strategy has ended by itself."""
    said = f"Ended in error, its open orders canceled: {now.error_code}: {now.error}"
    unit.log(now.id, now.name, "error", said)


def waiting(record: StrategyRecord) -> str:
    """Return what is said of a strategy that is to run, and cannot yet."""
    return f"Waits: {record.exchange} is not connected."


def _edited(was: StrategyRecord, now: StrategyRecord) -> str:
    """Tell what is different now, by name: values may be long."""
    names = [name for name, value in now.settings.items() if value != was.settings.get(name)]
    changed = ", ".join([*names, *["funding"] * (now.funding != was.funding)]) or "nothing new"
    return f" ({changed})" + ("; it goes on with its settings as they are now" if now.state == "running" else "")


def _moved(was: StrategyRecord, now: StrategyRecord, who: str) -> str:
    said, had, has = f"{_MOVES[now.state]} by {who}", was.state in FUNDED_STATES, now.state in FUNDED_STATES
    if had == has or now.mode == "live":
        return f"{said}, its open orders canceled" if now.state == "stopped" else said
    if has:
        return f"{said}, with {plain(was.funding)} {was.reference_currency} of its parent account"
    return f"{said}; its open orders were canceled, and all it held went back to its parent account"
