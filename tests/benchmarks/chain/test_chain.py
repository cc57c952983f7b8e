"""The chain around the engine: all ways give the same masks, and planted times the rows that they must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.chain import ways
from stc.benchmarks.chain.__main__ import WAITS, beside_the_engine, lines, main, rows
from stc.benchmarks.chain.stand_in import PASSPORT, recorded
from stc.cli import run
from stc.errors import Missing
from stc.runtime.bundle import contract
from stc.runtime.native.library import Library, find
from stc.runtime.processors import processors
from tests.runtime import tiny_model


@pytest.fixture
def library() -> Library:
    found = find()
    assert not isinstance(found, Missing)
    return found.with_threads(1)


def test_all_ways_give_the_same_masks(library: Library, tmp_path: Path) -> None:
    pictures = ways.pictures(3)
    ways.encode(tmp_path / "clip.mp4", pictures)
    chains = [ways.Chain.around(10, 0.0, library, in_flight) for in_flight in (1, 3, 1, 1)]
    serial, overlapped, before, of_planes = chains
    expected = serial.serial(lambda: iter(pictures))
    assert len(expected) == 10 and len({mask["counts"] for mask in expected}) == 10
    assert overlapped.overlapped(lambda: iter(pictures)) == expected
    assert before.before(lambda: iter(pictures)) == expected
    assert of_planes.serial(lambda: ways.decoded(tmp_path / "clip.mp4", planes=True)) == expected
    for chain in chains:
        chain.close()


@pytest.mark.parametrize("objects", [1, 10, 50])
def test_the_stand_in_gives_what_its_passport_promises(objects: int) -> None:
    outputs = recorded(objects, 3)
    contract.check_answer(PASSPORT, outputs, 1, PASSPORT.input_size, "the stand-in")
    assert outputs["num_detections"].tolist() == [objects]
    assert (outputs["masks"][0, :objects] > 0.5).any(axis=(1, 2)).all()


def test_rows_compare_with_the_slower_of_engine_and_chain() -> None:
    planted = {"chain before": 0.1, "chain": 0.02, "decode and chain before": 0.2, "decode and chain": 0.1}
    for wait in WAITS:
        times = {"serial": 0.1, "overlapped": 0.05, "alone": 1e-2 * wait}
        planted |= {f"{way}, engine of {wait} ms": seconds for way, seconds in times.items()}
    found = rows({name: np.full(5, seconds) for name, seconds in planted.items()}, frames=10)
    ratios = {(row.name, row.beside): row.ratio.value for row in found}
    assert ratios["chain", "chain before"] == pytest.approx(0.2)
    assert ratios["decode and chain", "decode and chain before"] == pytest.approx(0.5)
    assert ratios["overlapped, engine of 1 ms", "the slower of the engine of 1 ms and the chain"] == pytest.approx(2.5)
    assert ratios["overlapped, engine of 5 ms", "the slower of the engine of 5 ms and the chain"] == pytest.approx(1.0)
    assert ratios["overlapped, engine of 20 ms", "the slower of the engine of 20 ms and the chain"] == pytest.approx(
        0.25
    )
    told = "\n".join(lines(found))
    assert told.count("holds") == 3 and told.count("missed") == 1 and "at most 0.33 holds" in told


def test_a_budget_is_missed_where_one_run_of_three_misses_it() -> None:
    names = ["chain before", "chain", "decode and chain before", "decode and chain"]
    names += [f"{way}, engine of {wait} ms" for wait in WAITS for way in ("serial", "overlapped", "alone")]
    planted = {name: np.full(9, 0.1) for name in names}
    planted["chain"] = np.array([0.02] * 6 + [0.04] * 3)
    chain = rows(planted, frames=10)[0]
    assert chain.ratio.value == pytest.approx(0.2) and chain.runs == pytest.approx((0.2, 0.2, 0.4))
    assert chain.holds is False and "0.20, 0.20, 0.40: at most 0.33 missed" in "\n".join(lines([chain]))


def test_a_model_on_the_cpu_is_measured_both_ways(tmp_path: Path) -> None:
    found = beside_the_engine(tiny_model.write_bundle(tmp_path / "bundle"), frames=2, rounds=2)
    assert all(row.name.startswith("overlapped, ") and row.ratio.value > 0 for row in found)
    assert [row.name.replace("overlapped", "serial") for row in found] == [row.beside for row in found]
    assert found[-1].name.endswith(f"{processors()} of {processors()} processors")


def test_numbers_out_of_range_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--objects", "51"]) == 1
    assert "--objects must be from 1 to 50" in capsys.readouterr().err
