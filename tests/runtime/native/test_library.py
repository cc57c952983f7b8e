"""The native library: found or missing with a reason, and the instruction set that it chooses."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stc.errors import InputError, Missing
from stc.runtime.native import interface
from stc.runtime.native import library as native
from stc.runtime.native.library import Library, find
from stc.runtime.processors import processors

ROOT = Path(__file__).parents[3]
SETS = ("avx512", "avx2", "portable")  # the better ones first


def kernels(asked: str) -> str:
    """What a fresh process chooses with STC_CPU=`asked`."""
    code = "from stc.runtime.native.library import find; print(find().kernels)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"STC_CPU": asked}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_library_is_built_and_uses_the_cores_of_this_process() -> None:
    library = find()
    assert isinstance(library, Library), library
    assert library.kernels in SETS
    assert library.threads == processors() <= len(os.sched_getaffinity(0))
    assert library.with_threads(3).threads == 3 and library.with_threads(None).threads == library.threads


@pytest.mark.parametrize("asked", SETS)
def test_stc_cpu_rules_out_better_instruction_sets(asked: str) -> None:
    best = SETS.index(kernels(""))
    assert kernels(asked) == SETS[max(best, SETS.index(asked))]


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux")
def test_the_best_instruction_set_that_the_system_names_is_taken() -> None:
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    needed = {
        "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
        "avx2": {"avx2", "fma", "f16c"},
        "portable": set(),
    }
    assert kernels("") == next(name for name in SETS if needed[name] <= flags)


@pytest.mark.slow
@pytest.mark.parametrize("asked", SETS)
def test_every_instruction_set_passes_the_tests_of_the_op_and_of_the_masks(asked: str) -> None:
    if kernels(asked) != asked:
        pytest.skip(f"not executed: this machine has no {asked}")
    files = ("native/test_mask_head.py", "native/test_resize.py", "native/test_opencv_rules.py", "masks")
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
    monkeypatch.setattr(interface, "ABI", 99)
    found = find.__wrapped__()
    assert isinstance(found, Missing) and "needs 99; reinstall stc-trt" in found.reason


def test_structs_of_another_size_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = type("Longer", (interface.FrameMasks,), {"_fields_": [("more", ctypes.c_int64)]})
    monkeypatch.setattr(interface, "STRUCTS", (interface.Op, longer, *interface.STRUCTS[2:]))
    found = find.__wrapped__()
    assert isinstance(found, Missing) and "structs of other sizes" in found.reason


def test_a_library_of_somebody_else_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any shared library of the interpreter's own will do."""
    import _ctypes

    monkeypatch.setattr(native, "FILE", Path(_ctypes.__file__))
    found = find.__wrapped__()
    assert isinstance(found, Missing) and "is no library of stc" in found.reason


def test_every_function_of_the_header_is_declared_with_its_arguments() -> None:
    """Names and numbers of arguments, read from the header itself."""
    header = (ROOT / "plugins/cpu/stc_cpu.h").read_text()
    declared = dict(re.findall(r"STC_API [\w *]+?\b(stc_cpu_\w+)\(([^)]*)\)", header))
    assert set(declared) == {"stc_cpu_abi", *interface.FUNCTIONS}
    for name, (_, arguments) in interface.FUNCTIONS.items():
        given = declared[name].strip()
        assert len(arguments) == (0 if given == "void" else given.count(",") + 1), name
    library = find()
    assert isinstance(library, Library)
    for name in declared:
        assert getattr(library.handle, name).argtypes is not None, name
    with pytest.raises(ctypes.ArgumentError):
        library.handle.stc_cpu_resize(3.5, 1)


@pytest.mark.parametrize("threads", [0, -1, 2**31])
def test_a_number_of_threads_that_is_none_is_an_input_error(threads: int) -> None:
    library = find()
    assert isinstance(library, Library)
    with pytest.raises(InputError, match="threads must be at least 1"):
        library.with_threads(threads)


def test_no_more_threads_start_than_there_is_work_for() -> None:
    """In a process of its own, where nothing else starts threads."""
    code = """
import numpy as np, os
from stc.runtime.native.library import find
from stc.runtime.masks.native import NativeComposer
from stc.runtime.masks.axis import composed_axis
library = find().with_threads(2**31 - 1)
before = len(os.listdir("/proc/self/task"))
axis = composed_axis(8, 4, 32, 64)
one = NativeComposer(find().with_threads(1), axis, axis)
probabilities = np.random.default_rng(0).random((3, 8, 8), np.float32)
composer = NativeComposer(library, axis, axis)
assert composer.rle(probabilities)[0] == one.rle(probabilities)[0]
assert (composer.dense(probabilities) == one.dense(probabilities)).all()
print(len(os.listdir("/proc/self/task")) - before)
"""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("threads are not listed here")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 256
