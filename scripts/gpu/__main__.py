"""`python3 -m scripts.gpu [--dry]`: all steps, each in a process of its own with a limit of time. The first builds
what the others use; else none needs another. What a step says is in its file at once, and then in table.txt.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scripts.gpu.place import EXECUTOR, FOLDER, ROOT
from stc.cli import Parser, run
from stc.errors import IncompatibleError, InputError

TABLE = "table.txt"

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
    yield Step("resident", "resident")
    yield Step("times", "times")
    yield Step("runtime", "runtime")
    yield Step("races", "races")
    few = ("--cases", str(min(cases, 1 if dry else 24)))
    for tool in SANITIZERS:  # last: the slowest, and the least sure to be installed
        under = () if dry else ("compute-sanitizer", "--tool", tool, "--error-exitcode", "9")
        yield Step(tool, "kernels", few, 120, under)


def run_step(step: Step, environment: dict[str, str], file: Path) -> str:
    """pass, FAIL or skip; what it said is in `file`."""
    if step.under and not shutil.which(step.under[0]):
        file.write_text(f"skip  {step.under[0]} is not installed\n")
        return "skip"
    command = [*step.under, sys.executable, "-m", f"scripts.gpu.{step.module}", *step.options]
    with file.open("w") as said:
        # A session of its own, so that what a checker started ends with it.
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True
        ) as child:
            try:
                code = child.wait(step.seconds)
                result = "pass" if code == 0 else f"FAIL  exit code {code}"
            except subprocess.TimeoutExpired:
                result = f"FAIL  not done within {step.seconds} s"
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
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


def results_folder(path: Path) -> Path:
    """Empty, or an earlier run's. Raises InputError for another: its files are not ours to write over."""
    folder = Path(os.environ.get("STC_CALLED_FROM", ".")).absolute() / path
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / TABLE).is_file():
        raise InputError(f"{path}: holds files that are no results of gpu_kernels.sh; name an empty folder: -o FOLDER")
    return folder


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="scripts/gpu_kernels.sh", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="on the host: no GPU, no times")
    parser.add_argument("--cases", type=int, help="random shapes (default: 400; dry: 40)")
    parser.add_argument(
        "-o", "--output", type=Path, default=FOLDER, help="folder of the results (default: out/gpu-kernels)"
    )
    options = parser.parse_args(argv)
    cases = (40 if options.dry else 400) if options.cases is None else options.cases
    if cases < 1:
        raise InputError(f"--cases: at least 1; got {cases}")
    if not options.dry and not has_driver():
        raise IncompatibleError("no NVIDIA driver (libcuda.so.1); without a GPU: bash scripts/gpu_kernels.sh --dry")
    folder = results_folder(options.output)
    environment = {**os.environ, "STC_GPU_FOLDER": str(folder), "STC_GPU_DRY": str(int(options.dry))}
    environment["STC_STAND_IN_KERNELS"] = str(folder / EXECUTOR.name)
    table = ["DRY RUN, NO GPU: compiled PTX executed on a CPU, no times" if options.dry else "kernels on this GPU"]
    worst = 0
    print(table[0], flush=True)
    (folder / TABLE).write_text(f"{table[0]}\n")
    for step in steps(cases, options.dry):
        file = folder / f"{step.name.replace(' ', '-')}.txt"
        result = run_step(step, environment, file)
        worst = max(worst, 3 if result == "FAIL" else 0)
        what = f"{step.name}, {SANITIZERS[step.name]}" if step.name in SANITIZERS else step.name
        if options.dry and step.name in SANITIZERS:
            what += " (dry: its command without the checker)"
        rows = [
            f"{result}  == {what}",
            *(f"      {line}" for line in file.read_text(encoding="utf-8", errors="replace").splitlines()),
        ]
        print("\n".join(rows), flush=True)
        table += rows
        (folder / TABLE).write_text("\n".join(table) + "\n")
    print(f"all of it: {folder / TABLE}")
    return worst


if __name__ == "__main__":
    sys.exit(run(main))
