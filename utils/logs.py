"""Logging: one line per record on stderr and one in a file, in UTC, with every secret masked."""

from __future__ import annotations

import base64
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import orjson

from config import Settings
from utils.log_files import LogFile

MASK = "***"
_PLAIN = frozenset({str, int, float, bool})
_UNSAFE = re.compile(r"[\s\"=]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_NOISY = re.compile(r"(?:site|dist)-packages[/\\](?:octobot(?:_\w+)?|ccxt|async_channel|alembic)[/\\]")
_SECRET_NAME = re.compile(r"pass(?:word|wd|phrase)|secret|token|api[_-]?key|authorization|cookie|totp|ticket", re.I)
# Most lines hold nothing that looks like a secret; looking for these words spares them the slow substitutions.
_SUSPECT = (
    "pass",
    "secret",
    "token",
    "key",
    "auth",
    "cookie",
    "signature",
    "totp",
    "ticket",
    "bearer",
    "eyj",
    "tbk_",
    "@",
    "/tradingview/",
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(authorization|cookie)([\"']?\s*[:=,]\s*[\"']?)[^\"'\r\n]+", re.I), rf"\1\2{MASK}"),
    (re.compile(r"\b(bearer)\s+[\w\-.~+/=]+", re.I), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (re.compile(r"\btbk_[\w-]{20,}"), MASK),
    (re.compile(r"(/webhooks/+tradingview/+)[^\s/?#\"']+", re.I), rf"\1{MASK}"),
    (re.compile(r"(\b[a-z][\w+.-]*://[^\s:/@]*):[^\s/]+@", re.I), rf"\1:{MASK}@"),
    (
        re.compile(
            r"(\b[\w-]*(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|signature|totp|ticket)[\w-]*\\*[\"']?\s*[:=]\s*)"
            r"(?:(\\*[\"']).*?(?<!\\)\2|\\*[\"'].*|[^\s,;&}\])]+)",
            re.I,
        ),
        rf"\1{MASK}",
    ),
)


class Masker:
    """Replace secrets in text: the settings' own values in every usual spelling, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets if len(secret) >= 4 for spelling in _spellings(secret)}
        # the longest first: one may be part of another
        self._known = sorted(spellings, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, MASK)
        return _masked(text) if _is_suspect(text) else text

    def is_harmless(self, text: str) -> bool:
        """Tell whether nothing in `text` looks as if it had to be masked."""
        return not any(map(text.__contains__, self._known)) and not _is_suspect(text)

    def value(self, name: str, value: Any) -> Any:
        """Return `value` of the field `name` without secrets, whatever it is nested in."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if _is_secret(name) and isinstance(value, str | bytes):
            return MASK
        if isinstance(value, Mapping):
            return {str(key): self.value(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value("", item) for item in value]
        return self.text(str(value))


def _is_suspect(text: str) -> bool:
    return any(map(text.lower().__contains__, _SUSPECT))


def _masked(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class _Formatter(logging.Formatter):
    """Turn a record into one masked line; the traceback, if any, follows it (text) or is a member (JSON)."""

    def __init__(self, process: str, masker: Masker) -> None:
        super().__init__()
        self._process = process
        self._masker = masker

    def trace(self, record: logging.LogRecord) -> str:
        if not (record.exc_info or record.exc_text or record.stack_info):
            return ""
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return self._masker.text("\n".join(parts))


class _Handler(logging.Handler):
    """Emit without a lock: threads that log at once would wait for each other."""

    def handle(self, record: logging.LogRecord) -> bool:
        if not self.filter(record):
            return False
        self.emit(record)
        return True


class _DescriptorHandler(_Handler):
    """Write each line with one system call."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while line:
                line = line[os.write(self._descriptor, line) :]
        except Exception:  # as in every handler: who logs does not fail by it
            self.handleError(record)


class _FileHandler(_Handler):
    """Write each line to the file that all processes share, as well as the disk lets it."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._file.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except OSError:
            pass  # a full disk: stderr still has the line, and nobody fails because of it
        except Exception:  # as in every handler: who logs does not fail by it
            self.handleError(record)


class _TextFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        for name, value in vars(record).items():
            if name not in _STANDARD and value is not None:
                # What is plain is masked with the whole line, which is cheaper; quoting others would hide secrets.
                is_number = type(value) is int or type(value) is float
                is_plain = is_number or (type(value) is str and not _UNSAFE.search(value) and not _is_secret(name))
                text += f" {name}={value if is_plain else _word(self._masker.value(name, value))}"
        # A line break in a message (a user name, a path) must not start what looks like another record.
        text = self._masker.text(text).replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_timestamp(record)} {record.levelname:<7} {self._process} {record.name}: {text}"
        trace = self.trace(record)
        return f"{line}\n{trace}" if trace else line


class _JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        head = {
            "time": _timestamp(record),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
        }
        message = record.getMessage()
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None}
        trace = self.trace(record)
        # nearly every line: looked at as a whole, it need not be taken apart
        if not trace and self._is_harmless(message, fields):
            return orjson.dumps({**head, "message": message, **fields}).decode()
        parts = {
            **head,
            "message": self._masker.text(message),
            **{name: self._masker.value(name, value) for name, value in fields.items()},
        }
        if trace:
            parts["trace"] = trace
        return orjson.dumps(parts, default=str, option=orjson.OPT_NON_STR_KEYS).decode()

    def _is_harmless(self, message: str, fields: Mapping[str, Any]) -> bool:
        if not all(type(value) in _PLAIN and not _is_secret(name) for name, value in fields.items()):
            return False
        return self._masker.is_harmless("\n".join((message, *map(str, fields.values()))))


def configure(settings: Settings, process: str, *, secrets: Iterable[str] = (), octobot: bool = False) -> Masker:
    """Send all logging of this process to stderr and to the installation's files; `process` names it in every line.

    May be called again. Returns what masks the lines, for what is told elsewhere.

    :param secrets: what has to be masked besides the secrets among the settings.
    :param octobot: let OctoBot tell all it does, not its warnings alone.
    """
    form: Callable[[str, Masker], _Formatter] = _JsonFormatter if settings.log_format == "json" else _TextFormatter
    masker = Masker([*_secrets(settings), *secrets])
    stderr, file = _handler(), _FileHandler(LogFile(settings.log_dir))
    stderr.setFormatter(form(process, masker))
    file.setFormatter(_JsonFormatter(process, masker))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    for handler in (stderr, file):
        if not octobot:
            handler.addFilter(_is_worth_it)
        root.addHandler(handler)
    root.setLevel(settings.log_level)
    logging.captureWarnings(capture=True)
    # No line shows these; leaving them out is a good part of what a record costs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # typeshed does not know it
    return masker


def _handler() -> logging.Handler:
    try:
        return _DescriptorHandler(sys.stderr.fileno())
    except OSError:
        return logging.StreamHandler(sys.stderr)  # it is replaced by something in memory


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _is_worth_it(record: logging.LogRecord) -> bool:
    # OctoBot names its loggers after classes and instances, so the file is what tells them apart.
    return record.levelno >= logging.WARNING or not _is_noisy(record.pathname)


@lru_cache(maxsize=1024)
def _is_noisy(pathname: str) -> bool:
    return _NOISY.search(pathname) is not None


def _secrets(settings: Settings) -> Iterable[str]:
    yield settings.secret_key
    yield settings.metrics_token
    yield settings.admin_password
    yield from (entry.rpartition(":")[2].strip() for entry in settings.encryption_keys.split(","))
    for url in (settings.database_url, settings.redis_url):
        password = urlsplit(url).password
        if password:
            yield password
            yield unquote(password)


def _spellings(secret: str) -> Iterable[str]:
    raw = secret.encode()
    escaped = orjson.dumps(secret).decode()[1:-1]
    yield from (secret, quote(secret, safe=""), escaped, repr(secret)[1:-1], raw.hex(), raw.hex().upper())
    yield from (base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("="))


def _timestamp(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=4)
def _second(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def _word(value: Any) -> str:
    text = str(value)
    return orjson.dumps(text).decode() if _UNSAFE.search(text) else text
