"""The comparison with and without the native library: both sessions, in turns, on the same frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.benchmarks import without_native
from stc.benchmarks.main import main
from stc.benchmarks.without_native import WARM_UP, measure
from stc.cli import run
from stc.runtime import Session
from stc.runtime.native import Missing
from tests.benchmarks.proven import pictures
from tests.runtime import tiny_model


def test_medians_and_ratio_are_of_counted_frames_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_model.write_bundle(tmp_path / "bundle")
    fast, slow = Session(folder, threads=1), Session(folder, threads=1, native=False)
    order: list[bool] = []

    def timed(stream: Any, picture: Any) -> tuple[int, dict[str, float]]:
        with_it = stream._session is fast
        order.append(with_it)
        counted = len(order) > 2 * WARM_UP
        return 1, {"engine": (0.010 if with_it else 0.030) if counted else 9, "masks": 0.002 if with_it else 0.018}

    monkeypatch.setattr(without_native, "timed", timed)
    found = measure(fast, slow, pictures(), frames=7)
    assert order == [False, True] * (WARM_UP + 7)
    assert (found.engine_p50_ms, found.masks_p50_ms) == pytest.approx((30, 18))
    assert (found.native_engine_p50_ms, found.native_masks_p50_ms) == pytest.approx((10, 2))
    assert found.ratio == pytest.approx(4) and found.frames == 7
    assert str(found).startswith(
        "without the native library: engine 30.00 ms + masks 18.00 ms, with it 10.00 + 2.00 ms"
    )


def test_the_report_has_it_and_one_line_says_it(
    proven_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "bench.json"
    assert run(main, [str(proven_bundle), "--frames", "9", "--json", str(report)]) == 0
    values = json.loads(report.read_text())
    body = values["function_body"]
    assert set(body) == {
        "frames", "engine_p50_ms", "masks_p50_ms", "native_engine_p50_ms", "native_masks_p50_ms", "ratio",
    }  # fmt: skip
    assert body["frames"] == 9 and all(np.isfinite(value) and value > 0 for value in body.values())
    assert values["mask_head"].startswith("function body (the graph does not end in one")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "without the native library" in line]
    assert f"{body['ratio']:.2f}x" in line


def test_without_the_library_there_is_nothing_to_compare(
    proven_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stc.runtime.session.find", lambda: Missing("no compiler"))
    report = tmp_path / "bench.json"
    assert run(main, [str(proven_bundle), "--frames", "2", "--json", str(report)]) == 0
    assert json.loads(report.read_text())["function_body"] is None
    assert "mask head: function body (no compiler)" in capsys.readouterr().out
