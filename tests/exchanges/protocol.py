"""What all loopback exchanges speak of: keys, calls, answers and routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.exchanges.faults import Group

Permission = Literal["read", "trade", "futures", "withdraw"]


@dataclass(frozen=True)
class Key:
    """An API key of an account; several keys may open the same account."""

    key: str
    secret: str
    passphrase: str = ""
    account: str = "main"
    permissions: frozenset[Permission] = frozenset(("read", "trade"))


@dataclass(frozen=True)
class Call:
    """A request as it came in; `target` is the raw path with its query, `params` the query and the body's fields."""

    method: str
    path: str
    target: str
    body: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def raw_query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    """A body for JSON (a `str` goes out as HTML), its status and further headers."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The exchange answers an error; nothing was done."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


@dataclass(frozen=True)
class Route[E]:
    """One endpoint of exchange `E`; one with a permission is signed, and its handler gets the key."""

    method: str
    path: str
    group: Group
    handler: Callable[[E, Call, Key], Any]
    permission: Permission | None = None


@dataclass(frozen=True)
class Seen:
    """One request that reached the exchange.

    `outcome` is the status of the exchange itself (None: it was not carried out), `answered` the one that went out
    (None: no answer). One that arrives late is noted twice: when it was cut, and when it was carried out.
    """

    moment: float
    group: Group
    method: str
    path: str
    params: Mapping[str, Any]
    fault: str | None
    outcome: int | None
    answered: int | None
