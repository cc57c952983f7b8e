"""What an export tells, on terminals of every width."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from stc.export import report
from stc.export.folder import Export
from stc.export.terminal import lines
from tests.export.test_report import EXPORTED, verifications

NUMBER = re.compile(r"[-+]?\d(?:[\d,.]*\d)?(?:e[-+]\d+)?%?")
AGREEMENT = {"model.onnx": {"verdict": "pass"}, "model-fp16.onnx": {"verdict": "pass"}}


def exported(**agreement: dict[str, object]) -> Export:
    passport = replace(EXPORTED, agreement=AGREEMENT | {f"model-{name}.onnx": how for name, how in agreement.items()})
    return Export(Path("out/model-of-a-camera"), passport, verifications(), "no TensorRT engine: not asked for")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_number_that_is_shown_is_shown_whole(width: int) -> None:
    whole, narrow = lines(exported(), None), lines(exported(), width)
    assert max(map(cell_len, narrow)) <= width
    assert set(NUMBER.findall("\n".join(narrow))) <= set(NUMBER.findall("\n".join(whole)))
    for number in ("1.00e-06", "2.86e-07"):
        assert number in "\n".join(narrow) or width == 40


def test_verdict_speed_and_agreement_come_first_on_the_terminal_and_the_page(tmp_path: Path) -> None:
    result = exported()
    opening = lines(result, None)[:4]
    assert opening[0] == "verdict pass: model.onnx and model-fp16.onnx find what PyTorch finds in float32."
    assert opening[1].startswith("fp32, ONNX Runtime on this CPU: 3.0 ms, float32 4.5 ms (1.50 times as fast")
    assert [line.partition(":")[0] for line in opening[2:]] == ["fp32", "fp16"]
    report.write_report(tmp_path, result.passport, result.verifications, result.engine)
    page = (tmp_path / report.FILES[1]).read_text(encoding="utf-8")
    places = [page.index(line) for line in opening]
    assert places == sorted(places) and places[-1] < page.index("<table>")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (
            {"verdict": "fail", "failures": ["ids_equal 0.5, allowed >= 0.99"]},
            "fail: model-int8.onnx misses a limit: ids",
        ),
        ({"verdict": "fail", "failures": 7}, "fail: model-int8.onnx misses its limits."),
        ({"verdict": "unproven"}, "unproven: nothing is proven of what model-int8.onnx finds."),
        ({"verdict": "not compared on this machine"}, "unproven: model-int8.onnx was not compared on this machine."),
    ],
)
def test_the_worst_file_is_named(how: dict[str, object], told: str) -> None:
    assert lines(exported(int8=how), None)[0].startswith(f"verdict {told}")
