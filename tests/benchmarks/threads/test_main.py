"""The default number of threads beside others: what is done to a process, what is compared, what is called missed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.threads import places
from stc.benchmarks.threads.__main__ import MISSED, lines, main, rows
from stc.benchmarks.threads.measure import ALONE, BOUND, COMPANY, DEFAULT, ONE, QUOTA, VIDEOS, Taken
from stc.cli import run
from stc.errors import InputError
from tests.benchmarks.proven import prove
from tests.runtime import tiny_model


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return prove(tiny_model.write_bundle(tmp_path / "bundle"))


def taken(**seconds: float) -> dict[str, Taken]:
    names = {"default": DEFAULT, "one": ONE, "two": "threads=2", "workers": "workers=2"}
    return {names[name]: Taken(np.full(5, value), np.full(5, 2 * value)) for name, value in seconds.items()}


@pytest.mark.parametrize(
    ("place", "seconds", "judged", "beside", "holds"),
    [
        (BOUND, {"default": 0.0420, "one": 0.0401, "two": 0.03}, DEFAULT, ONE, True),
        (BOUND, {"default": 0.0430, "one": 0.0401, "two": 0.05}, DEFAULT, ONE, False),
        (QUOTA, {"default": 0.0430, "one": 0.0401, "two": 0.05}, DEFAULT, ONE, False),
        (COMPANY, {"default": 0.0430, "one": 0.05, "two": 0.0401}, DEFAULT, "threads=2", True),
        (COMPANY, {"default": 0.0450, "one": 0.05, "two": 0.0401}, DEFAULT, "threads=2", False),
        (VIDEOS, {"default": 0.0400, "workers": 0.03}, "workers=2", DEFAULT, True),
        (VIDEOS, {"default": 0.0400, "workers": 0.0401}, "workers=2", DEFAULT, False),
        (ALONE, {"default": 0.0900, "one": 0.03}, DEFAULT, ONE, None),
    ],
)
def test_the_default_is_held_to_what_the_place_is_for(
    place: str, seconds: dict[str, float], judged: str, beside: str, holds: bool | None
) -> None:
    found = {row.name: row for row in rows(place, taken(**seconds))}
    assert found[judged].beside == beside and found[judged].holds is holds
    assert all(row.holds is None for name, row in found.items() if name != judged)
    assert [row.processor_ms / row.median_ms for row in found.values()] == pytest.approx([2] * len(found))
    assert any("MISSED" in line for line in lines(list(found.values()))) is (holds is False)


def told(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_bound_process_has_one_processor_and_then_its_own_again() -> None:
    last = max(os.sched_getaffinity(0))
    program = (
        "import os; from stc.benchmarks.threads.places import bound; from stc.runtime.processors import processors\n"
        f"with bound({last}): print(processors())\n"
        "print(len(os.sched_getaffinity(0)))"
    )
    assert told(program) == ["1", str(len(os.sched_getaffinity(0)))]
    with pytest.raises(InputError, match=r"processor 4000: .*; this process may use"), places.bound(4000):
        pass


def test_company_computes_and_goes() -> None:
    program = (
        "import os; from pathlib import Path; from stc.benchmarks.threads.places import company\n"
        "children = lambda: Path(f'/proc/self/task/{os.getpid()}/children').read_text().split()\n"
        "with company(): print(len(children()))\n"
        "print(len(children()))"
    )
    assert told(program) == ["1", "0"]


@pytest.mark.parametrize("version", ["cpu", ""])
def test_a_quota_is_written_as_the_version_of_cgroups_has_it(tmp_path: Path, version: str) -> None:
    """In a folder that pretends to be the tree: there its files stay, and so does the group."""
    (tmp_path / version).mkdir(exist_ok=True)
    with places.quota(1.5, tmp_path):
        (group,) = (tmp_path / version).glob("stc-threads-*")
        written = {path.name: path.read_text() for path in group.iterdir()}
    limits = {"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"} if version else {"cpu.max": "150000 100000"}
    assert written == limits | {"cgroup.procs": str(os.getpid())}
    assert (tmp_path / version / "cgroup.procs").read_text() == str(os.getpid()), "out of the group again"


def test_a_machine_that_makes_no_cgroup_is_told_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no cgroup with a quota .*No such file or directory.*it takes root"):
        with places.quota(1, tmp_path / "none"):
            pass


def test_the_command(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "t.json"
    options = ["--rounds", "2", "--videos", "2", "--places", "alone,videos", "--json", str(written)]
    assert run(main, [str(bundle), "--engine", "onnxruntime", *options]) in (0, MISSED)
    shown = capsys.readouterr().out
    assert "processors, load" in shown.splitlines()[0] and "spin" in shown and "workers=" in shown
    content = json.loads(written.read_text())
    assert set(content["seconds"]) == {"alone", "videos"} and len(content["seconds"]["alone"]["default"]) == 2
    assert {row["place"] for row in content["rows"]} == {"alone", "videos"}


@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--videos", "1"], ["--places", "moon"]])
def test_wrong_usage_is_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["model", *wrong]) == 1
    assert wrong[0] in capsys.readouterr().err
