"""The configuration of the operator's bot: read without secrets, changed whole or not at all, and never forgotten."""

from services.bot_config.changes import Applied, Changes, Request
from services.bot_config.history import Change, History
from services.bot_config.profiles import ProfileEntry, Profiles
from services.bot_config.tentacles import TentacleEdit, TentacleEntry, Tentacles

__all__ = [
    "Applied",
    "Change",
    "Changes",
    "History",
    "ProfileEntry",
    "Profiles",
    "Request",
    "TentacleEdit",
    "TentacleEntry",
    "Tentacles",
]
