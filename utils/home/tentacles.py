"""Tentacles: the modules that OctoBot loads from its home, and the classes in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import Conflict
from utils.home import files

MODE = "Trading/Mode"
"""The type of trading modes, of which OctoBot runs one at a time."""

NEEDED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What tentacles get of the environment: they are foreign code, and its other variables may be secrets."""

METADATA = "metadata.json"
_DEPTHS = (2, 3, 4)
"""How deep modules are in the folder: below a type of one to three words, such as `Trading/Mode`."""


@dataclass(frozen=True)
class Tentacle:
    """A class of an installed module; `type` is such as `Trading/Mode`."""

    name: str
    module: str
    type: str
    version: str
    package: str
    folder: Path

    @property
    def root_type(self) -> str:
        """Return the type under which profiles say whether it is active."""
        return self.type.partition("/")[0]

    def defaults(self) -> dict[str, Any]:
        """Return the settings that it has without any of its own."""
        return _object(self.folder / "config" / f"{self.name}.json") or {}

    def schema(self) -> dict[str, Any] | None:
        """Return the JSON Schema of its settings, None when the module brings none."""
        return _object(self.folder / "config" / f"{self.name}_schema.json")

    def description(self) -> str:
        """Return what the module says of it, in Markdown."""
        path = self.folder / "resources" / f"{self.name}.md"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def bare_environment() -> dict[str, str]:
    """Return what processes that import tentacles get of the environment."""
    return {name: os.environ[name] for name in NEEDED if name in os.environ}


def installed(folder: Path) -> dict[str, Tentacle]:
    """Return the classes of all installed modules by their names, sorted; modules that cannot be read do not count."""
    found: dict[str, Tentacle] = {}
    for metadata in _metadata(folder):
        described = _object(metadata)
        names = [] if described is None else described.get("tentacles")
        if described is None or not isinstance(names, list):
            continue
        module = metadata.parent
        for name in names:
            if isinstance(name, str) and name.isidentifier():
                found.setdefault(
                    name,
                    Tentacle(
                        name=name,
                        module=module.name,
                        type=module.parent.relative_to(folder).as_posix(),
                        version=str(described.get("version", "")),
                        package=str(described.get("origin_package", "")),
                        folder=module,
                    ),
                )
    return dict(sorted(found.items()))


def _metadata(folder: Path) -> Iterator[Path]:
    for depth in _DEPTHS:
        yield from sorted(folder.glob("/".join(["*"] * depth + [METADATA])))


def _object(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value: dict[str, Any] = files.read(path)
    except Conflict:
        return None
    return value
