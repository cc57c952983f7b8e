"""How long a user waits before anything happens: `python -m stc.benchmarks.startup`.

Each line is the wall time of a fresh Python process, less that of an empty one, over several runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter

from stc.cli import Parser, command

RUNS = 7
PROGRAMS = {
    "import stc.runtime": "import stc.runtime",
    "stc-export --help": "from stc.export.main import main; main(['--help'])",
    "stc-track --help": "from stc.runtime.track.main import main; main(['--help'])",
    "stc-bench --help": "from stc.benchmarks.main import main; main(['--help'])",
    "stc-eval --help": "from stc.benchmarks.evaluation.main import main; main(['--help'])",
    "stc-train --help": "from stc.training.main import main; main(['--help'])",
}


def seconds(program: str) -> float:
    """Wall time of one process that runs `program`."""
    start = perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main(argv: Sequence[str]) -> int:
    Parser(prog="python -m stc.benchmarks.startup", description=__doc__).parse_args(argv)
    empty = statistics.median(seconds("pass") for _ in range(RUNS))
    print(f"{'an empty Python process':24s} {empty * 1e3:6.0f} ms")
    for name, program in PROGRAMS.items():
        times = [seconds(program) - empty for _ in range(RUNS)]
        print(f"{name:24s} {statistics.median(times) * 1e3:6.0f} ms  (worst of {RUNS}: {max(times) * 1e3:.0f} ms)")
    return 0


if __name__ == "__main__":
    command(main)()
