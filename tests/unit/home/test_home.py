"""The home of the bot: made valid on first use, left as it is afterwards, changed whole or not at all."""

from __future__ import annotations

import json
import stat
import threading
import time
from pathlib import Path

import pytest

from config import Settings
from utils.errors import Conflict, Overloaded, StorageUnavailable
from utils.home import Home, files


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "octobot")
    made.prepare()
    return made


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def contents(root: Path) -> dict[str, bytes]:
    return {str(each.relative_to(root)): each.read_bytes() for each in root.rglob("*") if each.is_file()}


def test_the_home_is_in_the_data_directory_unless_it_is_chosen(tmp_path: Path) -> None:
    assert Settings.from_env({"DATA_DIR": str(tmp_path)}).octobot_home == tmp_path / "octobot"
    chosen = Settings.from_env({"DATA_DIR": str(tmp_path), "OCTOBOT_HOME": str(tmp_path / "bot")})
    assert chosen.octobot_home == tmp_path / "bot"


def test_a_new_home_trades_on_paper_on_the_demo_exchange_and_tells_nobody(home: Home) -> None:
    config, profile = home.config(), home.profile()
    assert config["profile"] == profile.id == "default"
    assert config["metrics"] == {"enabled": False}
    assert not any(config["notification"].values())
    assert profile.config["trader"]["enabled"] is False
    assert profile.config["trader-simulator"]["enabled"] is True
    assert profile.config["exchanges"] == {"demo": {"enabled": True, "exchange-type": "spot"}}
    assert home.tentacles_folder.is_dir()


def test_nobody_else_may_read_it(home: Home) -> None:
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    written = [path for path in home.root.rglob("*.json") if path.is_file()]
    assert len(written) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(home.config_file, {"profile": "mine", "exchanges": {}, "mark": 1})
    write(home.profiles_folder / "some_folder" / "profile.json", {"profile": {"id": "mine"}, "config": {}})
    before = contents(tmp_path)
    home.prepare()
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {files.LOCK}
    assert home.profile().folder.name == "some_folder"


def test_a_damaged_home_is_left_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READ_SECONDS", 0.0)
    home = Home(tmp_path)
    write(home.config_file, "{no json")
    write(home.profiles_folder / "default" / "profile.json", "[]")
    before = contents(tmp_path)
    home.prepare()
    assert before.items() <= contents(tmp_path).items()
    with pytest.raises(Conflict) as unreadable:
        home.config()
    assert unreadable.value.code == "home_unreadable"
    write(home.config_file, {})
    with pytest.raises(Conflict) as none:
        home.profile()
    assert none.value.code == "no_profile"


def test_a_profile_that_is_gone_is_replaced_by_the_default_one(home: Home) -> None:
    write(home.config_file, {**home.config(), "profile": "gone"})
    assert home.profile().id == "default"


def test_a_file_that_is_being_written_is_read_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """OctoBot writes its files in place."""
    whole = home.config_file.read_text()
    home.config_file.write_text(whole[:20])
    monkeypatch.setattr(time, "sleep", lambda _seconds: home.config_file.write_text(whole))
    assert home.config()["profile"] == "default"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", range(4))
def test_a_change_of_several_files_is_whole_or_not_there_wherever_it_is_killed(
    home: Home, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    one, two, gone = home.root / "one.json", home.root / "two.json", home.root / "gone.json"
    with home.locked():
        home.write({one: {"v": 1}, two: {"v": 1}, gone: {"v": 1}})
    left = [after]
    rename, remove = Path.replace, Path.unlink

    def replace(path: Path, target: Path) -> Path:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return rename(path, target)

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        remove(path, missing_ok)

    with monkeypatch.context() as patched, pytest.raises(Killed), home.locked():
        patched.setattr(Path, "replace", replace)
        patched.setattr(Path, "unlink", unlink)
        home.write({one: {"v": 2}, two: {"v": 2}, gone: None})
    home.prepare()
    whole = after > 0
    assert json.loads(one.read_text()) == json.loads(two.read_text()) == {"v": 2 if whole else 1}
    assert gone.exists() is not whole
    assert not (home.root / files.JOURNAL).exists()


def test_changes_do_not_lose_one_another(home: Home) -> None:
    def count() -> None:
        for _ in range(10):
            with home.locked():
                config = home.config()
                home.write({home.config_file: {**config, "count": config.get("count", 0) + 1}})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert home.config()["count"] == 40


def test_whoever_waits_too_long_is_told(home: Home) -> None:
    with home.locked(), pytest.raises(Overloaded) as busy, files.locked(home.root, timeout=0.05):
        pass
    assert busy.value.code == "home_busy"


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_a_home_that_cannot_be_made_is_said_to_be(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable) as refused:
        Home(tmp_path / root).prepare()
    assert refused.value.code == "home_unwritable"
