"""Run the operator's bot: `python -m engine.bot`, or `python -m engine.bot paused`.

The process ends when the bot does, and OctoBot with all its singletons ends with it: nothing is stopped and started
again within one process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TextIO

from config import Settings, SettingsError
from engine.bot.endings import CRASHED, Unusable
from engine.demo.opening import demo_source
from engine.markets.source import MarketSource
from models import Database
from models.facts import fact
from utils import logs, process
from utils.demo_facts import DemoFacts, demo_facts
from utils.errors import Conflict, TradingError
from utils.home import Home
from utils.logs import Masker

_log = logging.getLogger("bot")
DEMO_BEGUN_AT = "DEMO_BEGUN_AT"
"""By this variable, and DEMO_SEED, the keeper tells a bot the market that it would have to ask the database for."""
LOCK_SECONDS = 20.0
"""How long a bot waits for the one before it to end."""


def main(*, is_paused: bool) -> int:
    """Run until a signal, or the end of whoever keeps this process, asks to stop; return the exit code."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"bot: {error}", file=sys.stderr)  # noqa: T201
        return Unusable.CODE
    masker = logs.configure(settings, "bot")
    settings.bot_last_words.unlink(missing_ok=True)
    lock = _lock(settings.data_dir)
    if lock is None:
        return _fail(settings, masker, "Another bot is running in this data directory.", CRASHED)
    with lock:
        try:
            source, home = _source(settings), _enter(settings)
            masker = logs.configure(settings, "bot", secrets=_secrets(home), octobot=True)
            return _run(settings, home, source, is_paused=is_paused)
        except Unusable as error:
            return _fail(settings, masker, str(error), Unusable.CODE)
        except TradingError as error:
            # a home in a state that nobody can run: somebody has to mend it
            return _fail(settings, masker, error.detail, Unusable.CODE if isinstance(error, Conflict) else CRASHED)
        except Exception as error:
            _log.exception("the bot failed")
            return _fail(settings, masker, f"{type(error).__name__}: {error}", CRASHED)


def _enter(settings: Settings) -> Home:
    """Make the bot's home the working directory."""
    home = Home(settings.octobot_home)
    home.prepare()
    # OctoBot takes its paths from the working directory, some of them while it is imported
    os.chdir(home.root)
    # for `import tentacles`; last, since a home may be a whole OctoBot of another version
    sys.path.append(str(home.root))
    return home


def _secrets(home: Home) -> set[str]:
    from engine.bot.secrets import secrets_in

    return secrets_in(home)


def _run(settings: Settings, home: Home, source: MarketSource, *, is_paused: bool) -> int:
    from engine.bot.run import run

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stopped = asyncio.Event()
    process.at_end(lambda: loop.call_soon_threadsafe(stopped.set))
    return loop.run_until_complete(run(settings, home, source, stopped, is_paused=is_paused))


def _source(settings: Settings) -> MarketSource:
    """Return the engine's own demo market, so that both see the same prices."""
    if DEMO_BEGUN_AT in os.environ:
        return demo_source(settings, DemoFacts(int(settings.demo_seed), float(os.environ[DEMO_BEGUN_AT])))
    database = Database(settings.database_url, pool_size=1)
    try:
        return demo_source(settings, demo_facts(settings, partial(fact, database)))
    finally:
        database.close()


def _fail(settings: Settings, masker: Masker, reason: str, code: int) -> int:
    """Leave `reason` to whoever keeps this process, which has its log for operators, and return the exit code."""
    told = masker.text(reason)
    _log.error("the bot cannot run: %s", told)
    settings.bot_last_words.write_text(told, encoding="utf-8")
    return code


def _lock(directory: Path) -> TextIO | None:
    """Take the data directory for this process; None when another bot keeps it for too long."""
    deadline = time.monotonic() + LOCK_SECONDS
    while (lock := process.take(directory, "bot")) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return lock


if __name__ == "__main__":
    exit_code = main(is_paused="paused" in sys.argv[1:])
    logging.shutdown()
    # threads that tentacles have started keep nobody waiting
    os._exit(exit_code)
