"""Which JSON Schema the settings of a tentacle have: its module's own, or the one that its code tells."""

from __future__ import annotations

from typing import Any, Literal

from utils.home import Home
from utils.home.asking import told
from utils.home.tentacles import Tentacle

Source = Literal["module", "code"]


class Schemas:
    """Find schemas."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def of(self, tentacle: Tentacle) -> tuple[dict[str, Any] | None, Source | None]:
        """Return the schema of a tentacle's settings and where it is from, None for one that has none.

        :raises Overloaded: `schemas_pending` while the code is being asked for somebody else.
        """
        own = tentacle.schema()
        if own is not None:
            return own, "module"
        by_code = told(self._home).get(tentacle.name)
        return by_code, None if by_code is None else "code"
