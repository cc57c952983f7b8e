"""What a report says of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from stc.benchmarks.timing import environment
from stc.benchmarks.timing.environment import GPU_FIELDS, Disturbance, describe, gpu, instruction_sets


def pretend_nvidia_smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_the_gpu_is_described_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ",".join(GPU_FIELDS)
    answer = "NVIDIA L4, 580.65.06, 2040 MHz, 2040 MHz, 0x0000000000000004, 72.00 W"
    script = f'test "$1" = "--query-gpu={fields}" && test "$2" = "--format=csv,noheader" && echo "{answer}"'
    pretend_nvidia_smi(tmp_path, script, monkeypatch)
    assert gpu() == (
        "name NVIDIA L4, driver_version 580.65.06, clocks.sm 2040 MHz, clocks.max.sm 2040 MHz, "
        "clocks_event_reasons.active 0x0000000000000004, power.limit 72.00 W"
    )


@pytest.mark.parametrize("script", ["exit 9", "true", "sleep 60"])
def test_a_driver_that_does_not_answer_is_none(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "TIMEOUT", 0.2)
    pretend_nvidia_smi(tmp_path, script, monkeypatch)
    assert gpu() is None


@pytest.mark.parametrize(
    ("line", "sets"),
    [
        (
            "flags\t\t: fpu sse4_2 avx512f avx2 fma avx amx_bf16 avx512_bf16",
            "sse4_2 avx avx2 fma avx512f avx512_bf16 amx_bf16",
        ),
        ("Features\t: fp asimd evtstrm aes asimddp sve i8mm bf16", "asimd asimddp i8mm bf16 sve"),
        ("isa\t\t: rv64imafdc", ""),
    ],
)
def test_instruction_sets_are_those_that_kernels_choose_by(line: str, sets: str) -> None:
    assert instruction_sets(["processor\t: 0", line, line]) == sets


def test_the_machine_is_described_in_words() -> None:
    facts = describe(threads=3)
    assert facts["threads"] == "3"
    assert int(facts["cores"]) >= 1
    assert all(isinstance(value, str) and value for value in facts.values())
    assert facts["numpy"][0].isdigit()


def test_disturbance_is_the_difference_of_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/sys/fs/cgroup/cpu.stat": "usage_usec 5\nthrottled_usec 1500000",
        "/proc/stat": "cpu  1 2 3 4 5 6 7 800 9",
    }
    monkeypatch.setattr(environment, "lines", lambda path: files.get(path, "").splitlines())
    monkeypatch.setattr(environment.os, "sysconf", lambda name: 100)
    before = environment.disturbance()
    files |= {"/sys/fs/cgroup/cpu.stat": "throttled_usec 4000000", "/proc/stat": "cpu  1 2 3 4 5 6 7 900 9"}
    during = environment.disturbance() - before
    assert (during.throttled, during.stolen) == (2.5, 1.0)


def test_what_the_system_does_not_tell_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "lines", lambda path: [])
    assert environment.disturbance() - Disturbance(0.0, 0.0, 0.0) == Disturbance(
        0.0, 0.0, environment.disturbance().waiting
    )
