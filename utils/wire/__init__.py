"""The messages between the API and the engine: frozen, typed, with Decimals and UTC datetimes.

Nouns (`Order`, `Trade`, `Portfolio` …) are what both sides speak of; requests are imperative (`PlaceOrder`); frames
carry them over the socket.
"""

from utils.wire.accounts import *  # noqa: F403
from utils.wire.base import *  # noqa: F403
from utils.wire.bot import *  # noqa: F403
from utils.wire.credentials import *  # noqa: F403
from utils.wire.events import *  # noqa: F403
from utils.wire.foreign import *  # noqa: F403
from utils.wire.frames import *  # noqa: F403
from utils.wire.market import *  # noqa: F403
from utils.wire.market_requests import *  # noqa: F403
from utils.wire.rankings import *  # noqa: F403
from utils.wire.requests import *  # noqa: F403
from utils.wire.risk import *  # noqa: F403
from utils.wire.status import *  # noqa: F403
from utils.wire.strategies import *  # noqa: F403
from utils.wire.tournaments import *  # noqa: F403
from utils.wire.trading import *  # noqa: F403
