"""A tournament's ranking as a stream, at the streamer's own port."""

from __future__ import annotations

from decimal import Decimal

from models import Database
from tests.factories import SignedIn
from tests.integration.streaming.conftest import Dial
from tests.tournaments import START, players, stand, tournament
from utils import clock
from utils.ids import new_id
from utils.standings import Standing

PATH = "/api/stream/rankings"


def test_the_ranking_comes_at_once(dial: Dial, database: Database, user: SignedIn, other: SignedIn) -> None:
    made = tournament(database, user.id)
    everybody = players(database, made, [user.id, other.id])
    standings = [Standing.opening(each.id, START, clock.now()) for each in everybody]
    standings[1].observe(Decimal(12_000), clock.now())
    stand(database, made, standings)
    reader = dial(f"{PATH}?tournament={made}")
    assert reader.status == 200
    event = reader.event()
    assert event.event == "ranking"
    told = event.data
    assert [(row["rank"], row["user"]) for row in told["rankings"]] == [(1, other.username), (2, user.username)]
    assert (told["tournament"], told["status"], told["participants"], told["teams"]) == (made, "running", 2, [])


def test_only_what_may_be_seen_can_be_followed(dial: Dial, database: Database, user: SignedIn, other: SignedIn) -> None:
    secret = tournament(database, other.id, visibility="private")
    assert dial(f"{PATH}?tournament={secret}").status == 404
    assert dial(f"{PATH}?tournament={new_id()}").status == 404
    assert dial(PATH).status == 422
    assert dial(f"{PATH}?tournament=a/b").status == 422
    assert dial(f"{PATH}?tournament={secret}", headers={}).status == 401
    players(database, secret, [user.id])
    assert dial(f"{PATH}?tournament={secret}").status == 200
