from __future__ import annotations

import subprocess
import sys

import pytest

from stc.benchmarks.models import memory

MIB = 2**20


def test_growth_is_the_slope_and_ignores_a_step() -> None:
    steady = [100 * MIB + 5 * i for i in range(40)]
    stepped = [size + (50 * MIB if i > 30 else 0) for i, size in enumerate(steady)]
    assert memory.growth(steady) == pytest.approx(5)
    assert memory.growth(stepped) == pytest.approx(5, abs=1e-6)
    assert memory.growth([100 * MIB] * 40) == 0


def test_a_few_samples_say_nothing() -> None:
    assert memory.growth([1, 2, 3]) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_sees_an_array() -> None:
    """In a process of its own: in one that has run other tests, the array may lie in memory that they left resident."""
    program = (
        "import numpy as np\nfrom stc.benchmarks.models import memory\n"
        "before = memory.resident()\nblock = np.ones(64 << 20, np.uint8)\n"
        "print(before, memory.resident(), memory.peak())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after, peak = map(int, done.stdout.split())
    assert after - before > 60 * MIB
    assert peak >= after - MIB
