"""A socket whose writer does not wait for its reader."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from supervisor import patient_socket
from supervisor.patient_socket import PatientSocket

Pair = tuple[PatientSocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    plain, reader = socket.socketpair()
    reader.settimeout(30)
    with closing(PatientSocket.of(plain)) as writer, closing(reader):
        yield writer, reader


def read(reader: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        received += reader.recv(65_536)
    return bytes(received)


def test_what_fits_is_sent_at_once(pair: Pair) -> None:
    writer, reader = pair
    writer.sendall(b"one")
    writer.sendall(memoryview(b"two"))
    assert (read(reader, 6), bytes(writer.kept)) == (b"onetwo", b"")


def test_the_rest_is_kept_in_order_and_sent_when_there_is_room(pair: Pair) -> None:
    writer, reader = pair
    pieces = [os.urandom(300_000) for _ in range(5)]
    for piece in pieces:
        writer.sendall(piece)  # nobody reads
    assert writer.kept
    assert not writer.send_kept()
    whole = bytearray()
    while not writer.send_kept():
        whole += reader.recv(65_536)
    whole += read(reader, sum(map(len, pieces)) - len(whole))
    assert bytes(whole) == b"".join(pieces)


def test_a_long_answer_waits_for_its_reader(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_socket, "MOST_KEPT", 10_000)
    writer, reader = pair
    content = os.urandom(2_000_000)
    received: list[bytes] = []
    thread = threading.Thread(target=lambda: received.append(read(reader, len(content))))
    thread.start()
    for start in range(0, len(content), 50_000):
        writer.sendall(content[start : start + 50_000])
        assert len(writer.kept) <= 10_000
    while not writer.send_kept():
        pass
    thread.join(30)
    assert received == [content]


@pytest.mark.parametrize("limit", ["SEND_SECONDS", "ANSWER_SECONDS"])
def test_a_long_answer_waits_for_so_long_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(patient_socket, "MOST_KEPT", 10_000)
    monkeypatch.setattr(patient_socket, limit, 0.0)
    with pytest.raises(TimeoutError):
        pair[0].sendall(bytes(2_000_000))


def test_a_reader_who_has_left_is_an_error(pair: Pair) -> None:
    writer, reader = pair
    writer.sendall(bytes(2_000_000))
    reader.close()
    with pytest.raises(OSError, match=r"pipe|reset"):
        writer.send_kept()
