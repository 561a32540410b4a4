"""The ring of log files: bounded, whole lines, several writers."""

import os
import threading
from pathlib import Path

import pytest

from utils import log_files
from utils.log_files import LogFile, Tail, lines, newest


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "FILE_BYTES", 1000)
    monkeypatch.setattr(log_files, "CHECK_SECONDS", 0.0)


def test_the_newest_line_comes_first_over_all_files(tmp_path: Path) -> None:
    file = LogFile(tmp_path)
    for number in range(300):
        file.write(b"line %03d\n" % number)
    assert list(lines(tmp_path, 0))[:299] == [b"line %03d" % number for number in range(299, 0, -1)]
    assert (tmp_path / "log.2.jsonl").exists()


def test_the_ring_is_bounded_and_closed_to_others(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "logs")
    for _ in range(2000):
        file.write(b"a line of twenty-odd bytes\n")
    kept = sorted((tmp_path / "logs").glob("*.jsonl"))
    assert len(kept) == log_files.FILES
    assert sum(each.stat().st_size for each in kept) < log_files.FILES * 1100
    assert {each.stat().st_mode & 0o777 for each in kept} == {0o600}
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700


def test_a_file_is_put_aside_in_time_by_what_its_process_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "CHECK_SECONDS", 3600.0)
    file = LogFile(tmp_path)
    for _ in range(200):
        file.write(b"a line of twenty-odd bytes\n")
    assert max(each.stat().st_size for each in tmp_path.glob("*.jsonl")) < 1100


def test_writers_at_once_lose_and_mix_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "FILE_BYTES", 8000)  # all lines fit into the ring
    files = [LogFile(tmp_path) for _ in range(2)]  # as of two processes

    def write(writer: int) -> None:
        for number in range(200):
            files[writer % 2].write(b"%d %03d %s\n" % (writer, number, b"x" * 20))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    expected = {b"%d %03d %s" % (writer, number, b"x" * 20) for writer in range(4) for number in range(200)}
    found = list(lines(tmp_path, 0))
    assert len(found) == len(expected)
    assert set(found) == expected


def test_a_process_goes_on_in_the_file_that_another_one_began(tmp_path: Path) -> None:
    one, other = LogFile(tmp_path), LogFile(tmp_path)
    one.write(b"first\n")
    other.write(b"x" * 1000 + b"\n")
    other.write(b"second\n")
    one.write(b"third\n")
    assert newest(tmp_path).read_bytes() == b"second\nthird\n"


def test_files_that_are_deleted_by_hand_come_back(tmp_path: Path) -> None:
    file = LogFile(tmp_path)
    file.write(b"first\n")
    newest(tmp_path).unlink()
    file.write(b"second\n")
    assert list(lines(tmp_path, 0)) == [b"second"]


def test_a_tail_reads_what_follows_over_all_files(tmp_path: Path) -> None:
    file = LogFile(tmp_path)
    file.write(b"before\n")
    tail = Tail(tmp_path)
    found: list[bytes] = []
    for number in range(300):
        file.write(b"line %03d\n" % number)
        if number % 150 == 0:  # a file holds 111 lines, so that one begins and ends unseen
            found += tail.read()
    found += tail.read()
    assert found == [b"line %03d" % number for number in range(300)]
    assert len(tail._files) == 1
    tail.close()


def test_a_tail_waits_for_the_end_of_a_line_and_reads_so_much_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "TAIL_BYTES", 10)
    tail = Tail(tmp_path)  # nothing was written yet
    assert tail.read() == []
    with newest(tmp_path).open("ab", buffering=0) as file:
        file.write(b"12345\n12")
        assert tail.read() == [b"12345"]
        file.write(b"3\n")
        assert tail.read() == [b"123"]
        file.write(b"1234567890\n1234567890\n")
        assert [tail.read() for _ in range(3)] == [[], [b"1234567890"], [b"1234567890"]]


def test_a_tail_reads_on_in_a_file_that_was_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "CHECK_SECONDS", 100.0)  # the other process does not look for long
    one, other = LogFile(tmp_path), LogFile(tmp_path)
    tail = Tail(tmp_path)
    other.write(b"early\n")
    one.write(b"x" * 1000 + b"\n")
    one.write(b"new\n")
    assert [len(line) for line in tail.read()] == [5, 1000, 3]
    descriptor = os.open(tmp_path / "log.1.jsonl", os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b"late\n")
    os.close(descriptor)
    assert tail.read() == [b"late"]
