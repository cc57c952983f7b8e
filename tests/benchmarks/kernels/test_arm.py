"""Instructions counted under QEMU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stc.benchmarks.kernels import __main__ as kernels
from stc.benchmarks.kernels import arm
from stc.errors import MissingDependencyError


def test_what_is_missing_is_said_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"no g\+\+ and no aarch64.+ and no qemu.+: apt-get install g\+\+"):
        kernels.main(["arm"])


@pytest.mark.slow
def test_neon_takes_fewer_instructions_than_portable_code_for_every_kernel(tmp_path: Path) -> None:
    if reason := arm.missing():
        pytest.skip(reason)
    assert kernels.main(["arm", "--json", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found) == 9
    # Counts, not times: the same on every run.
    assert all(10_000 < row["neon"] < row["portable"] for row in found)
