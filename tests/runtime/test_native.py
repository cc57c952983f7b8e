"""The native library: found or missing with a reason, and the instruction set that it chooses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stc.runtime import native
from stc.runtime.native import Library, Missing, find

ROOT = Path(__file__).parents[2]
SETS = ("avx512", "avx2", "portable")  # the better ones first


def kernels(asked: str) -> str:
    """What a fresh process chooses with STC_CPU=`asked`."""
    code = "from stc.runtime.native import find; print(find().kernels)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"STC_CPU": asked}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_library_is_built_and_uses_the_cores_of_this_process() -> None:
    library = find()
    assert isinstance(library, Library), library
    assert library.kernels in SETS
    assert library.threads == len(os.sched_getaffinity(0))
    assert library.with_threads(3).threads == 3 and library.with_threads(None).threads == library.threads


@pytest.mark.parametrize("asked", SETS)
def test_stc_cpu_rules_out_better_instruction_sets(asked: str) -> None:
    best = SETS.index(kernels(""))
    assert kernels(asked) == SETS[max(best, SETS.index(asked))]


@pytest.mark.slow
@pytest.mark.parametrize("asked", SETS)
def test_every_instruction_set_passes_the_tests_of_the_op_and_of_the_masks(asked: str) -> None:
    if kernels(asked) != asked:
        pytest.skip(f"not executed: this machine has no {asked}")
    files = ("test_native_mask_head.py", "test_native_masks.py", "test_masks.py")
    command = [sys.executable, "-m", "pytest", "-m", "not slow", *(f"tests/runtime/{name}" for name in files)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"STC_CPU": asked}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "was not built when stc was installed; with a C++ compiler: pip install"),
        (b"no library", "does not load"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_missing_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "libstc_cpu.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(native, "FILE", path)
    found = find.__wrapped__()
    assert isinstance(found, Missing)
    assert reason in found.reason


def test_a_library_of_another_version_is_missing_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "ABI", 99)
    found = find.__wrapped__()
    assert isinstance(found, Missing) and "needs 99; reinstall stc-trt" in found.reason
