"""What a reader is told before quoting a number."""

from __future__ import annotations

from typing import Any

import pytest

from stc.benchmarks.report import cautions
from stc.benchmarks.report.structure import ModelReport
from stc.benchmarks.timing.environment import Disturbance
from stc.benchmarks.timing.intervals import Percentiles

QUIET = Disturbance(throttled=0.0, stolen=0.0, waiting=0.5)


def model(stages: dict[str, float], **changes: Any) -> ModelReport:
    """A report of constant stages in milliseconds."""
    values: dict[str, Any] = dict.fromkeys(ModelReport.__dataclass_fields__)
    values |= {"label": "m", "frames": 300, "unaccounted": 0.0, "late": 0, "dropped": 0, "verdict": "pass"}
    values |= {"stages": {name: Percentiles(ms, ms, ms, ms, ms) for name, ms in stages.items()}, "proof": object()}
    return ModelReport(**(values | changes))


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"engine": 2.0, "upload": 2.5}, "transfer-bound: upload 2.50 ms, engine 2.00 ms"),
        ({"engine": 2.0, "download": 2.0}, "transfer-bound: download 2.00 ms"),
        ({"engine": 2.0, "enqueue": 1.7}, "enqueue-bound: the host needs 1.70 ms"),
    ],
)
def test_a_gpu_that_waits_is_told(stages: dict[str, float], words: str) -> None:
    (found,) = cautions.of_model(model(stages), None)
    assert found.startswith(f"m: {words}")


def test_a_gpu_that_works_is_not() -> None:
    stages = {"upload": 0.3, "engine": 2.0, "enqueue": 0.4, "download": 0.2}
    assert cautions.of_model(model(stages), None) == []


@pytest.mark.parametrize(("left_out", "told"), [(0.029, False), (0.031, True), (-0.031, True)])
def test_stages_must_add_up(left_out: float, told: bool) -> None:
    found = cautions.of_model(model({"engine": 1.0}, unaccounted=left_out), None)
    assert any("do not add up" in text for text in found) is told


def test_a_paced_model_that_is_late_but_drops_nothing() -> None:
    (found,) = cautions.of_model(model({"engine": 1.0}, late=7), 30.0)
    assert found == "m: late for a camera of 30 FPS: 7 of 300 results came after the next frame"


def test_without_a_reference_nothing_is_proven() -> None:
    (found,) = cautions.of_model(model({"engine": 1.0}, proof=None, verdict="unproven"), None)
    assert "no reference of this model" in found


@pytest.mark.parametrize(
    ("during", "words"),
    [
        (Disturbance(0.25, 0.0, 0.5), "throttled: the container's quota stopped the process for 0.25 s"),
        (Disturbance(0.0, 1.5, 0.5), "stolen: the hypervisor gave 1.5 s"),
        (Disturbance(0.0, 0.0, 4.2), "busy: 4.2 tasks wanted 2 cores"),
    ],
)
def test_a_machine_that_was_disturbed(during: Disturbance, words: str) -> None:
    (found,) = cautions.of_run([model({"engine": 1.0})], stable=True, interrupted=False, during=during, cores=2)
    assert found.startswith(words)


def test_a_quiet_and_stable_run_has_no_cautions() -> None:
    assert cautions.of_run([model({"engine": 1.0})], stable=True, interrupted=False, during=QUIET, cores=2) == []


def test_few_frames_unstable_and_interrupted() -> None:
    few = model({"engine": 1.0}, frames=100)
    found = cautions.of_run([few], stable=False, interrupted=False, during=QUIET, cores=2)
    assert [text.partition(":")[0] for text in found] == ["unstable", "few frames"]
    found = cautions.of_run([few], stable=False, interrupted=True, during=QUIET, cores=2)
    assert [text.partition(":")[0] for text in found] == ["interrupted", "few frames"]
