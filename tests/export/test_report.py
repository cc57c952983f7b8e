"""The report of an earlier export as a rebuilding reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stc.export import report


@pytest.mark.parametrize(
    "text",
    ["", "[" * 200_000, "[]", "7", '{"verifications": [5]}', '{"verifications": [{"agreement": 1, "stages": [{}]}]}'],
    ids=["empty", "nested", "list", "number", "no record", "no agreement"],
)
def test_a_report_that_is_none_is_no_verification(text: str, tmp_path: Path) -> None:
    (tmp_path / report.FILES[0]).write_text(text)
    assert report.read(tmp_path) == ()
