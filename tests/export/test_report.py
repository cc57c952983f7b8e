"""The report of an earlier export as a rebuilding reads it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from stc.benchmarks.agreement.floor import Floor
from stc.benchmarks.agreement.parity import compare
from stc.export import report
from stc.export.proof.ranges import Extreme, Ranges
from stc.export.proof.verification import NotCompared, Speed, Stage, Verification
from tests.benchmarks.agreement.test_parity import PASSPORT, reference
from tests.mutations import odd_json

EXPORTED = replace(
    PASSPORT,
    checkpoint={"file": "m.pth", "layout": "adelaidet", "sha256": "0" * 64, "assumed": {}},
    precision={"type": "fp32", "fp32_islands": {}},
)


def verifications() -> tuple[Verification | NotCompared, ...]:
    """With everything that a comparison may hold."""
    floor = Floor(2, 0.01, 1e-5, 2e-3, 3)
    compared = Verification(
        "fp32",
        (Stage("c3", 1e-6, 1e-7, 3.5), Stage("p3", 0.0, 0.0, 0.0)),
        Ranges(4, 100, "float32", (Extreme("conv", 7.5), Extreme("exp", float("inf"))), ("exp is not finite",)),
        compare(reference(), reference().outputs, EXPORTED, "fp32", floor=floor),
        Speed(3.0, 4.5, 15),
    )
    return compared, replace(compared, precision="fp16", speed=None), NotCompared("bf16", "no such operators")


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report.write_report(tmp_path, EXPORTED, verifications(), "no engine")
    assert report.read(tmp_path) == verifications()
    assert "float32&#x27;s own floor" in (tmp_path / report.FILES[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    ["", "[" * 200_000, "[]", "7", '{"verifications": [5]}', '{"verifications": [{"agreement": 1, "stages": [{}]}]}'],
    ids=["empty", "nested", "list", "number", "no record", "no agreement"],
)
def test_a_report_that_is_none_is_no_verification(text: str, tmp_path: Path) -> None:
    (tmp_path / report.FILES[0]).write_text(text)
    assert report.read(tmp_path) == ()


def test_whatever_a_report_holds_the_next_one_is_written(tmp_path: Path) -> None:
    """What passes the reading can be shown: every value of a mutated report is of a type that the page takes."""
    report.write_report(tmp_path, EXPORTED, verifications(), "no engine")
    whole = json.loads((tmp_path / report.FILES[0]).read_text())
    read = 0
    for seed in range(100):
        odd = odd_json(random.Random(seed), whole["verifications"])
        (tmp_path / report.FILES[0]).write_text(json.dumps({"verifications": odd}))
        found = report.read(tmp_path)
        read += bool(found)
        report.write_report(tmp_path, EXPORTED, found, "no engine")
        assert all(v.agreement.in_words() for v in found if isinstance(v, Verification))
    assert 5 < read < 95  # some mutations are harmless, most are not
