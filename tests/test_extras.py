"""Every extra can be installed: pip's own resolver finds versions that fit together.

Nothing is installed. TensorRT's libraries alone are not on PyPI: there, `tensorrt-cu12-libs` and `tensorrt-cu13-libs`
are source packages that download a wheel from NVIDIA's own index when pip asks for their metadata. So that the answer
does not depend on that index, an empty wheel of the same name and versions stands in for each; what NVIDIA's wheels ask
for in turn is not seen. Everything else is resolved as PyPI has it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.installs import copy, pip, wheel_of

LIBRARIES = ("tensorrt-cu12-libs", "tensorrt-cu13-libs")
BRINGS = {  # by extras
    "pycuda": {"pycuda"},
    "ray": {"ray"},
    "mqtt,redis": {"paho-mqtt", "redis"},
    "triton": {"tritonclient", "grpcio", "geventhttpclient"},
    "cpu": {"onnxruntime", "onnx"},
    "openvino": {"openvino", "onnx"},
    "gpu": {"onnxruntime-gpu"},
    "tensorrt": {"tensorrt", "cuda-bindings"},
    "rtx": {"tensorrt-rtx", "cuda-bindings"},
    "cpu,export,tensorrt": {"torch", "tensorrt", "onnxruntime"},
    "gpu,export,rtx": {"torch", "tensorrt-rtx", "onnxruntime-gpu"},
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="some packages exist for Linux only"),
]


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty wheel for every version of TensorRT's libraries that the index lists.

    Skips without a network, so every test asks for it.
    """
    folder = tmp_path_factory.mktemp("stand-ins")
    for name in LIBRARIES:
        listed = pip("index", "versions", name, "--retries", "0", "--timeout", "15")
        versions = re.search(r"Available versions: (.*)", listed.stdout)
        if versions is None:
            pytest.skip(f"no package index that has {name} can be reached: {' '.join(listed.stderr.split())[-100:]}")
        for version in versions[1].split(", "):
            write_empty_wheel(folder, name.replace("-", "_"), version)
    return folder


def write_empty_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        summary = "An empty stand-in for NVIDIA's wheel, of stc's tests"
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: stc\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def planted(wheel: Path, folder: Path, replaced: tuple[str, str]) -> Path:
    """The wheel with one text of its metadata replaced by another."""
    path = folder / wheel.name
    with zipfile.ZipFile(wheel) as original, zipfile.ZipFile(path, "w") as changed:
        for name in original.namelist():
            content = original.read(name)
            if name.endswith(".dist-info/METADATA"):
                before, after = (text.encode() for text in replaced)
                assert before in content
                content = content.replace(before, after)
            changed.writestr(name, content)
    return path


@pytest.fixture(scope="module")
def wheel(stand_ins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ours, as it is. After `stand_ins`, which skips without a network: building needs one too."""
    return wheel_of(copy(tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("wheel"))


def resolve(wheel: Path, extras: str, stand_ins: Path) -> subprocess.CompletedProcess[str]:
    """Standard output is pip's report, JSON."""
    options = ("--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--find-links", stand_ins)
    return pip("install", *options, f"stc-trt[{extras}] @ {wheel.as_uri()}")


@pytest.fixture(scope="module")
def resolving(wheel: Path, stand_ins: Path) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """By extras, two at a time: PyCUDA's setup.py counts down from ten, twice."""
    with ThreadPoolExecutor(2) as pool:
        yield {extras: pool.submit(resolve, wheel, extras, stand_ins) for extras in BRINGS}


@pytest.mark.parametrize("extras", BRINGS)
def test_pip_resolves(
    extras: str, resolving: dict[str, Future[subprocess.CompletedProcess[str]]], stand_ins: Path
) -> None:
    done = resolving[extras].result()
    assert done.returncode == 0, done.stderr
    packages: list[dict[str, Any]] = json.loads(done.stdout)["install"]
    urls = {normalised(package["metadata"]["name"]): package["download_info"]["url"] for package in packages}
    assert BRINGS[extras] <= set(urls)
    assert len({"onnxruntime", "onnxruntime-gpu"} & set(urls)) == len({"cpu", "gpu"} & set(extras.split(",")))
    assert ("torch" in urls) == ("export" in extras)
    # Nothing but TensorRT's libraries is a stand-in, and they only where TensorRT is.
    standing_in = {name for name, url in urls.items() if stand_ins.name in url}
    assert standing_in <= set(LIBRARIES)
    assert len(standing_in) == ("tensorrt" in BRINGS[extras])


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("extra", "replaced"),
    [
        # Against another requirement of ours.
        ("rtx", ("Requires-Dist: numpy>=1.26", "Requires-Dist: numpy>=1.26\nRequires-Dist: numpy<1.26")),
        # Against what TensorRT asks for, two packages further on.
        (
            "tensorrt",
            (
                "Requires-Dist: tensorrt>=10.3;",
                'Requires-Dist: tensorrt-cu13-bindings==10.16.1.11; extra == "tensorrt"\n'
                "Requires-Dist: tensorrt==11.4.0.106;",
            ),
        ),
    ],
)
def test_a_planted_conflict_is_found(
    extra: str, replaced: tuple[str, str], wheel: Path, stand_ins: Path, tmp_path: Path
) -> None:
    done = resolve(planted(wheel, tmp_path, replaced), extra, stand_ins)
    assert done.returncode != 0
    assert "ResolutionImpossible" in done.stderr
    assert done.stdout == ""
