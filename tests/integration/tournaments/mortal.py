"""A process that dies at an operation, chosen by the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models import Database
from utils.octobot_bridge import OctoBotBridge


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """A database and a bridge that die after so many operations: before one of them, or right after it."""

    def __init__(self, database: Database, bridge: OctoBotBridge | None, lives: int) -> None:
        self._database, self._bridge, self._lives = database, bridge, lives

    def step(self) -> None:
        if self._lives == 0:
            raise Killed
        self._lives -= 1

    @contextmanager
    def write(self) -> Iterator[Any]:
        self.step()
        with self._database.write() as session:
            yield session
        self.step()

    @contextmanager
    def read(self) -> Iterator[Any]:
        with self._database.read() as connection:
            yield connection

    def within(self, _seconds: float) -> Mortal:
        return self

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._bridge, name)

        def carried(request: Any) -> Any:
            self.step()
            answer = call(request)
            self.step()
            return answer

        return carried
