"""Keys of what web workers write: done once, answered alike, whatever comes in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

import models
from models import Database
from services.idempotency import Claim, Idempotency
from tests.books import rows
from tests.factories import SignedIn
from utils.errors import Conflict, EngineUnavailable, Fault, NotFound, Refused, TradingError

ROUTE = "POST /api/things"


class Thing(msgspec.Struct, frozen=True):
    name: str


class Writer:
    """Write a row each time it is called, and count."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, session: Session) -> Thing:
        self.calls += 1
        name = f"thing {self.calls}"
        session.execute(insert(models.Installation).values(key=name, value=name))
        return Thing(name)


@pytest.fixture
def keys(database: Database) -> Idempotency:
    return Idempotency(database)


def claim_of(user: SignedIn, key: str = "key", body: object = 1, route: str = ROUTE) -> Claim:
    claim = Claim.of(user.principal, key, route, body)
    assert claim is not None
    return claim


def things(database: Database) -> list[str]:
    return [row.key for row in rows(database, models.Installation) if row.key.startswith("thing")]


def test_a_repetition_has_the_first_answer(keys: Idempotency, database: Database, user: SignedIn) -> None:
    write = Writer()
    answers = [keys.once(claim_of(user), Thing, write) for _ in range(3)]
    assert answers == [Thing("thing 1")] * 3
    assert things(database) == ["thing 1"]
    [row] = rows(database, models.IdempotencyKey)
    assert (row.user_id, row.key, row.fault) == (user.id, "key", None)


def test_without_a_key_each_request_is_one(keys: Idempotency, database: Database, user: SignedIn) -> None:
    write = Writer()
    assert Claim.of(user.principal, None, ROUTE, 1) is None
    assert [keys.once(None, Thing, write).name for _ in range(2)] == ["thing 1", "thing 2"]
    assert rows(database, models.IdempotencyKey) == []


@pytest.mark.parametrize("changes", [{"body": 2}, {"route": "POST /api/others"}])
def test_a_key_belongs_to_one_request(
    keys: Idempotency, database: Database, user: SignedIn, changes: dict[str, object]
) -> None:
    write = Writer()
    keys.once(claim_of(user), Thing, write)
    with pytest.raises(Refused) as caught:
        keys.once(claim_of(user, **changes), Thing, write)  # type: ignore[arg-type]
    assert caught.value.code == "idempotency_key_reused"
    assert things(database) == ["thing 1"]


def test_a_key_belongs_to_one_user(keys: Idempotency, database: Database, user: SignedIn, other: SignedIn) -> None:
    write = Writer()
    assert keys.once(claim_of(user), Thing, write) != keys.once(claim_of(other), Thing, write)
    assert len(things(database)) == 2


@pytest.mark.parametrize("error", [Refused("no", code="a"), Conflict("no", code="b"), NotFound("no", code="c")])
@pytest.mark.parametrize("where", ["check", "write"])
def test_refusals_are_final_and_leave_nothing(
    keys: Idempotency, database: Database, user: SignedIn, error: TradingError, where: str
) -> None:
    write = Writer()

    def refuse() -> NoReturn:
        raise error

    def write_and_refuse(session: Session) -> Thing:
        write(session)
        raise error

    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            if where == "check":
                keys.once(claim_of(user), Thing, write, refuse)
            else:
                keys.once(claim_of(user), Thing, write_and_refuse)
        assert (caught.value.code, caught.value.detail) == (error.code, "no")
    with pytest.raises(type(error)):
        keys.once(claim_of(user), Thing, write)  # it would work now, but the key has its outcome
    assert write.calls == (0 if where == "check" else 1)
    assert things(database) == []
    [row] = rows(database, models.IdempotencyKey)
    assert msgspec.json.decode(row.fault, type=Fault).code == error.code


@pytest.mark.parametrize("error", [EngineUnavailable("away", retry_after=2), RuntimeError("a defect")])
def test_after_a_failure_the_key_may_be_tried_again(
    keys: Idempotency, database: Database, user: SignedIn, error: Exception
) -> None:
    write = Writer()

    def fail(session: Session) -> Thing:
        session.execute(insert(models.Installation).values(key="thing 0", value=""))
        raise error

    def check() -> NoReturn:
        raise error

    with pytest.raises(type(error)):
        keys.once(claim_of(user), Thing, fail)
    with pytest.raises(type(error)):
        keys.once(claim_of(user), Thing, write, check)
    assert rows(database, models.IdempotencyKey) == []
    assert keys.once(claim_of(user), Thing, write) == Thing("thing 1")
    assert things(database) == ["thing 1"]


def test_many_at_once_do_it_once(keys: Idempotency, database: Database, user: SignedIn) -> None:
    write, together = Writer(), threading.Barrier(8)

    def post(_number: int) -> Thing:
        def slowly(session: Session) -> Thing:
            threading.Event().wait(0.05)
            return write(session)

        return keys.once(claim_of(user), Thing, slowly, together.wait)  # all have seen that there is no outcome yet

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(8))) == {Thing("thing 1")}
    assert (write.calls, things(database)) == (1, ["thing 1"])


def test_one_that_waits_too_long_may_come_again(
    new_database: Callable[..., Database], database: Database, user: SignedIn
) -> None:
    impatient = Database(database.engine.url.render_as_string(hide_password=False), busy_timeout=1)
    entered, go_on = threading.Event(), threading.Event()

    def slowly(session: Session) -> Thing:
        entered.set()
        go_on.wait(10)
        return Writer()(session)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(Idempotency(database).once, claim_of(user), Thing, slowly)
        assert entered.wait(10)
        with pytest.raises(TradingError) as caught:
            Idempotency(impatient).once(claim_of(user), Thing, Writer())
        go_on.set()
        assert first.result() == Thing("thing 1")
    # SQLite has one lock for everything
    expected = "storage_unavailable" if database.is_sqlite else "idempotency_key_in_flight"
    assert (caught.value.code, caught.value.retry_after) == (expected, 1)
    assert Idempotency(impatient).once(claim_of(user), Thing, Writer()) == Thing("thing 1")
    assert things(database) == ["thing 1"]
    impatient.close()


def test_the_request_itself_is_not_kept(keys: Idempotency, database: Database, user: SignedIn) -> None:
    keys.once(claim_of(user, body={"api_secret": "canary-5522"}), Thing, Writer())
    assert all("canary" not in str(row) for row in rows(database, models.IdempotencyKey))
    assert claim_of(user).digest == claim_of(user).digest != claim_of(user, body={}).digest
