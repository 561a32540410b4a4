"""`python -m tests.cup --participants 200`: play a tournament, and say whether all that came of it is right."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests import databases
from tests.cup.cup import Plan, play


def main() -> int:
    """Play one; 0 when everything is as the recomputation has it."""
    parser = argparse.ArgumentParser(prog="python -m tests.cup", description=__doc__)
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0, help="from start to end")
    parser.add_argument("--kills", type=int, default=5, help="SIGKILLs of whoever closes, settles and tells")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    url = os.environ.get("TEST_DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="trading-cup-") as scratch:
        directory = Path(scratch)
        (directory / "var").mkdir(mode=0o700)
        with databases.postgresql(url) if url else databases.sqlite(directory) as make:
            database = make(directory / "var")
            played = play(Plan(options.participants, options.seconds, options.kills, options.seed), database, directory)
            faults = played.faults(database)
            database.close()
    lines = [
        f"participants {len(played.own)}, orders {played.orders}, refused {dict(played.refusals)}",
        f"trades {sum(map(len, played.trades.values()))}, killed {played.killed}",
        f"seconds {played.seconds}",
        f"prizes {[(prize['rank'], prize['amount']) for prize in played.prizes]}",
        *(faults or ["balances, ranking and prizes are as recomputed from trades"]),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
