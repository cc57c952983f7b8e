from __future__ import annotations

import subprocess
import sys

import pytest

MIB = 2**20


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
