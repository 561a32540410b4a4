"""The exception tree of the domain: what went wrong, in words and stable codes, without any HTTP.

    TradingError
    ├── Malformed            the request could not be read
    ├── Refused              readable, but against a rule (validation, funds, risk)
    ├── Unauthenticated      nobody is known to be calling
    ├── Forbidden            known, but without the permission
    ├── NotFound             does not exist, or belongs to somebody else
    ├── Conflict             exists, but in another state
    ├── Outdated             the caller goes by what has changed since
    ├── TooMany              the caller has used up their share
    ├── Overloaded           a bounded resource is used up for the moment
    ├── StorageUnavailable   the database did not take the change
    ├── NotReady             a part of this installation does not work
    ├── StreamerUnavailable  the streamer cannot be reached; nothing was done
    ├── Unsupported          this installation cannot do it, whoever asks
    └── BridgeError          the way to OctoBot
        ├── EngineUnavailable   nothing was done; try again after `retry_after` seconds
        ├── EngineTimeout       no answer in time: the outcome is unknown
        ├── EngineFault         the engine failed in an unforeseen way
        └── ExchangeUnavailable the exchange cannot be asked; nothing was done

Every error travels over the bridge as a `Fault` and comes back as the same class.
"""

from __future__ import annotations

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """Name one field that is wrong: its path, a stable code and a sentence."""

    field: str
    code: str
    message: str


class Over(Exception):
    """There was something to follow, and the client has all of it: nothing went wrong, and nothing more will come."""


class TradingError(Exception):
    """Base of all domain errors.

    `code` is stable snake_case for programs, `detail` a sentence for people, `errors` the fields at fault,
    `retry_after` the seconds after which the same request may succeed (None: repeating does not help).
    """

    code = "error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = errors
        self.retry_after = retry_after


class Malformed(TradingError):
    """The request could not be read."""

    code = "malformed_request"


class Refused(TradingError):
    """The request is readable but breaks a rule; nothing was changed."""

    code = "validation_failed"


class Unauthenticated(TradingError):
    """No valid credential came with the request."""

    code = "unauthenticated"


class Forbidden(TradingError):
    """The caller is known but lacks the permission."""

    code = "forbidden"


class NotFound(TradingError):
    """The thing does not exist or belongs to somebody else."""

    code = "not_found"


class Conflict(TradingError):
    """The thing exists but its state does not allow this."""

    code = "conflict"


class Outdated(TradingError):
    """What the caller goes by has changed since they read it; nothing was done."""

    code = "outdated"


class Overloaded(TradingError):
    """A bounded resource of this installation is used up for the moment; nothing was done."""

    code = "overloaded"


class StorageUnavailable(TradingError):
    """The database did not take the change; nothing was done."""

    code = "storage_unavailable"


class StorageBusy(StorageUnavailable):
    """Somebody else held what was to be written, and goes first; nothing was done."""


class NotReady(TradingError):
    """A part of this installation does not work yet, or not any more; `errors` names it."""

    code = "not_ready"


class TooMany(TradingError):
    """The caller has as many of something as one user may have; nothing was done."""

    code = "too_many"


class StreamerUnavailable(TradingError):
    """The streamer cannot be reached; nothing was done."""

    code = "streamer_unavailable"


class Unsupported(TradingError):
    """This installation cannot do it, whoever asks."""

    code = "unsupported"


class BridgeError(TradingError):
    """The way to OctoBot failed."""

    code = "bridge_error"


class EngineUnavailable(BridgeError):
    """The engine cannot be reached; nothing was done."""

    code = "engine_unavailable"


class EngineTimeout(BridgeError):
    """No answer came in time: the outcome is unknown and must be looked up, not repeated blindly."""

    code = "engine_timeout"


class EngineFault(BridgeError):
    """The engine failed in an unforeseen way; its log has the trace."""

    code = "engine_fault"


class ExchangeUnavailable(BridgeError):
    """The exchange cannot be reached, or does not want to be asked now; nothing was done."""

    code = "exchange_unreachable"


def explained(error: TradingError) -> str:
    """Return what went wrong in one line for whoever runs this installation.

    A user is told that the database did not answer; an operator also what it, or the way to it, said.
    """
    if not isinstance(error, StorageUnavailable) or error.__cause__ is None:
        return error.detail
    cause = getattr(error.__cause__, "orig", None) or error.__cause__  # the driver's own words
    return f"{error.detail.rstrip('.')}: {' '.join(str(cause).split())}"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Carry one `TradingError` over the bridge."""

    family: str
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    retry_after: int | None = None

    @classmethod
    def of(cls, error: TradingError) -> Fault:
        """Describe `error` for the wire."""
        return cls(
            family=type(error).__name__,
            code=error.code,
            detail=error.detail,
            errors=error.errors,
            retry_after=error.retry_after,
        )

    def error(self) -> TradingError:
        """Return the exception this fault describes."""
        family = _FAMILIES.get(self.family, EngineFault)
        return family(self.detail, code=self.code, errors=self.errors, retry_after=self.retry_after)


def idempotency_key_reused() -> Refused:
    """Return the refusal of a key that belongs to another request."""
    return Refused("The idempotency key was used for another request.", code="idempotency_key_reused")


def _families(root: type[TradingError]) -> dict[str, type[TradingError]]:
    families = {root.__name__: root}
    for child in root.__subclasses__():
        families.update(_families(child))
    return families


_FAMILIES = _families(TradingError)
