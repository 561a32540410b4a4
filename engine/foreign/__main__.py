"""`python -m engine.foreign DESCRIPTOR HOME`: run the strategy that the engine at the other end of a socket assigns.

The process holds nothing: orders and money are the engine's. It may be killed at any moment, and begins anew then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from engine.foreign.line import Line
from utils import lifeline
from utils.errors import TradingError
from utils.home import Home
from utils.wire import AddLogEntry, GetAssignment, ReportFault

NICENESS = 5
"""Behind the engine and the web server, whose clients wait."""


async def run(descriptor: int, home: Home) -> None:
    """Run until the engine lets go of this process, or the strategy has failed."""
    line = await Line.open(descriptor)
    assignment = await line.ask(GetAssignment())
    # here and not above: OctoBot takes its paths from the working directory while it is imported
    from engine.foreign import octobot
    from engine.foreign.complaints import Complaints
    from engine.foreign.exchange import register

    register(line)
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def noticed() -> None:
        loop.call_soon_threadsafe(news.set)

    complaints = Complaints(home.tentacles_folder, noticed)
    try:
        await octobot.start(assignment, home, complaints)
    except Exception as error:
        complaints.fault = f"{type(error).__name__}: {error}"
        news.set()
    while True:
        await news.wait()
        news.clear()
        while complaints.waiting:
            level, message = complaints.waiting.popleft()
            await line.ask(AddLogEntry(level="error" if level == "error" else "warning", message=message))
        if complaints.fault is not None:
            await line.ask(ReportFault(message=complaints.fault))
            return


def main(descriptor: int, root: Path) -> None:
    """Run with the bot's home as working directory."""
    os.nice(NICENESS)
    lifeline.watch(lambda: os._exit(0))
    home = Home(root)
    os.chdir(root)
    # for `import tentacles`; last, since a home may be a whole OctoBot of another version
    sys.path.append(str(root))
    logging.basicConfig(handlers=[logging.NullHandler()])
    try:
        asyncio.run(run(descriptor, home))
    except TradingError:
        pass  # the engine has gone, or wants this process no more


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), Path(sys.argv[2]))
    finally:
        # threads that tentacles have started keep nobody waiting
        os._exit(0)
