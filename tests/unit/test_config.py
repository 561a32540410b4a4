"""What an installation refuses to run with, and where settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import Settings, SettingsError, key_ring
from environment import dotenv
from tests.settings import ENCRYPTION_KEYS, SECRET

KEY = ENCRYPTION_KEYS.partition(":")[2]
OTHER_KEY = KEY[::-1]


def read(tmp_path: Path, **environment: str) -> Settings:
    return Settings.from_env({"DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET, **environment})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "  "),
        ("SECRET_KEY", "k3D9x"),
        ("SECRET_KEY", "changeme" * 5),
        ("SECRET_KEY", "0123" * 10),
        ("ENCRYPTION_KEYS", ""),
        ("ENCRYPTION_KEYS", KEY),
        ("ENCRYPTION_KEYS", f"k1:{KEY[:-2]}"),
        ("ENCRYPTION_KEYS", f"k1:{KEY}00"),
        ("ENCRYPTION_KEYS", f"k 1:{KEY}"),
        ("ENCRYPTION_KEYS", f"k1:{'z' * 64}"),
        ("ENCRYPTION_KEYS", f"k1:{'00' * 32}"),
        ("ENCRYPTION_KEYS", f"k1:{'0123456789abcdef' * 4}"),
        ("ENCRYPTION_KEYS", f"k1:{bytes(range(32)).hex()}"),
        ("ENCRYPTION_KEYS", f"k1:{KEY},"),
        ("ENCRYPTION_KEYS", f"k1:{KEY},k1:{OTHER_KEY}"),
        ("ENCRYPTION_KEYS", f"k1:{KEY},k2:{KEY.upper()}"),
        ("EXCHANGES", "binance"),
        ("EXCHANGES", "demo,../etc"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "\uff15\uff10\uff10\uff10"),  # digits, but full-width ones
        ("DEMO_TICK_SECONDS", "0.04"),
        ("DEMO_TICK_SECONDS", "nan"),
        ("DEMO_REPLAY", "no-such-file.csv"),
        ("WEB_THREADS", "many"),
        ("WEB_NICE", "20"),
        ("SIGNUP_ENABLED", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
        ("ADMIN_PASSWORD", "a-long-lovely-day"),
        ("DATABASE_URL", "trading.db"),
        ("DATABASE_URL", "mysql://ada:a-long-lovely-day@db/trading"),
        ("DATABASE_URL", "postgresql://ada:a-long-lovely-day@db:none/trading"),
        ("DATABASE_URL", "postgresql://ada:a-long-lovely-day@[db/trading"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("CORS_ORIGINS", "app.example"),
        ("CORS_ORIGINS", "https://app.example,https://shop.example/"),
        ("REDIS_URL", "http://:a-long-lovely-day@127.0.0.1:6379"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        read(tmp_path, **{name: value})
    if name in {"SECRET_KEY", "ADMIN_PASSWORD", "ENCRYPTION_KEYS"} and value.strip():
        assert not any(part.rpartition(":")[2] in str(caught.value) for part in value.split(",") if part)
    assert "a-long-lovely-day" not in str(caught.value)


def test_debug_stays_at_home(tmp_path: Path) -> None:
    assert read(tmp_path, DEBUG="true", HOST="localhost").debug
    with pytest.raises(SettingsError, match="DEBUG"):
        read(tmp_path, DEBUG="true", HOST="0.0.0.0")  # noqa: S104 - refused


def test_origins_are_compared_in_lower_case(tmp_path: Path) -> None:
    origins = read(tmp_path, CORS_ORIGINS="https://App.example, http://[::1]:3000,capacitor://localhost").cors_origins
    assert origins == ("https://app.example", "http://[::1]:3000", "capacitor://localhost")
    assert read(tmp_path, CORS_ORIGINS="*").cors_origins == ("*",)


def test_a_recording_that_is_there_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "BTC_USDT-1m.csv"
    file.touch()
    assert read(tmp_path, DEMO_REPLAY=str(file)).demo_replay == str(file)


def test_without_a_secret_one_is_made_and_kept_privately(tmp_path: Path) -> None:
    first, second = (Settings.from_env({"DATA_DIR": str(tmp_path / "var")}).secret_key for _ in range(2))
    assert first == second
    assert len(first) >= 32
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert Settings.from_env({"DATA_DIR": str(tmp_path / "other")}).secret_key != first


def test_without_a_key_ring_one_is_made_and_kept_privately(tmp_path: Path) -> None:
    first, second = (Settings.from_env({"DATA_DIR": str(tmp_path)}).encryption_keys for _ in range(2))
    assert first == second
    assert list(key_ring(first)) == ["k1"]
    assert len(key_ring(first)["k1"]) == 32
    assert (tmp_path / "encryption_keys").stat().st_mode & 0o777 == 0o600
    assert first not in repr(Settings.from_env({"DATA_DIR": str(tmp_path)}))


def test_a_ring_has_its_keys_in_order(tmp_path: Path) -> None:
    ring = read(tmp_path, ENCRYPTION_KEYS=f"2026-11:{OTHER_KEY}, k1:{KEY}").encryption_keys
    assert key_ring(ring) == {"2026-11": bytes.fromhex(OTHER_KEY), "k1": bytes.fromhex(KEY)}
    assert list(key_ring(ring)) == ["2026-11", "k1"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("X=demo  # the market", "demo"),
        ("X=demo#1", "demo#1"),
        ("X='a # b' # c", "a # b"),
        ('export X = "a\\tb"', "a\tb"),
        ("X=$HOME/${HOME}", "$HOME/${HOME}"),
        ("X=", ""),
        ("X=a=b", "a=b"),
    ],
)
def test_a_file_is_read_as_python_dotenv_does(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# ours\n\n{line}\r\nY=1")
    assert dotenv(file) == {"X": value, "Y": "1"}


@pytest.mark.parametrize("line", ["PORT", "PORT 5000", "'PORT=1", "X=1 'a'b=\n=3"])
def test_a_line_that_is_no_assignment_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"\n# ours\n\nY=1\n\n{line}\n")
    number = 7 if line.startswith("X") else 6
    with pytest.raises(SettingsError, match=rf"{file}:{number}: expected KEY=value"):
        dotenv(file)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://ada:hush@host/name?foo=1&sslmode=require&bar=", "PostgreSQL has no option bar, foo here"),
        ("sqlite:////var/lib/t.db?timeout=3", "SQLite has no option timeout here"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("sqlite://host/t.db", "SQLite needs a file"),
        ("sqlite:", "SQLite needs a file"),
    ],
)
def test_a_database_that_cannot_be_right_is_refused(tmp_path: Path, url: str, what: str) -> None:
    with pytest.raises(SettingsError, match=f"^DATABASE_URL: {what}") as refused:
        read(tmp_path, DATABASE_URL=url)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///var/trading.db",
        "sqlite:////tmp/a%20b.db",
        "postgresql:///trading?host=/var/run/postgresql",
        "postgres://ada:h%40sh@host:5432/name?sslmode=verify-full&sslrootcert=system&application_name=a",
    ],
)
def test_a_database_with_options_that_it_has_is_taken(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, DATABASE_URL=url).database_url == url


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text(f"# ours\nPORT=5001\nexport LOG_FORMAT='json'\nSECRET_KEY={SECRET}\n")
    assert (Settings.from_env().port, Settings.from_env().log_format) == (5001, "json")
    monkeypatch.setenv("PORT", "5002")
    assert Settings.from_env().port == 5002
