"""The CUDA kernels on the host: right to the last block under AddressSanitizer, UndefinedBehaviorSanitizer and
ThreadSanitizer, which notice planted faults.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.toolchain import FIBERS, KERNELS, PLUGINS, THREADS, compile_host, execute

pytestmark = pytest.mark.slow
TESTS = PLUGINS / "tests"
MEMORY = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
RACES = ("-fsanitize=thread", "-DSTC_EMULATE_THREADS")


@pytest.fixture(scope="module")
def mask_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = [KERNELS[0], TESTS / "mask_head_test.cpp", FIBERS]
    return compile_host(tmp_path_factory.mktemp("memory") / "mask_head", sources, *MEMORY)


@pytest.fixture(scope="module")
def threaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = [KERNELS[0], TESTS / "mask_head_test.cpp", THREADS]
    return compile_host(tmp_path_factory.mktemp("races") / "mask_head", sources, *RACES)


def test_the_mask_head_is_right_and_stays_in_its_buffers(mask_head: Path) -> None:
    done = execute(mask_head)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "240 cases, 0 failed" in done.stdout


def test_a_buffer_one_value_short_is_noticed(mask_head: Path) -> None:
    done = execute(mask_head, "--short")
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr and "cells.cuh" in done.stderr


def test_no_thread_of_a_block_races_another(threaded: Path) -> None:
    done = execute(threaded, "--few")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "20 cases, 0 failed" in done.stdout


def test_a_missing_barrier_is_noticed(threaded: Path) -> None:
    done = execute(threaded, "--few", STC_DROP_BARRIERS="1")
    assert done.returncode != 0
    assert "ThreadSanitizer: data race" in done.stderr


def test_frame_masks_are_right_and_stay_in_their_buffers(tmp_path: Path) -> None:
    sources = [KERNELS[1], TESTS / "frame_masks_test.cpp", FIBERS]
    done = execute(compile_host(tmp_path / "frame_masks", sources, *MEMORY))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "15 cases, 0 failed" in done.stdout
