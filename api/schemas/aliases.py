"""Names that other APIs use for the same thing."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, pre_load

from api.schemas.fields import Coded


class Aliased(Schema):
    """A body whose fields have other names beside their own; the document tells them too."""

    ALIASES: ClassVar[dict[str, str]] = {}

    @pre_load
    def rename(self, body: Any, **_: Any) -> Any:
        """Take the names that other APIs use; one name per field."""
        if not isinstance(body, dict):
            return body
        renamed = {name: value for name, value in body.items() if name not in self.ALIASES}
        for alias, name in self.ALIASES.items():
            if alias in body:
                if name in renamed:
                    raise ValidationError({alias: [Coded("ambiguous", f"This is {name} by another name; send one.")]})
                renamed[name] = body[alias]
        return self.settle(renamed)

    def settle(self, body: dict[str, Any]) -> dict[str, Any]:
        """Finish reading the body's names."""
        return body
