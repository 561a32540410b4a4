"""Exit codes of a bot's process, which say how it ended."""

from __future__ import annotations

from typing import ClassVar

STOPPED = 0
"""It was asked to stop: by its keeper or, as its tentacles allow, by somebody who uses OctoBot's own interfaces."""
AGAIN = 75
"""It was asked, through OctoBot's own interfaces, to start anew; EX_TEMPFAIL of `sysexits.h`."""
CRASHED = 1


class Unusable(Exception):
    """What is in the home keeps the bot from running, and will until somebody mends it."""

    CODE: ClassVar[int] = 78
    """EX_CONFIG of `sysexits.h`."""
