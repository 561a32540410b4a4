"""Run a loopback exchange as a process of its own until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

from tests.exchanges.protocol import Permission

if TYPE_CHECKING:
    from tests.exchanges.server import Loopback


def main(exchange_class: type[Loopback]) -> None:
    """Start the exchange of this class, print its URL and wait for SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=f"A stand-in for {exchange_class.name} on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--key", help="an API key of the account `main` that may read and trade")
    parser.add_argument("--secret", default="")
    parser.add_argument("--passphrase", default="", help="KuCoin only")
    parser.add_argument("--deposit", action="append", default=[], metavar="CURRENCY=AMOUNT", help="for `main`")
    parser.add_argument("--seed", type=int, default=0, help="of the draws by which faults strike")
    parser.add_argument(
        "--futures-deposit", action="append", default=[], metavar="USDT=AMOUNT", help="for `main`; Binance only"
    )
    chosen = parser.parse_args()
    # Blocked before the exchange's thread starts, so that no thread dies of it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with exchange_class(port=chosen.port, seed=chosen.seed) as exchange:
        permissions: list[Permission] = ["read", "trade"]
        if chosen.futures_deposit:
            exchange.open_futures(chosen.futures_deposit)
            permissions.append("futures")
        if chosen.key:
            exchange.add_key(chosen.key, chosen.secret, chosen.passphrase, permissions=permissions)
        for deposit in chosen.deposit:
            currency, _, amount = deposit.partition("=")
            exchange.book.deposit("main", currency, amount)
        sys.stdout.write(f"{exchange.url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
