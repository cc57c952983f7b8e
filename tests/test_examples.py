"""Every example runs as it is: as a process of its own, on a small video and a small model."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.plugins.compiler import compiler
from tests.plugins.toolchain import PLUGINS, tensorrt_headers
from tests.runtime import tiny_model
from tests.runtime.backends.engine_bundle import write

EXAMPLES = Path(__file__).parents[1] / "examples"
FRAMES = 10


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.write_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted(tmp_path_factory.mktemp("clip") / "clip.mkv")


def painted(path: Path) -> Path:
    """A cat that moves 2 pixels per frame, and from the fourth frame on a dog that stays; lossless, 25 FPS."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 60, 96, "bgr0"
        for index in range(FRAMES):
            dog = [(1, (60, 8, 90, 30))] if index >= 3 else []
            picture = tiny_model.frame((0, (8 + 2 * index, 12, 40 + 2 * index, 44)), *dog)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def run(name: str, *arguments: str | Path) -> list[str]:
    """The lines that an example prints."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_no_example_is_left_out() -> None:
    here = Path(__file__).read_text()
    examples = [path for path in EXAMPLES.rglob("*") if path.suffix in {".py", ".cpp"}]
    assert len(examples) == 7
    assert all(f'"{path.name}"' in here for path in examples)


def test_each_python_example_is_short() -> None:
    assert {path.name: n for path in EXAMPLES.glob("*.py") if (n := len(path.read_text().splitlines())) > 65} == {}


def test_file_loop(bundle: Path, clip: Path) -> None:
    lines = run("file_loop.py", bundle, clip)
    assert [line.split("  ")[-1] for line in lines if " born " in line] == ["born track 1", "born track 2"]
    # The areas of the rectangles, on the grid of 4 pixels that the tiny model's masks have.
    cat = [int(re.findall(r"(\d+) pixels", line)[0]) for line in lines if "cat 1" in line]
    assert len(cat) == FRAMES and all(abs(area - 32 * 32) <= 8 * 34 for area in cat)


def test_camera_callback(bundle: Path, clip: Path) -> None:
    lines = run("camera_callback.py", bundle, clip)
    seen, dropped = map(int, re.findall(r"\d+", lines[-1]))
    assert seen + dropped == FRAMES and seen == len(lines) - 1
    assert seen >= 1


def test_many_streams(bundle: Path, clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mkv"
    shutil.copy(clip, other)
    assert run("many_streams.py", bundle, clip, other) == [
        f"{way}: {video}: tracks [1, 2]" for way in ("in_threads", "in_step") for video in (clip, other)
    ]


def test_supervision_interop(bundle: Path, clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("supervision", reason="pip install 'stc-trt[supervision]'")
    out = tmp_path / "last.png"
    lines = run("supervision_interop.py", bundle, clip, out)
    assert lines == [f"cat 1: in {FRAMES} frames", f"dog 2: in {FRAMES - 3} frames"]
    assert out.is_file()


def test_mot_export(bundle: Path, clip: Path, tmp_path: Path) -> None:
    run("mot_export.py", bundle, clip, tmp_path / "out.txt")
    rows = np.loadtxt(tmp_path / "out.txt", delimiter=",")
    assert rows.shape == (FRAMES + FRAMES - 3, 10)
    cat = rows[rows[:, 1] == 1]
    np.testing.assert_array_equal(cat[:, 0], np.arange(1, FRAMES + 1))
    np.testing.assert_allclose(cat[:, 2:6], [[8 + 2 * i, 12, 32, 32] for i in range(FRAMES)])
    np.testing.assert_array_equal(rows[:, 7:], -1)


@pytest.mark.gpu
def test_device_arrays(tmp_path: Path) -> None:
    """With the demo model's engine, built on the GPU that is here. Never executed on a GPU."""
    from stc.export import export

    built = export(EXAMPLES.parent / "assets" / "stc-lite-2.safetensors", tmp_path / "lite")
    lines = run("device_arrays.py", built.path / "engine.plan")
    assert lines and all(line.endswith("on cuda:0") for line in lines)


def test_device_arrays_without_a_gpu_ends_in_our_own_error(tmp_path: Path) -> None:
    """The way to the engine is right: what it meets is this machine, not a wrong name."""
    command = [sys.executable, str(EXAMPLES / "device_arrays.py"), str(write(tmp_path / "bundle") / "engine.plan")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"CUDA_VISIBLE_DEVICES": ""})
    assert "stc.errors." in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_cpp_example_compiles_against_tensorrt(tmp_path: Path) -> None:
    """`infer.cpp` is "never executed on a GPU": names, types and signatures are checked, no more."""
    nvcc = shutil.which("nvcc")
    toolkits = [
        *Path("/usr/local").glob("cuda*/include"),
        *([] if nvcc is None else [Path(nvcc).resolve().parents[1] / "include"]),
    ]
    cuda = next((folder for folder in toolkits if (folder / "cuda_runtime_api.h").is_file()), None)
    if cuda is None:
        pytest.skip("no CUDA headers here (cuda_runtime_api.h); they come with a CUDA toolkit")
    folders = [PLUGINS / "include", PLUGINS / "cuda"]
    command = [
        *(compiler(), "-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-deprecated-declarations"),
        *(f"-I{folder}" for folder in folders),
        *("-isystem", str(tensorrt_headers()), "-isystem", str(cuda)),
        *("-c", str(EXAMPLES / "cpp" / "infer.cpp"), "-o", str(tmp_path / "infer.o")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
