"""`python3 -m scripts.gpu [--dry]`: all steps, each in a process of its own with a limit of time. The first builds
what the others use; else none needs another. What a step says is in its file at once, and then in table.txt.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.gpu.place import EXECUTOR, FOLDER, ROOT

SANITIZERS = {
    "memcheck": "out of bounds",
    "racecheck": "shared memory",
    "synccheck": "barriers",
    "initcheck": "unwritten memory",
}


@dataclass(frozen=True)
class Step:
    """A module here with its options; `seconds` is its limit. under: the program that runs it."""

    name: str
    module: str
    options: tuple[str, ...] = ()
    seconds: int = 280
    under: tuple[str, ...] = ()


def steps(cases: int, dry: bool) -> Iterator[Step]:
    yield Step("build", "build")
    yield Step("kernels", "kernels", ("--cases", str(cases)))
    yield Step("embedded", "embedded")
    yield Step("frame masks", "frame_masks")
    yield Step("times", "times")
    yield Step("runtime", "runtime")
    yield Step("races", "races")
    few = ("--cases", str(min(cases, 1 if dry else 24)))
    for tool in SANITIZERS:  # last: the slowest, and the least sure to be installed
        under = () if dry else ("compute-sanitizer", "--tool", tool, "--error-exitcode", "9")
        yield Step(tool, "kernels", few, 120, under)


def run(step: Step, environment: dict[str, str], file: Path) -> str:
    """pass, FAIL or skip; what it said is in `file`."""
    if step.under and not shutil.which(step.under[0]):
        file.write_text(f"skip  {step.under[0]} is not installed\n")
        return "skip"
    command = [*step.under, sys.executable, "-m", f"scripts.gpu.{step.module}", *step.options]
    with file.open("w") as said:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=said, stderr=said, timeout=step.seconds, check=False
            )
            result = "pass" if done.returncode == 0 else f"FAIL  exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            result = f"FAIL  not done within {step.seconds} s"
    if result != "pass":
        with file.open("a") as said:
            said.write(f"{result}\n")
    return result[:4]


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/gpu_kernels.sh", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="on the host: no GPU, no times")
    parser.add_argument("--cases", type=int, help="random shapes (default: 400; dry: 40)")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER, help="folder of the results (default: out/gpu)")
    options = parser.parse_args()
    if not options.dry and not has_driver():
        print("error: no NVIDIA driver (libcuda.so.1); without a GPU: gpu_kernels.sh --dry", file=sys.stderr)
        return 2
    folder = options.output.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "STC_GPU_FOLDER": str(folder)}
    if options.dry:
        environment |= {"STC_GPU_DRY": "1", "STC_STAND_IN_KERNELS": str(folder / EXECUTOR.name)}
    title = "DRY RUN, NO GPU: compiled PTX executed on a CPU, no times" if options.dry else "kernels on this GPU"
    table = [title]
    worst = 0
    print(title, flush=True)
    for step in steps(options.cases or (40 if options.dry else 400), options.dry):
        file = folder / f"{step.name.replace(' ', '-')}.txt"
        result = run(step, environment, file)
        worst = max(worst, 3 if result == "FAIL" else 0)
        what = f"{step.name}, {SANITIZERS[step.name]}" if step.name in SANITIZERS else step.name
        if options.dry and step.name in SANITIZERS:
            what += " (dry: its command without the checker)"
        rows = [f"{result}  == {what}", *(f"      {line}" for line in file.read_text().splitlines())]
        print("\n".join(rows), flush=True)
        table += rows
        (folder / "table.txt").write_text("\n".join(table) + "\n")
    print(f"all of it: {folder / 'table.txt'}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
