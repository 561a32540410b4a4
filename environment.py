"""Read values from the environment and an optional `.env` file."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

MIN_SECRET_LENGTH = 32
_NAME = re.compile(r"[a-z][a-z0-9]{1,31}")
_SYMBOL = re.compile(r"[A-Z0-9]{1,15}/[A-Z0-9]{1,15}")
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#@,\s]+")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class SettingsError(ValueError):
    """A setting is missing, malformed or unsafe; the message names the variable and the mend."""


@dataclass(frozen=True)
class Reader:
    """Read values by name, and refuse what is malformed.

    Every method raises `SettingsError`, which names the variable.
    """

    env: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        """Return a text without blanks around it."""
        return self.env.get(name, "").strip() or default

    def folder(self, name: str, default: Path) -> Path:
        """Return a folder as an absolute path."""
        text = self.text(name, "")
        return Path(text).expanduser().absolute() if text else default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of a few words, taken in any case."""
        value = self.text(name, default)
        for candidate in allowed:
            if candidate.lower() == value.lower():
                return candidate
        raise SettingsError(f"{name}={value!r} is not one of {', '.join(allowed)}")

    def flag(self, name: str, default: bool) -> bool:
        """Return yes or no."""
        value = self.text(name, "true" if default else "false").lower()
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise SettingsError(f"{name}={value!r} is not true or false")

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number."""
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise SettingsError(f"{name}={value!r} is not a whole number from {low} to {high}")
        return int(value)

    def port(self, name: str) -> int | None:
        """Return a port, None when there is none; 0 means any free one."""
        return self.integer(name, 0, low=0, high=65535) if self.text(name, "") else None

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """Return a number."""
        value = self.text(name, str(default))
        try:
            parsed = float(value)
        except ValueError:
            parsed = float("nan")
        if not low <= parsed <= high:
            raise SettingsError(f"{name}={value!r} is not a number from {low} to {high}")
        return parsed

    def names(self, name: str, default: str) -> tuple[str, ...]:
        """Return the exchanges of a list."""
        found = tuple(
            dict.fromkeys(part.strip().lower() for part in self.text(name, default).split(",") if part.strip())
        )
        for each in found:
            if not _NAME.fullmatch(each):
                raise SettingsError(f"{name}: {each!r} is not the name of an exchange")
        return found

    def symbols(self, name: str) -> tuple[str, ...]:
        """Return the markets of a list."""
        found = tuple(dict.fromkeys(part.strip().upper() for part in self.text(name, "").split(",") if part.strip()))
        for each in found:
            if not _SYMBOL.fullmatch(each):
                raise SettingsError(f"{name}: {each!r} is not a market such as BTC/USDT")
        return found

    def urls(self, name: str) -> dict[str, str]:
        """Return the addresses of `a=http://host,b=https://host:port`."""
        found = {}
        for part in filter(None, (part.strip() for part in self.text(name, "").split(","))):
            exchange, _, url = part.partition("=")
            parts = urlsplit(url.strip())
            bare = parts.path in {"", "/"} and not parts.query
            if (
                not _NAME.fullmatch(exchange.strip())
                or parts.scheme not in {"http", "https"}
                or not parts.netloc
                or not bare
            ):
                raise SettingsError(f"{name}: {part!r} is not exchange=http(s)://host[:port]")
            found[exchange.strip()] = f"{parts.scheme}://{parts.netloc}"
        return found

    def origins(self, name: str) -> tuple[str, ...]:
        """Return the origins of a list, in lower case as they are compared; `*` is any."""
        found = tuple(dict.fromkeys(part.strip().lower() for part in self.text(name, "").split(",") if part.strip()))
        for each in found:
            if not _ORIGIN.fullmatch(each):
                raise SettingsError(f"{name}: {each!r} is not an origin such as https://app.example, without a path")
        return found

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        """Return an address that begins with one of `schemes`; it may hold a password, and no message does."""
        value = self.text(name, default)
        try:
            parts = urlsplit(value)
            is_known = parts.scheme in schemes and (parts.port is None or parts.port > 0)
        except ValueError:  # a port or an IPv6 address that is none
            is_known = False
        if value and not is_known:
            raise SettingsError(f"{name} is no address that begins with {':// or '.join(schemes)}://")
        return value

    def secret(self, name: str, data_dir: Path, prefix: str = "") -> str:
        """Return a secret; without one, that which is kept in `data_dir`, made on first use to begin with `prefix`."""
        if name in self.env:
            return self.env[name].strip()
        return _stored_secret(data_dir / name.lower(), prefix)


def _stored_secret(path: Path, prefix: str) -> str:
    """Read the secret kept in `path`, creating it (mode 0600) on first use; safe against two starters at once."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(prefix + secrets.token_hex(MIN_SECRET_LENGTH))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text(encoding="ascii").strip()


def dotenv(path: Path) -> dict[str, str]:
    """Read a `.env` file as python-dotenv does: quotes, comments, `export `; `$` stands for itself.

    :raises SettingsError: on a line that is no assignment, which python-dotenv would skip.
    """
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    with path.open(encoding="utf-8") as file:
        for binding in parse_stream(file):
            if binding.error or (binding.key is not None and binding.value is None):
                # blank lines before it belong to it
                blank = len(binding.original.string) - len(binding.original.string.lstrip())
                line = binding.original.line + binding.original.string.count("\n", 0, blank)
                raise SettingsError(f"{path}:{line}: expected KEY=value")
            if binding.key is not None and binding.value is not None:
                values[binding.key] = binding.value
    return values
