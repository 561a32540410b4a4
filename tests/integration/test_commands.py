"""The commands as an operator runs them: what they print, where, and how they end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from commands.__main__ import main
from config import Settings


def run(settings: Settings, *arguments: str, **environment: str) -> Result:
    """Run a command with the settings' database."""
    given = {
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        **environment,
    }
    return CliRunner().invoke(main, arguments, env=given, catch_exceptions=False)


def test_help_lists_the_commands(settings: Settings) -> None:
    result = run(settings, "--help")
    assert result.exit_code == 0
    assert "verify" in result.stdout


def test_bad_settings_are_one_line_and_exit_code_2(settings: Settings) -> None:
    result = run(settings, "verify", PORT="none")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "PORT" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_database_is_not_made(settings: Settings, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "trading.db"
    result = run(settings, "verify", DATABASE_URL=f"sqlite:///{missing}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert str(missing) in result.stderr
    assert not missing.exists()


@pytest.mark.parametrize("arguments", [["nothing"], ["verify", "--nothing"]])
def test_what_is_not_known_is_exit_code_2(settings: Settings, arguments: list[str]) -> None:
    assert run(settings, *arguments).exit_code == 2


def test_an_unreachable_database_is_one_line_that_says_why(settings: Settings) -> None:
    result = run(settings, "verify", "--no-engine", DATABASE_URL="postgresql://nobody:hush@127.0.0.1:1/none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(r"Error: The database did not answer: .*127\.0\.0\.1.*Connection refused.*\n", result.stderr)
    assert "hush" not in result.stderr
