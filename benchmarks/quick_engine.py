"""An engine that answers at once, behind the real socket: what is measured with it is the way there and back.

`python -m benchmarks.quick_engine SOCKET` runs it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import uvloop

from benchmarks.servers import ROOT
from engine.server import Server
from utils import clock
from utils.errors import EngineUnavailable
from utils.ids import new_id
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from utils.wire import GetOpenOrders, Order, PlaceOrder

START_SECONDS = 30.0


@contextmanager
def quick_engine(socket: Path) -> Iterator[OctoBotBridge]:
    """Run it on `socket` and return the bridge to it.

    :raises RuntimeError: when it does not answer.
    """
    socket.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.quick_engine", str(socket)], cwd=ROOT)
    try:
        bridge = OctoBotBridge(UnixTransport(socket))
        began = time.monotonic()
        while not _answers(bridge):
            if process.poll() is not None or time.monotonic() - began > START_SECONDS:
                raise RuntimeError("the quick engine does not answer")
            time.sleep(0.05)
        yield bridge
    finally:
        process.terminate()
        process.wait()


def _answers(bridge: OctoBotBridge) -> bool:
    try:
        return bridge.open_orders("") == []
    except EngineUnavailable:
        return False


async def _place(command: PlaceOrder) -> Order:
    ticket, now, order_id = command.ticket, clock.now(), new_id()
    return Order(
        id=order_id,
        client_order_id=ticket.client_order_id or order_id,
        account=command.account,
        mode="paper",
        exchange="demo",
        symbol=ticket.symbol,
        side=ticket.side,
        type=ticket.type,
        status="accepted",
        amount=ticket.amount or Decimal(0),
        filled=Decimal(0),
        remaining=ticket.amount or Decimal(0),
        price=ticket.price,
        stop_price=ticket.stop_price,
        trailing_percent=ticket.trailing_percent,
        average=None,
        cost=Decimal(0),
        fee=None,
        time_in_force=ticket.time_in_force,
        reduce_only=ticket.reduce_only,
        group_id=None,
        triggered_at=None,
        reject_code=None,
        created_at=now,
        updated_at=now,
    )


async def _nothing(_query: GetOpenOrders) -> list[Order]:
    return []


async def _serve(socket: Path) -> None:
    await Server({PlaceOrder: _place, GetOpenOrders: _nothing}, {}).start(socket)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1])))
