"""A lost ratio is noticed, and a processor is only compared with itself."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from stc.benchmarks.paths import __main__ as paths
from stc.benchmarks.paths import regression
from stc.benchmarks.timing import environment
from stc.cli import run
from stc.errors import InputError

RECORDED = Path(__file__).parents[3] / "benchmarks" / "regression.json"
ZEN = {"processor": "AMD EPYC", "instructions": "avx2 avx512_bf16", "cores": "2", "threads": "one per core"}
RECORD = {"environment": ZEN, "frames": 20, "ratios": {"PyTorch eager": [1.7, 1.6, 1.8]}}


def test_only_a_ratio_that_surely_fell_is_a_regression() -> None:
    recorded = {"eager": [2.0, 1.9, 2.1], "body": [1.3, 1.2, 1.4], "gone": [9.0, 8.0, 10.0]}
    now = {"eager": [2.0, 1.8, 2.2], "body": [1.2, 1.0, 1.15], "new": [1.0, 1.0, 1.0]}
    assert regression.slower(now, recorded) == []
    lost = regression.slower({"eager": [1.5, 1.4, 1.6], "body": [1.3, 1.2, 1.4]}, recorded)
    assert lost == ["eager: 1.50x [1.40, 1.60], recorded 2.00x"]


@pytest.mark.parametrize(
    "other", [{"processor": "Intel Xeon"}, {"instructions": "avx2"}, {"cores": "4"}, {"threads": "1"}]
)
def test_another_processor_instruction_set_or_number_of_threads_is_another_machine(other: dict[str, str]) -> None:
    assert regression.machine(ZEN | other) != regression.machine(ZEN)


def test_threads_that_were_asked_for_are_those_that_all_cores_give() -> None:
    assert regression.machine(ZEN | {"threads": "2"}) == regression.machine(ZEN)
    assert regression.machine(ZEN | {"measured": "another day", "clock": "other"}) == regression.machine(ZEN)


def test_a_record_is_kept_beside_those_of_other_models_and_machines(tmp_path: Path) -> None:
    file = tmp_path / "ratios.json"
    zen, xeon = (regression.machine(ZEN | {"processor": name}) for name in ("Zen", "Xeon"))
    slow = RECORD | {"ratios": {"PyTorch eager": [1.1, 1.0, 1.2]}}
    for name, here, record in [
        ("lite", zen, slow),
        ("lite", xeon, RECORD),
        ("r50", xeon, RECORD),
        ("lite", zen, RECORD),
    ]:
        regression.write(file, regression.read(file), name, here, record)
    known = regression.read(file)
    assert {name: list(machines) for name, machines in known.items()} == {"lite": [zen, xeon], "r50": [xeon]}
    assert regression.recorded(known, "lite", zen, file) == RECORD["ratios"]
    assert regression.recorded(known, "r50", zen, file) is None
    with pytest.raises(InputError, match="knows nothing of r101"):
        regression.recorded(known, "r101", zen, file)


def test_on_a_machine_without_a_record_nothing_is_called_a_regression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded: none of the named files is there. The command that it prints asks for a record."""
    file = tmp_path / "all ratios.json"
    regression.write(file, {}, "lite", regression.machine(ZEN), RECORD)
    before = file.read_bytes()
    command = ["--ckpt", "lite.pth", "--bundle", "my bundle", "--source", "clip.mp4", "--regression", str(file)]
    monkeypatch.setattr(environment, "describe", lambda threads: ZEN | {"processor": "Other"})
    assert run(paths.main, command) == 0
    said = capsys.readouterr().out
    assert "no ratios of lite on this machine (Other; avx2 avx512_bf16; threads: 2)" in said
    assert shlex.split(said.split("record this one with: ")[1])[3:] == [*command, "--update"]
    assert file.read_bytes() == before
    assert run(paths.main, [*command, "--name", "unknown"]) == 1


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"lite": 3}',
        '{"lite": {"frames": 3, "ratios": {"eager": [1, 1, 1]}}}',
        '{"a": {"b": {"ratios": {"c": [1]}}}}',
    ],
)
def test_a_file_of_another_form_is_refused_before_the_slow_part(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ratios.json"
    file.write_text(content, encoding="utf-8")
    command = ["--ckpt", "lite.pth", "--bundle", "b", "--source", "c.mp4", "--regression", str(file)]
    assert run(paths.main, command) == 1
    assert "delete it and record anew" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == content


def test_the_records_of_this_project_can_be_read() -> None:
    known = regression.read(RECORDED)
    assert set(known) == {"stc-lite", "r50-seeded"}
    assert json.loads(RECORDED.read_text(encoding="utf-8")) == known
