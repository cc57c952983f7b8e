"""The table of speeds: its rows and columns, whatever the numbers."""

from __future__ import annotations

from stc.benchmarks.speed.__main__ import ENGINES, table
from stc.benchmarks.timing.intervals import Interval


def test_a_row_for_every_engine_and_number_of_threads_in_markdown() -> None:
    rows = [(name, threads, Interval(10, 9, 11), Interval(0.5, 0.4, 0.6)) for threads in (1, 2) for name in ENGINES]
    head, line, *body = table(rows)
    assert head == "| engine | threads | p50 ms | times ONNX Runtime float32 |"
    assert line == "| --- | --- | --- | --- |"
    assert len(body) == 8
    assert body[-1] == "| OpenVINO, int8 | 2 | 10.0 [9.00, 11.0] | 0.500x [0.400, 0.600] |"
