"""The budgets, and the page that states them."""

from __future__ import annotations

from pathlib import Path

from stc.benchmarks.agreement.metrics import BUDGETS, METRICS, Metric

PRECISIONS = ("fp32", "fp16", "int8")
PAGE = Path(__file__).parents[3] / "docs/measuring.md"


def cell(metric: Metric, precision: str) -> str:
    limit = BUDGETS[precision].limits.get(metric.name)
    return "reported" if limit is None else metric.allowed(limit)


def test_the_table_of_budgets_is_that_of_the_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = lines.index("| | fp32 | fp16 | bf16, int8 |")
    table = lines[begin + 2 : lines.index("", begin)]
    margin, *rows = [tuple(part.strip() for part in line.strip("|").split("|")) for line in table]
    assert [float(value) for value in margin[1:]] == [BUDGETS[name].margin for name in PRECISIONS]
    limited = [metric for metric in METRICS if metric.limit is not None]
    assert rows == [(metric.title, *(cell(metric, name) for name in PRECISIONS)) for metric in limited]


def test_the_budgets_of_bfloat16_and_int8_are_one_and_say_nothing_of_single_detections() -> None:
    assert BUDGETS["bf16"] == BUDGETS["int8"]
    assert not BUDGETS["int8"].limits.keys() & {"detections_matched", "mask_iou_p1", "ids_equal"}


def test_budgets_limit_known_metrics_only() -> None:
    known = {metric.name for metric in METRICS if metric.limit is not None}
    assert {name for budget in BUDGETS.values() for name in budget.limits} == known
