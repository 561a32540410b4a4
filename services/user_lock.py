"""The lock of a user: what is counted and then written for them is written by one transaction at a time."""

from __future__ import annotations

from sqlalchemy import ColumnExpressionArgument, select
from sqlalchemy.orm import Session

from models import User


def lock_user(session: Session, user_id: str, *conditions: ColumnExpressionArgument[bool]) -> bool:
    """Keep the user as they are until the transaction ends; tell whether there is one whom the conditions hold for.

    Rows that refer to the user are written meanwhile: a stronger lock would keep the engine's journal waiting, and two
    transactions that have each written such a row before they ask for it would wait for each other.
    """
    query = select(User.id).where(User.id == user_id, *conditions)
    return session.execute(query.with_for_update(key_share=True)).first() is not None
