"""The home of the operator's bot: the folder that OctoBot runs in, with its configuration, profiles and tentacles.

Nothing here imports OctoBot: a configuration that keeps the bot from starting can still be read and mended, and the
processes that serve requests stay small. `tests/contract/test_home.py` holds all of it against OctoBot's own classes.
"""

from utils.home.home import Home
from utils.home.profiles import Profile

__all__ = ["Home", "Profile"]
