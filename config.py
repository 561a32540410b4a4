"""The settings of one installation."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from environment import MIN_SECRET_LENGTH, Reader, SettingsError, dotenv
from utils.database_url import check_database_url
from utils.smtp import Mailer

__all__ = ["Settings", "SettingsError"]

DEMO = "demo"
"""The exchange that every installation has."""

DATABASES = ("sqlite", "postgresql", "postgresql+psycopg", "postgres")
"""The schemes of `DATABASE_URL`."""

UNSET = Path()

KNOWN_SECRETS = frozenset({"secret", "changeme", "change-me", "dev", "development", "password", "test", "default"})
"""Words that are refused as a secret, also when repeated or padded to length."""

KEY_BYTES = 32
"""AES-256."""

FIRST_KEY_ID = "k1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_KEY = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hold every setting; the README's table describes each one."""

    host: str = "127.0.0.1"
    port: int = 5000
    stream_port: int | None = None
    streams: int = 15_000
    streams_per_user: int = 50
    data_dir: Path = Path("var")
    octobot_home: Path = UNSET
    octobot_autostart: bool = False
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    encryption_keys: str = field(default="", repr=False)
    metrics_token: str = field(default="", repr=False)
    admin_username: str = ""
    admin_password: str = field(default="", repr=False)
    signup_enabled: bool = True
    demo_seed: str = ""
    demo_tick_seconds: float = 1.0
    demo_funding_seconds: int = 28_800
    demo_replay: str = ""
    demo_replay_speed: float = 1.0
    max_accounts: int = 20
    max_strategies: int = 50
    max_strategy_processes: int = 4
    equity_sample_seconds: float = 300.0
    job_lease_seconds: float = 30.0
    webhook_private_addresses: bool = False
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    exchanges: tuple[str, ...] = (DEMO,)
    exchange_urls: Mapping[str, str] = field(default_factory=dict)
    market_symbols: tuple[str, ...] = ()
    market_poll_seconds: float = 3.0
    market_mute_seconds: float = 60.0
    live_trading_enabled: bool = False
    allow_withdrawal_keys: bool = False
    web_workers: int = 2
    web_threads: int = 16
    web_nice: int = 5
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: int = 0
    rate_limit_enabled: bool = True
    rate_limit_per_minute: int = 6000
    max_open_orders: int = 500
    accounts_in_memory: int = 2000
    account_idle_minutes: int = 15
    event_retention_days: int = 7
    audit_retention_days: int = 730
    log_level: str = "INFO"
    log_format: str = "text"
    debug: bool = False

    def __post_init__(self) -> None:
        """Keep the operator's bot in the data directory unless another folder is named."""
        if self.octobot_home == UNSET:
            object.__setattr__(self, "octobot_home", self.data_dir / "octobot")

    @property
    def engine_socket(self) -> Path:
        """Return the path of the engine's Unix socket (mode 0600) inside the data directory."""
        return self.data_dir / "engine.sock"

    @property
    def bot_socket(self) -> Path:
        """Return the path of the bot's Unix socket (mode 0600) inside the data directory."""
        return self.data_dir / "bot.sock"

    @property
    def bot_last_words(self) -> Path:
        """Return the file in which a bot that fails leaves why."""
        return self.data_dir / "bot.failure"

    @property
    def streamer_socket(self) -> Path:
        """Return the path of the streamer's Unix socket (mode 0600) inside the data directory."""
        return self.data_dir / "streamer.sock"

    @property
    def candle_dir(self) -> Path:
        """Return the folder of uploaded candles inside the data directory."""
        return self.data_dir / "candles"

    @property
    def log_dir(self) -> Path:
        """Return the folder of the log files inside the data directory."""
        return self.data_dir / "logs"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Build the settings from `environ` (default: `.env`, then the process environment, which wins).

        :raises SettingsError: when a value is malformed or a secret is known, short or empty.
        """
        env = dict(environ) if environ is not None else {**dotenv(Path(".env")), **os.environ}
        reader = Reader(env)
        data_dir = Path(reader.text("DATA_DIR", "var")).absolute()
        settings = cls(
            host=reader.text("HOST", "127.0.0.1"),
            port=reader.integer("PORT", 5000, low=0, high=65535),
            stream_port=reader.port("STREAM_PORT"),
            streams=reader.integer("STREAMS", 15_000, low=1, high=1_000_000),
            streams_per_user=reader.integer("STREAMS_PER_USER", 50, low=1, high=1_000_000),
            data_dir=data_dir,
            octobot_home=reader.folder("OCTOBOT_HOME", UNSET),
            octobot_autostart=reader.flag("OCTOBOT_AUTOSTART", False),
            database_url=reader.url("DATABASE_URL", f"sqlite:///{data_dir / 'trading.db'}", DATABASES),
            redis_url=reader.url("REDIS_URL", "", ("redis", "rediss", "unix")),
            secret_key=reader.secret("SECRET_KEY", data_dir),
            encryption_keys=reader.secret("ENCRYPTION_KEYS", data_dir, prefix=f"{FIRST_KEY_ID}:"),
            metrics_token=reader.secret("METRICS_TOKEN", data_dir),
            admin_username=reader.text("ADMIN_USERNAME", ""),
            admin_password=reader.text("ADMIN_PASSWORD", ""),
            signup_enabled=reader.flag("SIGNUP_ENABLED", True),
            demo_seed=reader.text("DEMO_SEED", ""),
            demo_tick_seconds=reader.number("DEMO_TICK_SECONDS", 1.0, low=0.05, high=60.0),
            demo_funding_seconds=reader.integer("DEMO_FUNDING_SECONDS", 28_800, low=1, high=86_400),
            demo_replay=reader.text("DEMO_REPLAY", ""),
            demo_replay_speed=reader.number("DEMO_REPLAY_SPEED", 1.0, low=0.001, high=1_000_000.0),
            max_accounts=reader.integer("MAX_ACCOUNTS", 20, low=1, high=10_000),
            max_strategies=reader.integer("MAX_STRATEGIES", 50, low=1, high=10_000),
            max_strategy_processes=reader.integer("MAX_STRATEGY_PROCESSES", 4, low=0, high=1_000),
            equity_sample_seconds=reader.number("EQUITY_SAMPLE_SECONDS", 300.0, low=1.0, high=86_400.0),
            job_lease_seconds=reader.number("JOB_LEASE_SECONDS", 30.0, low=1.0, high=3600.0),
            webhook_private_addresses=reader.flag("WEBHOOK_PRIVATE_ADDRESSES", False),
            smtp_url=reader.text("SMTP_URL", ""),
            mail_from=reader.text("MAIL_FROM", ""),
            exchanges=reader.names("EXCHANGES", DEMO),
            exchange_urls=reader.urls("EXCHANGE_URLS"),
            market_symbols=reader.symbols("MARKET_SYMBOLS"),
            market_poll_seconds=reader.number("MARKET_POLL_SECONDS", 3.0, low=0.2, high=300.0),
            market_mute_seconds=reader.number("MARKET_MUTE_SECONDS", 60.0, low=1.0, high=86400.0),
            live_trading_enabled=reader.flag("LIVE_TRADING_ENABLED", False),
            allow_withdrawal_keys=reader.flag("ALLOW_WITHDRAWAL_KEYS", False),
            web_workers=reader.integer("WEB_WORKERS", 2, low=1, high=64),
            web_threads=reader.integer("WEB_THREADS", 16, low=2, high=512),
            web_nice=reader.integer("WEB_NICE", 5, low=0, high=19),
            cors_origins=reader.origins("CORS_ORIGINS"),
            trusted_proxies=reader.integer("TRUSTED_PROXIES", 0, low=0, high=16),
            rate_limit_enabled=reader.flag("RATE_LIMIT_ENABLED", True),
            max_open_orders=reader.integer("MAX_OPEN_ORDERS", 500, low=1, high=100_000),
            rate_limit_per_minute=reader.integer("RATE_LIMIT_PER_MINUTE", 6000, low=1, high=10_000_000),
            accounts_in_memory=reader.integer("ACCOUNTS_IN_MEMORY", 2000, low=1, high=1_000_000),
            account_idle_minutes=reader.integer("ACCOUNT_IDLE_MINUTES", 15, low=1, high=100_000),
            event_retention_days=reader.integer("EVENT_RETENTION_DAYS", 7, low=1, high=3650),
            audit_retention_days=reader.integer("AUDIT_RETENTION_DAYS", 730, low=1, high=36_500),
            log_level=reader.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
            log_format=reader.choice("LOG_FORMAT", "text", ("text", "json")),
            debug=reader.flag("DEBUG", False),
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse what must never run.

        :raises SettingsError: on an unsafe secret or key ring, no demo exchange, debug with a non-loopback address,
            half an admin, a database or a mail server that cannot be one, or a recording that is not there.
        """
        check_secret("SECRET_KEY", self.secret_key)
        check_secret("METRICS_TOKEN", self.metrics_token)
        key_ring(self.encryption_keys)
        if DEMO not in self.exchanges:
            raise SettingsError(f"EXCHANGES lacks {DEMO}, on which every new user's paper account trades; add it")
        if self.debug and self.host not in {"127.0.0.1", "localhost", "::1"}:
            raise SettingsError(f"DEBUG=true is refused on {self.host}: it is only for a loopback address")
        if bool(self.admin_username) != bool(self.admin_password):
            raise SettingsError("ADMIN_USERNAME and ADMIN_PASSWORD go together: set both or neither")
        try:
            check_database_url(self.database_url)
        except ValueError as error:
            raise SettingsError(f"DATABASE_URL: {error}") from None
        if self.smtp_url:
            try:
                Mailer(self.smtp_url, self.mail_from)
            except ValueError as error:
                raise SettingsError(f"SMTP_URL, MAIL_FROM: {error}") from None
        if self.demo_replay and not Path(self.demo_replay).is_file():
            raise SettingsError(f"DEMO_REPLAY={self.demo_replay!r} is no file")


def check_secret(name: str, value: str) -> None:
    """Refuse a secret that is empty, short, repetitive or publicly known.

    :raises SettingsError: naming the variable, never the value.
    """
    mend = (
        f"unset it (one is created) or use: python -c 'import secrets; print(secrets.token_hex({MIN_SECRET_LENGTH}))'"
    )
    if not value:
        raise SettingsError(f"{name} is empty; {mend}")
    if len(value) < MIN_SECRET_LENGTH:
        raise SettingsError(f"{name} is shorter than {MIN_SECRET_LENGTH} characters; {mend}")
    letters = value.lower()
    if len(set(letters)) < 8 or any(word * (len(letters) // len(word)) == letters for word in KNOWN_SECRETS):
        raise SettingsError(f"{name} is a known or repetitive value; {mend}")


def key_ring(text: str) -> dict[str, bytes]:
    """Return the keys that `text` lists as `id:hex,id:hex`: the first seals, all of them open.

    :raises SettingsError: when there is none, or one is malformed, short, known or there twice; never with the key.
    """
    name = "ENCRYPTION_KEYS"
    ring: dict[str, bytes] = {}
    for number, entry in enumerate(text.split(","), start=1):
        key_id, _, key = entry.strip().partition(":")
        if not _KEY_ID.fullmatch(key_id) or not _KEY.fullmatch(key):
            raise SettingsError(f"{name}: entry {number} is not an id, a colon and {2 * KEY_BYTES} hexadecimal digits")
        check_secret(name, key)
        value = bytes.fromhex(key)
        if len(set(value)) < KEY_BYTES // 2 or len({(b - a) % 256 for a, b in pairwise(value)}) == 1:
            raise SettingsError(f"{name}: the key {key_id} is a known or repetitive value")
        if key_id in ring or value in ring.values():
            raise SettingsError(f"{name}: the key {key_id} is there twice")
        ring[key_id] = value
    return ring
