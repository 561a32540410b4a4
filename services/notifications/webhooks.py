"""Webhooks: addresses of users' own that are told, with a signature, until they have taken it."""

from __future__ import annotations

import builtins
import hashlib
import hmac
import secrets
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit, jobs
from services.audit import Origin
from services.jobs import Run
from services.old_rows import delete_old
from services.paging import newest_first
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids, json
from utils.errors import Conflict, NotFound, NotReady, Refused
from utils.outbound import Outbound
from utils.pages import Cursor, Page
from utils.vault import Sealed, Vault
from utils.wire import Message

JOB = "webhook"
"""The kind of the jobs that deliver."""

ATTEMPTS = 10
"""With waits of 5 s, 10 s and so on up to an hour: for two hours."""

MOST_WEBHOOKS = 10
SECRET_BYTES = 32
KEEP = timedelta(days=30)
"""How long it is known what a webhook was told."""

_ROW = models.Webhook
_DELIVERY = models.WebhookDelivery


class Webhook(Message, frozen=True, kw_only=True):
    """An address that is told; `secret`, which signs, is told once, when it is made."""

    id: str
    url: str
    created_at: datetime
    secret: str | None = None


class Delivery(Message, frozen=True, kw_only=True):
    """One thing that a webhook is told, and how telling it went."""

    id: str
    kind: str
    state: Literal["pending", "succeeded", "failed"]
    attempts: int
    response_status: int | None
    error: str | None
    finished_at: datetime | None
    created_at: datetime


_COLUMNS = [getattr(_DELIVERY, name) for name in Delivery.__struct_fields__]


def send(session: Session, messages: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Tell all webhooks of users something, if the transaction of `session` commits.

    :param messages: the user, the kind, and what is told.
    """
    query = select(_ROW.user_id, _ROW.id).where(_ROW.user_id.in_({user_id for user_id, _, _ in messages}))
    webhooks: defaultdict[str, list[str]] = defaultdict(list)
    for user_id, webhook_id in session.execute(query):
        webhooks[user_id].append(webhook_id)
    for user_id, kind, content in messages:
        for webhook_id in webhooks.get(user_id, ()):
            _deliver(session, user_id, webhook_id, kind, content)


class Webhooks:
    """Look after the webhooks of users. All methods raise `NotFound` for one that is not the caller's."""

    def __init__(self, database: Database, vault: Vault, outbound: Outbound) -> None:
        self._database = database
        self._vault = vault
        self._outbound = outbound

    def list(self, principal: Principal) -> builtins.list[Webhook]:
        """Return the caller's webhooks, oldest first."""
        query = select(_ROW.id, _ROW.url, _ROW.created_at).where(_ROW.user_id == principal.user_id)
        with self._database.read() as connection:
            return [Webhook(**row._mapping) for row in connection.execute(query.order_by(_ROW.created_at, _ROW.id))]

    def create(self, principal: Principal, origin: Origin, url: str) -> Webhook:
        """Add a webhook; its secret is told this once.

        What a name leads to is looked up, and checked, whenever it is told something.

        :raises Refused: `address_refused` when `url` is an address that this server must not reach for its users.
        :raises Conflict: `too_many_webhooks`.
        """
        self._outbound.check(url)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        made = Webhook(id=ids.new_id(), url=url, created_at=clock.now(), secret=secret)
        sealed = self._vault.seal(secret.encode(), context(principal.user_id, made.id))
        with self._database.write() as session:
            lock_user(session, principal.user_id)
            count = select(func.count()).select_from(_ROW).where(_ROW.user_id == principal.user_id)
            if session.execute(count).scalar_one() >= MOST_WEBHOOKS:
                raise Conflict(f"A user has at most {MOST_WEBHOOKS} webhooks; delete one.", code="too_many_webhooks")
            row = {"id": made.id, "user_id": principal.user_id, "url": url, "created_at": made.created_at}
            session.execute(insert(_ROW).values(**row, sealed=sealed.blob, key_id=sealed.key_id))
            audit.record(session, origin, "webhook.created", user_id=principal.user_id, target=made.id)
        return made

    def delete(self, principal: Principal, origin: Origin, webhook_id: str) -> None:
        """Tell a webhook nothing more; its log goes with it."""
        with self._database.write() as session:
            mine = (_ROW.id == webhook_id, _ROW.user_id == principal.user_id)
            if session.execute(delete(_ROW).where(*mine).returning(_ROW.id)).first() is None:
                raise _not_found()
            audit.record(session, origin, "webhook.deleted", user_id=principal.user_id, target=webhook_id)

    def test(self, principal: Principal, webhook_id: str) -> Delivery:
        """Tell a webhook that this is a test.

        :raises Conflict: `test_pending` until it took the last one, or that was given up.
        """
        with self._database.write() as session:
            self._check(session, principal, webhook_id)
            session.execute(select(_ROW.id).where(_ROW.id == webhook_id).with_for_update())
            pending = (_DELIVERY.webhook_id == webhook_id, _DELIVERY.state == "pending", _DELIVERY.kind == "test")
            if session.execute(select(_DELIVERY.id).where(*pending).limit(1)).first() is not None:
                raise Conflict("A test of this webhook is still pending.", code="test_pending")
            content = {"kind": "test", "title": "This is a test", "created_at": clock.now(), "payload": {}}
            made = _deliver(session, principal.user_id, webhook_id, "test", {"id": ids.new_id(), **content})
            row = session.execute(select(*_COLUMNS).where(_DELIVERY.id == made)).one()
        return Delivery(**row._mapping)

    def deliveries(
        self, principal: Principal, webhook_id: str, *, limit: int, cursor: Cursor | None = None
    ) -> Page[Delivery]:
        """Return a page of what a webhook was told, newest first."""
        query = select(*_COLUMNS).where(_DELIVERY.webhook_id == webhook_id)
        query = newest_first(query, _DELIVERY, cursor).limit(limit + 1)
        with self._database.read() as connection:
            self._check(connection, principal, webhook_id)
            rows = connection.execute(query).all()
        return Page.of([Delivery(**row._mapping) for row in rows], limit)

    def deliver(self, run: Run) -> None:
        """Do a job: tell a webhook what a delivery says, once more under the same id when it is not known to be taken.

        :raises Refused: it was not taken, and is to be tried again.
        """
        query = select(_DELIVERY.id, _DELIVERY.body, _DELIVERY.state, _ROW.url, _ROW.sealed, _ROW.key_id, _ROW.user_id)
        query = query.join(_ROW, _ROW.id == _DELIVERY.webhook_id).add_columns(_ROW.id.label("webhook_id"))
        with self._database.read() as connection:
            row = connection.execute(query.where(_DELIVERY.id == run.payload["delivery"])).first()
        if row is None or row.state == "succeeded":
            return  # the webhook is gone, or a worker was killed between its log and its job
        status, error = None, None
        try:
            secret = self._vault.open(Sealed(row.key_id, row.sealed), context(row.user_id, row.webhook_id))
            body = row.body.encode()
            status = self._outbound.post(row.url, body, _headers(secret, row.id, body))
            if not 200 <= status < 300:
                error = f"It answered {status}."
        except (Refused, NotReady) as refusal:
            error = refusal.detail
        state = "succeeded" if error is None else "failed" if run.attempt >= ATTEMPTS else "pending"
        values: dict[str, Any] = {"state": state, "response_status": status, "error": error}
        values |= {"attempts": _DELIVERY.attempts + 1, "finished_at": None if state == "pending" else clock.now()}
        with self._database.write() as session:
            run.hold(session)
            changed = update(_DELIVERY).where(_DELIVERY.id == row.id).values(values)
            session.execute(changed, execution_options={"synchronize_session": False})
        if error is not None:
            raise Refused(error, code="not_delivered")

    def forget(self) -> None:
        """Delete what webhooks were told long ago."""
        delete_old(self._database, _DELIVERY, _DELIVERY.created_at < clock.now() - KEEP)

    @staticmethod
    def _check(connection: Any, principal: Principal, webhook_id: str) -> None:
        mine = select(_ROW.id).where(_ROW.id == webhook_id, _ROW.user_id == principal.user_id)
        if connection.execute(mine).first() is None:
            raise _not_found()


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return how a body is signed: HMAC-SHA256 over the timestamp, a point and the body, in hexadecimal digits."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def context(user_id: str, webhook_id: str) -> bytes:
    """Return what a webhook's secret is bound to."""
    return msgspec.json.encode(["webhook", user_id, webhook_id])


def _deliver(session: Session, user_id: str, webhook_id: str, kind: str, content: Mapping[str, Any]) -> str:
    made, moment = ids.new_id(), clock.now()
    row = {"id": made, "webhook_id": webhook_id, "kind": kind, "state": "pending", "attempts": 0, "created_at": moment}
    session.execute(insert(_DELIVERY).values(**row, body=json.dumps(content).decode()))
    jobs.add(session, JOB, {"delivery": made}, user_id=user_id, key=f"{JOB}:{made}")
    return made


def _headers(secret: bytes, delivery_id: str, body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        "X-Webhook-Id": delivery_id,
        "X-Webhook-Timestamp": timestamp,
        "X-Webhook-Signature": f"sha256={signature(secret, timestamp, body)}",
    }


def _not_found() -> NotFound:
    return NotFound("You have no such webhook.", code="webhook_not_found")
