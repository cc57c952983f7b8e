"""Feeds mutated weight files to the reader: `python -m tests.model.checkpoint.fuzz --files 20000`.

Each file must end in a state dictionary or a typed error, within 2 s of processor time and 256 MiB of memory. The work
is done in a child process with a limit on its memory, so that a crash is counted and not suffered.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.model.checkpoint.mutations import MARK, mutated

ROOT = Path(__file__).parents[3]
SECONDS = 2.0
MEMORY = 256 << 20  # beyond what the imports took
ADDRESSES = 1 << 30  # the same, of address space
LOADED_EVERY = 10  # building the network takes longer than reading: only every tenth file goes through `load` as well


@dataclass
class Outcome:
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def run(files: int, seed: int) -> Outcome:
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        done = 0
        while done < files:
            options = ["--files", str(files), "--seed", str(seed), "--from", str(done), "--child", folder]
            command = [sys.executable, "-m", "tests.model.checkpoint.fuzz", *options]
            child = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            lines = [json.loads(line) for line in child.stdout.splitlines()]
            for index, kind, detail in lines:
                outcome.counts[kind] += 1
                if detail:
                    outcome.failures.append(f"file {index}: {detail}")
            done += len(lines)
            if child.returncode > 0:
                raise RuntimeError(child.stderr)
            if child.returncode:  # a signal: it died of file number `done`
                outcome.counts["crashed"] += 1
                outcome.failures.append(f"file {done}: {signal.Signals(-child.returncode).name}")
                done += 1
        if (Path(folder) / MARK).exists():
            outcome.failures.append("a pickle ran code")
    return outcome


def work(start: int, files: int, seed: int, folder: Path) -> None:
    """One line of JSON per file: its number, what became of it, and what was wrong."""
    from stc.model.checkpoint import load  # noqa: F401 - all imports before the limits

    mutated(seed, 0)
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + ADDRESSES,) * 2)
    before = _status("VmHWM")
    for index in range(start, files):
        suffix, content = mutated(seed, index)
        path = folder / f"weights{suffix}"
        path.write_bytes(content)
        peak = max(before, _status("VmHWM"))  # making the file may take memory of its own
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # SIGPROF ends the process
        kind, detail = _read(path, index % LOADED_EVERY == 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if (taken := _status("VmHWM") - peak) > MEMORY:
            kind, detail = "memory", f"took {taken >> 20} MiB"
        if (folder / MARK).exists():
            kind, detail = "code", "ran code"
        sys.stdout.write(json.dumps((index, kind, detail)) + "\n")
        sys.stdout.flush()


def _read(path: Path, loaded: bool) -> tuple[str, str]:
    from stc.errors import StcError
    from stc.model.checkpoint import files, load

    try:
        files.read(path)
        if loaded:
            load(path)
    except StcError as error:
        cause = error.__cause__
        if isinstance(cause, MemoryError) or "alloc" in str(cause):
            return "memory", f"asked for too much: {traceback.format_exc()[-1500:]}"
        if len(str(error)) > 20_000:
            return "text", f"an error of {len(str(error))} letters"
        return f"refused {path.suffix}", ""
    except BaseException:
        return "untyped", traceback.format_exc()
    return f"read {path.suffix}", ""


def _status(key: str) -> int:
    """Bytes, from /proc."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    raise KeyError(key)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", type=int, default=0, dest="start")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        work(arguments.start, arguments.files, arguments.seed, arguments.child)
        return 0
    outcome = run(arguments.files, arguments.seed)
    for kind, count in sorted(outcome.counts.items()):
        sys.stdout.write(f"{count:8} {kind}\n")
    for failure in outcome.failures[:50]:
        sys.stdout.write(f"{failure}\n")
    sys.stdout.write(f"{len(outcome.failures)} failures\n")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
