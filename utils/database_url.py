"""Which addresses of databases can be right, told before anybody connects."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit


def check_database_url(url: str) -> None:
    """Refuse what no database can be reached at.

    :raises ValueError: naming what is wrong; never with the password.
    """
    parts = urlsplit(url)
    options = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if parts.scheme == "sqlite":
        # all processes share it, which memory alone cannot be
        if parts.netloc or unquote(parts.path) in {"", "/", "/:memory:"}:
            raise ValueError("SQLite needs a file: sqlite:///relative/path or sqlite:////absolute/path")
        known: frozenset[str] = frozenset()
    else:
        known = _libpq_options() if options else frozenset()
    unknown = sorted({name for name in options if name not in known})
    if unknown:
        database = "SQLite" if parts.scheme == "sqlite" else "PostgreSQL"
        raise ValueError(f"{database} has no option {', '.join(unknown)} here")


def _libpq_options() -> frozenset[str]:
    # not at the top: whoever starts on SQLite does not wait for it
    from psycopg.pq import Conninfo

    return frozenset(option.keyword.decode() for option in Conninfo.get_defaults())
