"""`python -m engine.tentacles.install HOME`: let OctoBot install the tentacles that were unpacked into the home."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from utils.home import Home


def main(root: Path) -> None:
    """Work from within the home, as OctoBot does."""
    home = Home(root)
    home.prepare()
    os.chdir(root)
    logging.disable(logging.CRITICAL)  # nobody reads what it says
    # OctoBot takes its paths from the working directory while it is imported
    from engine.bot.tentacles import install

    asyncio.run(install(home))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
