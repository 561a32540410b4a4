"""`python -m engine.strategies.foreign DESCRIPTOR HOME`: run the strategy that the engine assigns over a socket.

The process holds nothing: orders and money are the engine's. It may be killed at any moment, and begins anew then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from engine.strategies.foreign.line import Line, Released
from utils import lifeline
from utils.errors import TradingError
from utils.home import Home
from utils.wire import Assignment, GetAssignment, ReportFault, Request

NICENESS = 5
"""Behind the engine and the web server, whose clients wait."""
SIGN_SECONDS = 20.0
"""How often the process shows that it is not blocked, if it asks nothing else."""
PAUSE_SECONDS = 0.5
"""Between two times of telling what is in the log: a mode may say much."""


async def run(descriptor: int, home: Home) -> None:
    """Run until the strategy has failed. :raises Released: the engine has let go of this process."""
    line = await Line.open(descriptor)
    assignment: Assignment = await line.ask(GetAssignment())
    # here and not above: OctoBot takes its paths from the working directory while it is imported
    from engine.strategies.foreign.complaints import Complaints
    from engine.strategies.foreign.exchange import register
    from engine.strategies.foreign.octobot import start

    register(line)
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def noticed() -> None:
        loop.call_soon_threadsafe(news.set)

    complaints = Complaints(home.tentacles_folder, noticed)
    starting = asyncio.create_task(start(assignment, home, complaints), name="start")
    starting.add_done_callback(complaints.hear)
    while complaints.fault is None:
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), SIGN_SECONDS)
        if not news.is_set():
            await _tell(line, GetAssignment())
        news.clear()
        while complaints.waiting:
            await _tell(line, complaints.waiting.popleft())
        await asyncio.sleep(PAUSE_SECONDS)
    await line.ask(ReportFault(message=complaints.fault))


async def _tell(line: Line, request: Request) -> None:
    """Tell what may get lost. :raises Released: the engine has let go of this process."""
    try:
        await line.ask(request)
    except Released:
        raise
    except TradingError as error:
        logging.getLogger(__name__).info("the engine did not take a %s: %s", type(request).__name__, error.detail)


def main(descriptor: int, root: Path) -> int:
    """Run with the bot's home as working directory, and return the exit code."""
    os.nice(NICENESS)
    lifeline.watch(lambda: os._exit(0))
    os.chdir(root)
    # for `import tentacles`; last, since a home may be a whole OctoBot of another version
    sys.path.append(str(root))
    logging.basicConfig(handlers=[logging.NullHandler()])
    try:
        asyncio.run(run(descriptor, Home(root)))
    except Released:
        pass  # nobody is left to tell
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    exit_code = main(int(sys.argv[1]), Path(sys.argv[2]))
    # threads that tentacles have started keep nobody waiting
    os._exit(exit_code)
