"""What people install, built from the tree and put into environments of their own: wheel and sdist, the oldest packages
that we say are enough, and beside an OpenCV that somebody has already.

These need the package index; without it they fail.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from PIL import Image

from stc import cli
from stc.export import main as export
from stc.runtime.track import main as track
from tests.installs import LINKS, QUICK, ROOT, STUDIES, Environment, copy, pip, requirements, run, tracked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the folders of an environment are those of Linux"),
]
FRAMES = 6
STALE = "stc/stale.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files and what a used work tree has beside them: links, libraries, an earlier build's leftovers."""
    tree = copy(tmp_path_factory.mktemp("tree"))
    for name in LINKS:
        (tree / "stc" / name).symlink_to(tree / name)
    (tree / "runtime" / "libstc_tensorrt.so").write_bytes(b"of another machine")
    for folder in ("lib", f"lib.linux-x86_64-cpython-{sys.version_info.major}{sys.version_info.minor}"):
        stale = tree / "build" / folder / STALE
        stale.parent.mkdir(parents=True)
        stale.write_text("")
    return tree


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    tools = Environment(tmp_path_factory.mktemp("tools"))
    tools.install("build", "twine", "setuptools>=77", "cmake>=3.22")
    return tools


@pytest.fixture(scope="module")
def built(tree: Path, tools: Environment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist, as they are made to be handed out."""
    folder = tmp_path_factory.mktemp("dist")
    options = ("--no-isolation", "--wheel", "--sdist", "--outdir", folder)
    done = run(tools.program("python"), "-m", "build", *options, tree, **QUICK)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model as a bundle, model/; clip.mkv, a camera that moves over a street; what is tracked in it here."""
    folder = tmp_path_factory.mktemp("inputs")
    checkpoint = ROOT / "assets" / "stc-lite-2.safetensors"
    assert cli.run(export.main, ["--ckpt", str(checkpoint), "--trt", "none", "-o", str(folder / "model")]) == 0
    scene = np.asarray(Image.open(ROOT / "assets" / "scene.jpg").convert("RGB"))
    height, width = (side // 2 * 2 - 2 * FRAMES for side in scene.shape[:2])
    with av.open(str(folder / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "bgr0"
        for index in range(FRAMES):
            picture = np.ascontiguousarray(scene[index : index + height, 2 * index : 2 * index + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode(None))
    options = ["--model", str(folder / "model"), "--json", str(folder / "expected.json")]
    options += ["--engine", "onnxruntime"]  # which is what is installed there
    assert cli.run(track.main, [str(folder / "clip.mkv"), *options]) == 0
    assert tracks(folder / "expected.json")
    return folder


def tracks(path: Path) -> list[tuple[int, float, int]]:
    """Class, score and number of frames of each track, by score."""
    found = json.loads(path.read_text())
    rows = [(t["category_id"], t["score"], sum(map(bool, t["segmentations"]))) for t in found]
    return sorted(rows, key=lambda row: -row[1])


def check(environment: Environment, inputs: Path, folder: Path) -> dict[str, str]:
    """stc-doctor and stc-track do their work there. What the doctor found, by name."""
    doctor = run(environment.program("stc-doctor"), "--json", cwd=folder)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    options = ("--model", inputs / "model", "-o", "out.mp4", "--json", "out.json", "--contact", "contact.png")
    done = run(environment.program("stc-track"), inputs / "clip.mkv", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    # Versions of ONNX Runtime and of resizing differ in rounding; a lost object or another class is no rounding.
    found, expected = tracks(folder / "out.json"), tracks(inputs / "expected.json")
    assert [(kind, frames) for kind, _, frames in found] == [(kind, frames) for kind, _, frames in expected]
    assert [score for _, score, _ in found] == pytest.approx([score for _, score, _ in expected], abs=1e-3)
    with av.open(str(folder / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    return {finding["name"]: finding["detail"] for finding in json.loads(doctor.stdout)["findings"]}


def installed_size(environment: Environment) -> int:
    """Bytes on the disk."""
    return sum(512 * path.lstat().st_blocks for path in environment.folder.rglob("*"))


def test_the_wheel_holds_the_tracked_files_and_the_library(built: tuple[Path, Path]) -> None:
    kept = (".py", ".css", ".html", ".jpg")
    sources = {name for name in tracked() if name.startswith(LINKS) and name.endswith(kept)}
    expected = {f"stc/{name}" for name in sources | {"assets/README.md", "runtime/libstc_cpu.so"}}
    expected |= {name for name in tracked() if name.startswith("stc/")}
    studies = tuple(f"{study.replace('.', '/')}/" for study in STUDIES)
    left_out = {name for name in expected if name.startswith(studies)}
    assert len(left_out) > 2 * len(studies)
    with zipfile.ZipFile(built[0]) as wheel:
        assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected - left_out


def test_every_command_starts_from_the_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    """In an environment that has its packages from here, so that none is missing but the studies."""
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(tmp_path)
        (listed,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    commands = dict(line.split(" = ") for line in (tmp_path / listed).read_text().splitlines() if " = " in line)
    assert "stc-bench" in commands
    python = [sys.executable, "-P", "-c"]
    for command, entry in commands.items():
        module, function = entry.split(":")
        program = f"import sys; sys.argv = ['{command}', '--help']; from {module} import {function}; {function}()"
        done = run(*python, program, cwd=tmp_path, PYTHONPATH=str(tmp_path))
        assert done.returncode == 0 and done.stdout.startswith("usage: " + command), done.stderr
    done = run(*python, "import stc.benchmarks.streams", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert "No module named 'stc.benchmarks.streams'" in done.stderr


def test_an_editable_checkout_and_the_sdist_have_the_studies(
    built: tuple[Path, Path], tree: Path, tools: Environment, tmp_path: Path
) -> None:
    with tarfile.open(built[1]) as sdist:
        inside = {member.name.partition("/")[2] for member in sdist.getmembers()}
    environment = Environment(tmp_path / "environment")
    environment.install("--no-deps", "--editable", tree)
    for study in STUDIES:
        assert f"{study.removeprefix('stc.').replace('.', '/')}/__main__.py" in inside
        program = f"import importlib.util; print(importlib.util.find_spec('{study}.__main__').origin)"
        done = run(environment.program("python"), "-c", program, cwd=tmp_path)
        assert done.returncode == 0 and done.stdout.startswith(str(tree)), done.stderr


def test_the_sdist_holds_the_tracked_files(built: tuple[Path, Path]) -> None:
    """But for what only a repository needs."""
    with tarfile.open(built[1]) as sdist:
        inside = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
        assert not [member.name for member in sdist.getmembers() if member.issym() or member.islnk()]
    assert set(tracked()) - inside <= {".gitignore", ".dockerignore", ".ci/run"}
    made = {name for name in inside if name.startswith("stc_trt.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert inside - set(tracked()) == made


def test_the_index_would_take_them(built: tuple[Path, Path], tools: Environment) -> None:
    done = run(tools.program("python"), "-m", "twine", "check", "--strict", *built)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wheel_and_sdist_work_where_nothing_else_is(built: tuple[Path, Path], inputs: Path, tmp_path: Path) -> None:
    wheel, sdist = built
    environment = Environment(tmp_path / "environment")
    environment.install(f"{wheel}[cpu]")
    assert check(environment, inputs, tmp_path)["OpenCV"].startswith("not installed"), "and everything was drawn"
    assert installed_size(environment) <= 400e6, "with Python's packages, without Python and pip"
    environment.install("--force-reinstall", "--no-deps", sdist)
    assert "kernels" in check(environment, inputs, tmp_path)["native CPU library"]


def test_the_sdist_builds_where_nvcc_and_cmake_are(
    built: tuple[Path, Path], tools: Environment, tmp_path: Path
) -> None:
    """CMake is asked; without TensorRT's headers, or with an nvcc that is none, it leaves the plugin out."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        nvcc = str(tmp_path / "nvcc")
        Path(nvcc).write_text("#!/bin/sh\n")
        Path(nvcc).chmod(0o755)
    with tarfile.open(built[1]) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (source,) = tmp_path.glob("stc_trt-*")
    path = os.pathsep.join((str(tools.folder / "bin"), os.environ["PATH"]))
    options = ("--no-isolation", "--wheel", "--outdir", tmp_path / "dist")
    done = run(tools.program("python"), "-m", "build", *options, source, **QUICK | {"CUDACXX": nvcc, "PATH": path})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (source / "build" / "plugin" / "CMakeCache.txt").is_file()
    assert list((tmp_path / "dist").glob("*.whl"))


def lowest(requirement: Requirement) -> str:
    """The oldest release that the requirement allows and that comes as a wheel for this Python."""
    listed = pip("index", "versions", "--json", "--only-binary", ":all:", requirement.name)
    assert listed.returncode == 0, listed.stderr
    versions = requirement.specifier.filter(json.loads(listed.stdout)["versions"])
    return f"{requirement.name}=={min(versions, key=Version)}"


def declared(wheel: Path, extras: Sequence[str]) -> list[Requirement]:
    found = map(Requirement, requirements(wheel))
    wanted = ("", *extras)
    return [r for r in found if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in wanted)]


def test_the_oldest_packages_that_are_declared_are_enough(
    built: tuple[Path, Path], inputs: Path, tmp_path: Path
) -> None:
    pins = [lowest(requirement) for requirement in declared(built[0], ["cpu"])]
    assert "av==13.0.0" in pins
    environment = Environment(tmp_path / "environment")
    environment.install(built[0], *pins)
    assert check(environment, inputs, tmp_path)["PyAV"] == "13.0.0"


@pytest.mark.parametrize("version", ["12.0.0", "12.3.0", "14.0.0"])
def test_releases_of_pyav_that_cannot_do_it_are_excluded(version: str, built: tuple[Path, Path]) -> None:
    """12 has no way to ask for the best stream, 14.0.0 cannot write BT.709."""
    (requirement,) = (r for r in declared(built[0], []) if r.name == "av")
    assert version not in requirement.specifier


def altered(environment: Environment, package: str) -> list[str]:
    """Files of an installed package that are no longer what it brought."""
    (site,) = environment.folder.glob("lib/python*/site-packages")
    (record,) = site.glob(f"{package}-*.dist-info/RECORD")
    changed = []
    for name, noted, _ in csv.reader(record.read_text().splitlines()):
        if noted:
            method, _, digest = noted.partition("=")
            content = (site / name).read_bytes() if (site / name).is_file() else b""
            found = base64.urlsafe_b64encode(hashlib.new(method, content).digest()).rstrip(b"=").decode()
            changed += [name] if found != digest else []
    return changed


def test_an_opencv_that_is_there_already_stays_as_it_is(built: tuple[Path, Path], inputs: Path, tmp_path: Path) -> None:
    wheel, _ = built
    environment = Environment(tmp_path / "environment")
    environment.install("opencv-python")
    loads = (
        run(environment.program("python"), "-c", "import cv2").returncode == 0
    )  # it needs libGL, a container may not

    environment.install(f"{wheel}[cpu]")
    assert altered(environment, "opencv_python") == []
    if loads:
        assert check(environment, inputs, tmp_path)["OpenCV"].endswith("(opencv-python)")

    # Somebody else brings a second one: the doctor finds it, and its command mends it.
    environment.install("opencv-python-headless")
    assert altered(environment, "opencv_python")
    report = json.loads(run(environment.program("stc-doctor"), "--json", cwd=tmp_path).stdout)
    (finding,) = (finding for finding in report["findings"] if finding["name"] == "OpenCV")
    assert finding["status"] == "broken" and "opencv-python and opencv-python-headless" in finding["detail"]
    remove, install = finding["fix"].split(" && ")
    for command in (remove, install):
        done = environment.pip(*command.split()[1:])
        assert done.returncode == 0, done.stderr
    assert altered(environment, "opencv_python") == []
    assert run(environment.program("stc-doctor"), "--json", cwd=tmp_path).returncode == 0
