"""What of a JSON document breaks its JSON Schema, field by field, without quoting what is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from utils.errors import Conflict, FieldError, Refused

MOST_FAULTS = 20
_NOTHING_ELSEWHERE: Registry[Any] = Registry()
"""Schemas refer to nothing outside of themselves: nothing is fetched."""


def check_settings(schema: Any, settings: dict[str, Any]) -> None:
    """Refuse settings that are not what the JSON Schema of their tentacle wants.

    :raises Refused: naming every field at fault. :raises Conflict: `schema_unusable`.
    """
    faults = settings_faults(schema, settings, "settings")
    if faults:
        raise refusal_of(faults)


def settings_faults(schema: Any, settings: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with settings that are at `path`. :raises Conflict: `schema_unusable`."""
    try:
        return list(faults_of(schema, settings, prefix=path, keeps_prefix=True))
    except (SchemaError, Unresolvable, RecursionError) as error:
        raise Conflict("The JSON Schema of the tentacle cannot be used.", code="schema_unusable") from error


def faults_of(schema: Any, value: Any, *, prefix: str = "", keeps_prefix: bool = False) -> Iterator[FieldError]:
    """Yield what is wrong with `value`; with `keeps_prefix` the fields begin with `prefix`, else it is cut off them."""
    kind = validator_for(schema)
    kind.check_schema(schema)
    for number, error in enumerate(kind(schema, registry=_NOTHING_ELSEWHERE).iter_errors(value)):
        if number == MOST_FAULTS:
            return
        path = [str(part) for part in error.absolute_path]
        if keeps_prefix:
            path = [prefix, *path]
        elif prefix and path[:1] == [prefix]:
            path = path[1:]
        yield FieldError(
            field=".".join(path), code="required" if error.validator == "required" else "invalid", message=_said(error)
        )


def _said(error: ValidationError) -> str:
    """Return what is wrong without the value itself, which may be a secret."""
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            said = f"This must be of type {' or '.join(kinds)}."
        case "required":
            present: Any = error.instance
            said = f"These must be there: {', '.join(name for name in wanted if name not in present)}."
        case "additionalProperties":
            said = "There are members here that are not known, or not of this type."
        case "enum":
            said = f"This must be one of {', '.join(str(each) for each in wanted)}."
        case "uniqueItems":
            said = "Nothing may be here twice."
        case _:
            said = f"This must have the {error.validator} {wanted}."
    return said


def refusal_of(faults: list[FieldError], code: str | None = None) -> Refused:
    """Return the refusal that names `faults`, of which there is at least one."""
    first = faults[0]
    return Refused(f"{first.field}: {first.message}" if first.field else first.message, code=code, errors=tuple(faults))
