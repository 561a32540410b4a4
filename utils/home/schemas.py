"""The schemas that the code of tentacles tells, kept in the home until that code is another one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from utils.errors import Conflict
from utils.home import files
from utils.home.home import Home

FILE = ".schemas.json"


def fingerprint(home: Home) -> str | None:
    """Return what names the code of the installed tentacles, None when OctoBot could not import them."""
    folder = home.tentacles_folder
    if not (folder / "__init__.py").is_file():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        status = path.stat()
        digest.update(json.dumps([str(path), status.st_mtime_ns, status.st_size]).encode())
    return digest.hexdigest()


def keep(home: Home, fingerprint: str, schemas: dict[str, Any]) -> None:
    """Keep the schemas of the code that `fingerprint` names."""
    files.write(home.root, {home.root / FILE: {"fingerprint": fingerprint, "schemas": schemas}})


def kept(home: Home, fingerprint: str) -> dict[str, Any] | None:
    """Return the schemas that were kept of the same code, None when there are none."""
    path = home.root / FILE
    try:
        stored = files.read(path) if path.is_file() else {}
    except Conflict:
        return None
    schemas = stored.get("schemas")
    return schemas if stored.get("fingerprint") == fingerprint and isinstance(schemas, dict) else None
