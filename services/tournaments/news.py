"""What participants are told of their tournament, each once: that it has started, was cancelled, or how it ended.

A job tells a page of them in a transaction, and keeps in the same one how far it is: wherever a worker ends, the next
one goes on from there. Who takes part does not change any more once there is something to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal, get_args

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

import models
from models import Database
from services import jobs
from services.jobs import Run
from services.notifications.notifications import Told, notify_all
from utils.money import plain
from utils.standings import return_percent

JOB = "tournament.tell"
PAGE = 100
"""Participants that are told in one transaction: orders wait for its commit meanwhile."""

Stage = Literal["started", "cancelled", "ended"]
PrizeEvent = Literal["prize_won", "prize_paid", "prize_failed"]
EVENTS: tuple[str, ...] = ("joined", *get_args(Stage), *get_args(PrizeEvent))
"""What a notification of a tournament tells, as its `payload.event` says."""

_ROW, _ENTRY, _AWARD, _USER = models.Tournament, models.Participant, models.Award, models.User


def want(session: Session, tournament_id: str, stage: Stage) -> None:
    """Want all participants told, if the transaction of `session` commits; wanting it again changes nothing."""
    jobs.add(session, JOB, {"tournament": tournament_id, "event": stage}, key=f"{JOB}:{stage}:{tournament_id}")


class TournamentNews:
    """Tell participants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deliver(self, run: Run) -> None:
        """Do a job: tell participants in the order of their ids. :raises Interrupted: see `Run.check`."""
        reached: str | None = run.payload.get("reached", "")
        while reached is not None:
            run.check()
            reached = self._step(run, reached)

    def _step(self, run: Run, reached: str) -> str | None:
        """Tell the next participants after `reached`; return who was the last one, None when nobody was left."""
        stage, this = run.payload["event"], _ROW.id == run.payload["tournament"]
        with self._database.write() as session:
            run.hold(session)
            row = session.execute(select(_ROW.__table__).where(this)).one()
            entries = session.execute(_page(row.id, reached)).all()
            if not entries:
                return None
            notify_all(session, [(entry.user_id, told) for entry in entries for told in _news(stage, row, entry)])
            run.keep(session, reached=entries[-1].id)
        return str(entries[-1].id)


def joined(row: Any, account_id: str, team: Any) -> Told:
    """Return what tells a user that they take part; `team` is the row of theirs, None without one."""
    title = f"You take part in {row.name}" + ("" if team is None else f", in the team {team.name}")
    return _told(row, "joined", title, account=account_id, team=team and team.id, starts_at=row.starts_at)


def of_prize(
    event: PrizeEvent,
    tournament: str,
    name: str,
    *,
    prize: str,
    rank: int,
    amount: Decimal,
    currency: str,
    reference: str | None,
) -> Told:
    """Return what tells a winner of a prize, or what has become of it; `name` is the tournament's."""
    what = f"{plain(amount)} {currency} in {name}"
    titles: dict[PrizeEvent, str] = {
        "prize_won": f"You won {what}",
        "prize_paid": f"Your prize of {what} was paid",
        "prize_failed": f"Your prize of {what} could not be paid",
    }
    payload = {"event": event, "tournament": tournament, "prize": prize, "rank": rank}
    payload |= {"amount": amount, "currency": currency, "reference": reference}
    return Told("tournament", titles[event], payload)


def _news(stage: Stage, row: Any, entry: Any) -> Iterator[Told]:
    """Yield what a participant is told at a stage of a tournament."""
    if stage == "started":
        yield _told(row, stage, f"{row.name} has started", account=entry.account_id, ends_at=row.ends_at)
    elif stage == "cancelled":
        title = f"{row.name} was cancelled"
        yield _told(row, stage, title, account=entry.account_id, reason=row.status_reason)
    else:
        yield _ended(row, entry)
        if entry.prize is not None:
            won = {
                "rank": entry.place,
                "amount": entry.amount,
                "currency": entry.currency,
                "reference": entry.reference,
            }
            yield of_prize("prize_won", row.id, row.name, prize=entry.prize, **won)


def _ended(row: Any, entry: Any) -> Told:
    gained = return_percent(entry.final_value, row.starting_balance)
    title = f"{row.name} is over: rank {entry.rank} of {entry.participants} with {gained:+.2f} %"
    if entry.team_rank is not None:
        title += f"; your team has rank {entry.team_rank}"
    payload = {"account": entry.account_id, "rank": entry.rank, "participants": entry.participants}
    payload |= {"team": entry.team_id, "team_rank": entry.team_rank}
    return _told(row, "ended", title, **payload, value=entry.final_value, return_percent=gained)


def _told(row: Any, event: str, title: str, **more: Any) -> Told:
    return Told("tournament", title, {"event": event, "tournament": row.id, "status": row.status, **more})


def _page(tournament_id: str, reached: str) -> Select[Any]:
    """Return the query of the participants after one, with how they ended and what they won; without who is deleted."""
    rank, team_rank, all_ = models.Rank, models.TeamRank, models.Participant.__table__.alias()
    everybody = select(func.count()).select_from(all_).where(all_.c.tournament_id == tournament_id)
    return (
        select(
            *(_ENTRY.id, _ENTRY.user_id, _ENTRY.account_id, _ENTRY.team_id, _ENTRY.final_value),
            everybody.scalar_subquery().label("participants"),
            rank.rank,
            team_rank.rank.label("team_rank"),
            *(_AWARD.id.label("prize"), _AWARD.place, _AWARD.amount, _AWARD.currency, _AWARD.reference),
        )
        .join(_USER, _USER.id == _ENTRY.user_id)
        .join(rank, rank.participant_id == _ENTRY.id, isouter=True)
        .join(team_rank, team_rank.team_id == _ENTRY.team_id, isouter=True)
        .join(_AWARD, _AWARD.participant_id == _ENTRY.id, isouter=True)
        .where(_ENTRY.tournament_id == tournament_id, _ENTRY.id > reached, _USER.deleted_at.is_(None))
        .order_by(_ENTRY.id)
        .limit(PAGE)
    )
