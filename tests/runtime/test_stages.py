"""A call of the engine, in the order of the work."""

from __future__ import annotations

import pytest

from stc.runtime.stages import of_call


def test_what_is_no_copy_is_the_engines() -> None:
    stages = of_call(1.0, {"download": 0.2, "enqueue": 0.3, "upload": 0.1})
    assert list(stages) == ["upload", "engine", "enqueue", "download"]
    assert stages["engine"] == pytest.approx(0.7)
    assert of_call(0.5, {"mask_head": 0.2}) == {"engine": 0.5, "mask_head": 0.2}
    assert of_call(0.1, {"upload": 0.2, "download": 0.1})["engine"] == 0  # copies beside other frames' work
