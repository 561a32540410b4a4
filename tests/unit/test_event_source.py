"""Browsers' `EventSource` is told to wait where it would give up."""

from __future__ import annotations

import pytest

from streaming.answers import Answer
from utils.errors import Forbidden, Overloaded, StreamerUnavailable, TooMany, TradingError, Unauthenticated
from utils.event_source import wait_instead

BROWSER = "text/event-stream"


@pytest.mark.parametrize("accept", [BROWSER, "text/html, TEXT/Event-Stream;q=0.9"])
def test_it_comes_back_when_what_is_missing_may_be_there_again(accept: str) -> None:
    waits = {wait_instead(Overloaded("full", retry_after=2), accept) for _ in range(50)}
    milliseconds = sorted(int((wait or b"").removeprefix(b"retry: ").removesuffix(b"\n\n")) for wait in waits)
    assert 2000 <= milliseconds[0] < milliseconds[-1] <= 4000


@pytest.mark.parametrize("error", [Unauthenticated("who"), Forbidden("no"), TooMany("enough", retry_after=5)])
def test_what_waiting_does_not_mend_is_told(error: TradingError) -> None:
    assert wait_instead(error, BROWSER) is None


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/json"])
def test_others_are_told_why(accept: str | None) -> None:
    assert wait_instead(StreamerUnavailable("away"), accept) is None


def test_both_are_whole_answers() -> None:
    error = StreamerUnavailable("away", retry_after=1)
    browser = Answer(path="/", request_id="r", origin="https://app.example", accept=BROWSER).problem(error)
    other = Answer(path="/", request_id="r", origin=None).problem(error)
    assert browser.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream")
    assert b"\r\nAccess-Control-Allow-Origin: https://app.example\r\n" in browser
    assert other.startswith(b"HTTP/1.1 503 ")
