"""The budgets, and the page that states them."""

from __future__ import annotations

from pathlib import Path

from stc.benchmarks.agreement.metrics import BUDGETS, METRICS, Metric

PAGE = Path(__file__).parents[3] / "docs/measuring.md"


def cell(metric: Metric, precision: str) -> str:
    limit = BUDGETS[precision].limits.get(metric.name)
    return "reported" if limit is None else metric.allowed(limit)


def test_the_table_of_budgets_is_that_of_the_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = lines.index("| | fp32 | fp16 |")
    table = lines[begin + 2 : lines.index("", begin)]
    margin, *rows = [tuple(part.strip() for part in line.strip("|").split("|")) for line in table]
    assert [float(value) for value in margin[1:]] == [BUDGETS[name].margin for name in ("fp32", "fp16")]
    limited = [metric for metric in METRICS if metric.limit is not None]
    assert rows == [(metric.title, cell(metric, "fp32"), cell(metric, "fp16")) for metric in limited]


def test_the_budgets_of_other_precisions_are_those_of_float16() -> None:
    assert BUDGETS["bf16"] == BUDGETS["int8"] == BUDGETS["fp16"]


def test_budgets_limit_known_metrics_only() -> None:
    known = {metric.name for metric in METRICS if metric.limit is not None}
    assert {name for budget in BUDGETS.values() for name in budget.limits} == known
