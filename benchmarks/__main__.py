"""Run every `benchmarks/bench_*.py`: tables on the screen, JSON in `benchmarks/results`.

`python -m benchmarks [name …]` runs those whose name contains one of the words. Each has a `main()` that returns a
`Report`.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from benchmarks.report import Report, machine

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def main(words: list[str]) -> int:
    """Run what was asked for; return 1 when a benchmark fails, not when a figure is bad."""
    names = [path.stem for path in sorted(HERE.glob("bench_*.py"))]
    chosen = [name for name in names if not words or any(word in name for word in words)]
    if not chosen:
        print(f"No benchmark matches {' '.join(words)}; there are: {', '.join(names)}", file=sys.stderr)
        return 1
    RESULTS.mkdir(exist_ok=True)
    failed = []
    for name in chosen:
        began = time.monotonic()
        try:
            report: Report = importlib.import_module(f"benchmarks.{name}").main()
        except Exception as error:  # the others shall run all the same
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            failed.append(name)
            continue
        print(report.table(), f"({time.monotonic() - began:.0f} s)\n", flush=True)
        result = {"benchmark": name, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine()}
        path = RESULTS / f"{name.removeprefix('bench_')}.json"
        path.write_text(json.dumps({**result, **report.builtins()}, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
