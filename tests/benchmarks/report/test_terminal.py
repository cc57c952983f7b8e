"""The report on terminals of every width: verdict first, no number cut, nothing beyond the edge."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from io import StringIO

import pytest
from rich.cells import cell_len

from stc.benchmarks.arguments import parser, scenario_of
from stc.benchmarks.main import compare
from stc.benchmarks.report.structure import Report
from stc.benchmarks.report.terminal import DROPPED, lines, show
from stc.benchmarks.timing.intervals import Percentiles, figures
from tests.benchmarks.proven import prove
from tests.runtime import tiny_model

NUMBER = re.compile(r"[-+]?\d(?:[\d,.]*\d)?(?:e[-+]\d+)?%?")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of the tiny model beside itself, with a slow stage, a caution and a missed limit."""
    bundle = prove(tiny_model.write_bundle(tmp_path_factory.mktemp("terminal") / "a-bundle-of-a-longer-name"))
    arguments = parser().parse_args([str(bundle), f"{bundle}/model.onnx", "--frames", "4"])
    with ExitStack() as stack:
        found = compare(arguments, scenario_of(arguments), stack.callback)
    assert found is not None
    first, second = found.models
    slow = {**first.stages, "engine": Percentiles(12345.678, 23456.78, 345.678, 45.6789, 1234567.8)}
    missed = replace(second, verdict="fail", failures=("boxes_max_px 0.512345, allowed <= 0.05", "ids_equal 0.5"))
    return replace(found, models=(replace(first, stages=slow), missed), cautions=("stolen: 1.5 s of 2 cores",))


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_number_that_is_shown_is_shown_whole(report: Report, width: int) -> None:
    whole, narrow = lines(report, None), lines(report, width)
    assert max(map(cell_len, narrow)) <= width
    known, shown = Counter(NUMBER.findall("\n".join(whole))), Counter(NUMBER.findall("\n".join(narrow)))
    # Of a path that is longer than a line, parts are on two lines; everything else is some number of the whole report.
    labels = {number for model in report.models for number in NUMBER.findall(model.label)}
    assert {number for number in shown if number not in known} <= labels
    dropped = sum(len(model.stages) for model in report.models) * len(DROPPED)
    assert sum((known - shown).values()) <= dropped
    assert "…" not in "".join(narrow)


def test_columns_go_in_the_stated_order(report: Report) -> None:
    def titles(width: int) -> list[bool]:
        header = next(line for line in lines(report, width) if line.startswith("stage "))
        return [title in header for title in DROPPED]

    seen = [titles(width) for width in range(120, 39, -1)]
    assert seen[0] == [True] * len(DROPPED)
    assert seen == sorted(seen, reverse=True) and all(row == sorted(row) for row in seen)


def test_verdict_speed_and_agreement_come_first_in_words(report: Report) -> None:
    (first, second), told = report.models, lines(report, None)
    assert told[0] == f"verdict fail: {second.label} misses 2 limits, first: boxes_max_px 0.512345, allowed <= 0.05."
    assert told[1].startswith(f"{first.label}: {figures(first.fps)} FPS end to end; a frame takes ")
    assert "the engine alone 12,346 ms" in told[1]
    assert "100.00% are matched" in told[3] and "of the ids are equal" in told[3]
    passed = replace(report, models=(first, replace(second, verdict="pass", failures=())))
    assert lines(passed, None)[0].endswith("find what PyTorch finds, within the limits of fp32.")
    alone = replace(report, models=(replace(first, proof=None, verdict="unproven"),), ratios=())
    assert lines(alone, None)[0] == f"verdict unproven: nothing is proven of what {first.label} finds."
    assert f"{first.label}: not compared with PyTorch." in lines(alone, None)


def test_a_file_gets_whole_lines(report: Report) -> None:
    written = StringIO()
    show(report, written)
    assert written.getvalue().splitlines() == lines(report, None)
