"""`python -m tests.chaos`: storms by seed and database, and a table of what was lost, doubled or invented."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from models import Database
from tests import databases
from tests.chaos.mutants import MUTANTS
from tests.chaos.storm import Plan, Result, blow

COLUMNS = ("lost", "duplicated", "ghosts", "phantoms", "unfinished", "differences", "unanswered")


def main() -> int:
    """Run the storms; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--placements", type=int, default=10_000, help="orders placed in each storm")
    parser.add_argument("--kills", type=int, default=50, help="SIGKILLs in each storm, at least")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--paper-only", action="store_true", help="without an exchange and its faults")
    parser.add_argument(
        "--mutant", choices=sorted(MUTANTS), default="", help="a fault planted in the product: the storm must find it"
    )
    parser.add_argument("--json", type=Path, help="write the results there, too")
    options = parser.parse_args()
    urls = [None, *([url] if (url := os.environ.get("TEST_POSTGRESQL_URL")) else [])]
    if len(urls) == 1:
        print("TEST_POSTGRESQL_URL is not set: on SQLite alone", file=sys.stderr)
    results = []
    print(
        f"{'database':<11}{'seed':>5}{'orders':>8}{'live':>7}{'repeats':>8}{'kills':>6}{'s':>6}{'recovery':>9}  "
        + "  ".join(COLUMNS),
        flush=True,
    )
    for url in urls:
        for seed in (int(seed) for seed in options.seeds.split(",")):
            plan = Plan(
                seed,
                options.placements,
                options.kills,
                options.clients,
                live=not options.paper_only,
                mutant=options.mutant,
            )
            with tempfile.TemporaryDirectory(prefix="trading-chaos-") as scratch, _database(url, Path(scratch)) as made:
                results.append(blow(plan, made, Path(scratch)))
            _show(results[-1])
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    return 0 if all(result.findings.is_clean for result in results) else 1


def _show(result: Result) -> None:
    counts = "  ".join(f"{result.findings.counts[name]:>{len(name)}}" for name in COLUMNS)
    kills = sum(result.killed.values())
    print(
        f"{result.database:<11}{result.plan.seed:>5}{result.orders:>8}{result.live_orders:>7}{result.repeats:>8}{kills:>6}"
        f"{result.seconds:>6.0f}{result.findings.recovery:>9.0f}  {counts}   {result.killed}",
        flush=True,
    )
    for words in result.findings.words:
        print(f"    {words}", flush=True)


@contextmanager
def _database(url: str | None, scratch: Path) -> Iterator[Database]:
    with ExitStack() as stack:
        (scratch / "var").mkdir(mode=0o700)
        make = stack.enter_context(databases.postgresql(url) if url else databases.sqlite(scratch))
        database = make(scratch / "var")
        stack.callback(database.close)
        yield database


if __name__ == "__main__":
    sys.exit(main())
