"""Candles that users upload for their backtests."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.audit import Origin
from services.data_files.files import Folder
from services.data_files.reading import Format, read
from services.data_files.reading import Series as ReadSeries
from services.idempotency import Claim, Idempotency
from services.paging import newest_first
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids
from utils.errors import Conflict, NotFound, Refused
from utils.pages import Cursor, Page
from utils.recorded_candles import RecordingError
from utils.wire import Message

UPLOAD = "POST /api/backtesting/data"
MOST_BYTES = 8 * 1024 * 1024
"""Of one upload."""
MOST_FILES = 20
MOST_KEPT_BYTES = 32 * 1024 * 1024
"""Of one user, as they are kept."""
OPEN = ("queued", "running")
_ROW = models.DataFile


class NewDataFile(Message, frozen=True, kw_only=True):
    """What is uploaded; `digest` is the content's, by which a repetition is known."""

    name: str
    symbol: str | None = None
    timeframe: str | None = None
    digest: str = ""


class Series(Message, frozen=True, kw_only=True, rename={"begins_at": "from", "ends_at": "to"}):
    """The candles of one market; the first opens at `from`, the last closes at `to`, `missing` are played as flat."""

    symbol: str
    timeframe: str
    candles: int
    missing: int
    begins_at: datetime
    ends_at: datetime


class DataFile(Message, frozen=True, kw_only=True):
    """An upload; `left_out` are time frames in it that backtests do not have. `size` is in bytes, as it is kept."""

    id: str
    name: str
    format: Format
    series: list[Series]
    left_out: list[str]
    size: int
    created_at: datetime


class DataFiles:
    """Look after uploads. Methods that take an id raise `NotFound` for one that is not the caller's."""

    def __init__(self, database: Database, folder: Path, idempotency: Idempotency) -> None:
        self._database = database
        self._folder = Folder(folder)
        self._idempotency = idempotency

    def upload(
        self, principal: Principal, origin: Origin, new: NewDataFile, content: bytes, key: str | None = None
    ) -> DataFile:
        """Keep the candles of an upload, all of them or none; a repeated `key` gets the first outcome.

        :raises Refused: `invalid_candles` and others, with the line at fault. :raises Conflict: `too_many_data_files`.
        """
        new = msgspec.structs.replace(new, digest=hashlib.sha256(content).hexdigest())
        file_id = ids.new_id()
        written: list[DataFile] = []

        def check() -> None:
            try:
                found = read(content, new.name, new.symbol, new.timeframe, self._folder.make())
            except RecordingError as error:
                raise Refused(str(error)[:512], code="invalid_candles") from None
            size = self._folder.write(file_id, [each.candles for each in found.series])
            written.append(
                DataFile(
                    id=file_id,
                    name=new.name,
                    format=found.format,
                    series=list(map(_series, found.series)),
                    left_out=found.left_out,
                    size=size,
                    created_at=clock.now(),
                )
            )

        def write(session: Session) -> DataFile:
            [file] = written
            # the lock lets one upload of a user through at a time
            lock_user(session, principal.user_id)
            _check_room(session, principal, file.size)
            session.execute(insert(_ROW).values(**_values(file), user_id=principal.user_id))
            audit.record(session, origin, "data_file.added", user_id=principal.user_id, target=file_id)
            return file

        kept: DataFile | None = None
        try:
            kept = self._idempotency.once(Claim.of(principal, key, UPLOAD, new), DataFile, write, check)
            return kept
        finally:
            if kept is None or kept.id != file_id:
                self._folder.delete(file_id)

    def list(self, principal: Principal, *, limit: int, cursor: Cursor | None = None) -> Page[DataFile]:
        """Return a page of the caller's uploads, the newest first."""
        query = _of(principal)
        query = newest_first(query, _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([_file(row) for row in rows], limit)

    def get(self, principal: Principal, file_id: str) -> DataFile:
        """Return one of the caller's uploads."""
        with self._database.read() as connection:
            row = connection.execute(_of(principal).where(_ROW.id == file_id)).first()
        if row is None:
            raise _not_found()
        return _file(row)

    def delete(self, principal: Principal, origin: Origin, file_id: str) -> DataFile:
        """Delete an upload; reports of what was played on it stay. :raises Conflict: `data_file_in_use`."""
        with self._database.write() as session:
            lock_user(session, principal.user_id)
            row = session.execute(_of(principal).where(_ROW.id == file_id)).first()
            if row is None:
                raise _not_found()
            for table in (models.BacktestRun, models.BacktestSweep):
                playing = select(table.id).where(table.data_file == file_id, table.state.in_(OPEN)).limit(1)
                if session.execute(playing).first() is not None:
                    raise Conflict("A backtest that is not over needs it.", code="data_file_in_use")
            session.execute(delete(_ROW).where(_ROW.id == file_id))
            audit.record(session, origin, "data_file.deleted", user_id=principal.user_id, target=file_id)
        self._folder.delete(file_id)
        return _file(row)

    def forget(self) -> None:
        """Delete the files of uploads that are not there any more: of users who left, or of a killed process."""
        with self._database.read() as connection:
            kept = set(connection.execute(select(_ROW.id)).scalars())
        self._folder.forget_others(kept)


def hold(session: Session, principal: Principal, file_id: str) -> None:
    """Make sure, in the transaction that begins to use it, that an upload is there. :raises NotFound: it is not."""
    if session.execute(_of(principal).where(_ROW.id == file_id)).first() is None:
        raise _not_found()


def _check_room(session: Session, principal: Principal, size: int) -> None:
    count = select(func.count(), func.coalesce(func.sum(_ROW.size), 0)).where(_ROW.user_id == principal.user_id)
    files, kept = session.execute(count).one()
    if files >= MOST_FILES:
        raise Conflict(f"You have {MOST_FILES} uploads; delete one.", code="too_many_data_files")
    if kept + size > MOST_KEPT_BYTES:
        raise Conflict(f"Your uploads may take {MOST_KEPT_BYTES} bytes; delete one.", code="too_many_data_files")


def _of(principal: Principal) -> Any:
    return select(_ROW.__table__).where(_ROW.user_id == principal.user_id)


def _values(file: DataFile) -> dict[str, Any]:
    return {
        **{name: getattr(file, name) for name in ("id", "name", "format", "size", "created_at")},
        "series": msgspec.json.encode(file.series).decode(),
        "left_out": ",".join(file.left_out),
    }


def _file(row: Any) -> DataFile:
    return DataFile(
        id=row.id,
        name=row.name,
        format=row.format,
        series=msgspec.json.decode(row.series, type=list[Series]),
        left_out=row.left_out.split(",") if row.left_out else [],
        size=row.size,
        created_at=row.created_at,
    )


def _series(read: ReadSeries) -> Series:
    rows, seconds = read.candles.rows, read.candles.seconds
    return Series(
        symbol=read.symbol,
        timeframe=read.timeframe,
        candles=len(rows),
        missing=read.candles.missing,
        begins_at=clock.from_ms(rows[0].opening * 1000),
        ends_at=clock.from_ms((rows[-1].opening + seconds) * 1000),
    )


def _not_found() -> NotFound:
    return NotFound("You have no such upload.", code="data_file_not_found")
