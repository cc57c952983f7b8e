"""Fuzzing of whatever reads what strangers wrote: seeded mutations, each case bounded in time and memory, all counted.

A kind of input is a module `fuzz_KIND.py` anywhere under tests, with a function

    def cases(folder: Path) -> Callable[[random.Random], object]

that prepares once (imports, valid inputs, a server) and returns what makes one mutated input and hands it to the
product: it returns where the input was accepted and raises StcError where it was refused. Everything else is a fault:
another exception, a StcError that hides a MemoryError or fills the screen, a signal that ends the process, or more than
`SECONDS` of time. The work is done in a child process, so that a crash is counted and not suffered.

    python -m tests.fuzzing --cases 12000              every kind, and a line of counts each
    python -m tests.fuzzing onnx --first 117 --cases 1     one case again
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stc.errors import StcError

ROOT = Path(__file__).parents[1]
CASES = int(os.environ.get("STC_FUZZ", "200"))  # of each kind
SEED = 20261128
SECONDS = 30.0  # for one case, on a machine that has other work; a kind may say its own, and of MEMORY too
MEMORY = 3 << 30  # bytes of address space beyond what the preparation took
LONGEST = 20_000  # letters of a message


@dataclass
class Outcome:
    kind: str
    counts: Counter[str] = field(default_factory=Counter)  # "refused", "accepted", "tracebacks", "hangs", "crashes"
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        words = ("refused", "accepted", "tracebacks", "hangs", "crashes")
        counted = ", ".join(f"{self.counts[word]} {word}" for word in words)
        return f"{self.kind}: {self.counts.total()} cases, {counted}"


def kinds() -> dict[str, Path]:
    """Every `fuzz_KIND.py` under tests, by KIND."""
    found = {path.stem.removeprefix("fuzz_"): path for path in ROOT.glob("tests/**/fuzz_*.py")}
    return dict(sorted(found.items()))


def run(path: Path, cases: int = CASES, seed: int = SEED, first: int = 0) -> Outcome:
    """Cases `first` to `first + cases` of the kind at `path`. Raises RuntimeError when it cannot be prepared."""
    outcome = Outcome(path.stem.removeprefix("fuzz_"))
    done = first
    while done < first + cases:
        span = [str(number) for number in (seed, done, first + cases)]
        command = [sys.executable, "-m", "tests.fuzzing", "--child", str(path), *span]
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
            child = subprocess.run(command, stdout=subprocess.PIPE, stderr=said, check=False, cwd=ROOT,
                                   env={**os.environ, "STC_FUZZ_FOLDER": folder})  # fmt: skip
            said.seek(0)
            tail = said.read()[-2000:]
        ready, *lines = child.stdout.splitlines() or [b""]
        if child.returncode > 0 or not ready:
            raise RuntimeError(f"{path.name} cannot be run: {tail}")
        for line in lines:
            index, word, detail = json.loads(line)
            outcome.counts[word] += 1
            if detail:
                outcome.failures.append(f"{outcome.kind} case {index}: {detail}")
            done = index + 1
        if child.returncode:  # a signal: it died of case number `done`
            word = "hangs" if child.returncode == -signal.SIGALRM else "crashes"
            outcome.counts[word] += 1
            name = signal.Signals(-child.returncode).name
            outcome.failures.append(f"{outcome.kind} case {done}: {word}, {name}\n{tail}")
            done += 1
    return outcome


def work(path: Path, seed: int, first: int, end: int) -> None:
    """What a child does: says "ready", then for each case, as JSON, its number, what became of it, what was wrong."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is not an answer
    folder = Path(os.environ["STC_FUZZ_FOLDER"])
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    case: Callable[[random.Random], object] = module.cases(folder)
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = status("VmSize") + getattr(module, "MEMORY", MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    answers.write("ready\n")
    for index in range(first, end):
        signal.setitimer(signal.ITIMER_REAL, getattr(module, "SECONDS", SECONDS))
        word, detail = _tried(case, random.Random(f"{seed}-{index}"))
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps((index, word, detail)) + "\n")


def _tried(case: Callable[[random.Random], object], r: random.Random) -> tuple[str, str]:
    try:
        case(r)
    except StcError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError):
                return "tracebacks", f"asked for too much memory: {traceback.format_exc()[-2000:]}"
            cause = cause.__cause__
        if len(str(error)) > LONGEST:
            return "tracebacks", f"a message of {len(str(error))} letters: {str(error)[:200]}"
        return "refused", ""
    except BaseException:
        return "tracebacks", traceback.format_exc()[-3000:]
    return "accepted", ""


def status(key: str) -> int:
    """Bytes of this process's memory, from /proc: "VmSize", "VmRSS", "VmHWM"."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    raise KeyError(key)


def main(argv: Sequence[str]) -> int:
    if argv[:1] == ["--child"]:
        path, *numbers = argv[1:]
        work(Path(path), *map(int, numbers))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="*", help=f"default: all ({', '.join(kinds())})")
    parser.add_argument("--cases", type=int, default=CASES, help="of each kind (default: STC_FUZZ, else 200)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    arguments = parser.parse_args(argv)
    total, failures = 0, 0
    for kind in arguments.kind or kinds():
        outcome = run(kinds()[kind], arguments.cases, arguments.seed, arguments.first)
        sys.stdout.write("\n".join((str(outcome), *outcome.failures[:20])) + "\n")
        sys.stdout.flush()
        total += outcome.counts.total()
        failures += len(outcome.failures)
    sys.stdout.write(f"{total} cases, {failures} failures\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
