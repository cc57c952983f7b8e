"""TensorRT's headers, where the build has to download them: it harms nothing, and says in one line what failed.

Every build runs inside a repository of its own here: whatever reaches the parent shows there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.package_index import FOLDER, HEADERS, NAME, VERSION, Fault, Index, serve, unreachable
from tests.plugins.toolchain import ROOT, cmake

pytestmark = pytest.mark.slow
REPOSITORY = "https://github.com/NVIDIA/TensorRT.git"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commit_all(folder: Path) -> Path:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "as it was")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's repository, with folders of the names that a header repository has too."""
    project = tmp_path / "project"
    for name in ("include/ours.h", "stc/code.py", "README.md"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(name)
    (project / ".gitignore").write_text("build/\n")
    return commit_all(project)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with serve(tmp_path) as index:
        yield index


def state(project: Path) -> dict[str, bytes]:
    """Everything of a repository but what a build may write, git's own files included."""
    files = {str(path.relative_to(project)): path for path in project.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith("build/")}


def fetch(
    project: Path, environment: dict[str, str], sha256: str = "0" * 64, wheel: str = f"{NAME}=={VERSION}"
) -> subprocess.CompletedProcess[str]:
    """Find the headers as the plugin's build does, the wheel being another one. Standard error: folder, version."""
    script = project / "build" / f"fetch-{os.urandom(4).hex()}.cmake"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"""
        set(PROJECT_SOURCE_DIR {project})
        set(STC_FETCH_HEADERS ON)
        set(STC_PYTHON {sys.executable})
        include({ROOT}/cmake/tensorrt_headers.cmake)
        set(STC_HEADER_WHEEL {wheel})
        set(STC_HEADER_WHEEL_SHA256 {sha256})
        set(STC_INDEX_TIMEOUT 1)
        stc_find_tensorrt_headers(folder version origin)
        message("${{folder}} ${{version}}")
    """)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "TENSORRT_"))}
    return subprocess.run(
        [cmake(), "-P", str(script)],
        cwd=project,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def folder_of(done: subprocess.CompletedProcess[str]) -> Path:
    assert done.returncode == 0, done.stderr
    folder, version = done.stderr.split()
    assert version == "10.14.1"
    assert {path.name: path.read_text() for path in Path(folder).glob("*.h")} == HEADERS
    return Path(folder)


def the_line(text: str) -> str:
    """The one line of ours that says what failed and how to go on."""
    (line,) = [line.strip() for line in text.splitlines() if re.match(r" *(stc|error): ", line)]
    assert "TENSORRT_INCLUDE_DIR" in line
    return line


def left_over(project: Path) -> list[Path]:
    return list((project / "build" / "tensorrt-headers").glob("fetching-*"))


@pytest.mark.parametrize("reachable", [False, True])
def test_without_an_index_the_repository_around_the_build_stays_as_it_is(
    reachable: bool, project: Path, tmp_path: Path
) -> None:
    """Whether or not NVIDIA's repository can be reached: once that was the other way to the headers."""
    other = tmp_path / "other"
    (other / "include").mkdir(parents=True)
    (other / "include" / "NvInferRuntime.h").write_text("")
    commit_all(other)
    git(other, "tag", "v10.14")
    address = other.as_uri() if reachable else "file:///nonexistent"
    instead = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{address}.insteadOf",
        "GIT_CONFIG_VALUE_0": REPOSITORY,
    }
    before = state(project)
    done = fetch(project, unreachable() | instead)
    assert state(project) == before
    assert git(project, "status", "--porcelain") == ""
    assert done.returncode != 0
    assert "a package index cannot be reached" in the_line(done.stderr)
    assert not left_over(project)


@pytest.mark.parametrize("fault", ["503", "404", "drop", "half", "stall"])
def test_an_index_that_fails_once_is_asked_again(fault: Fault, project: Path, index: Index) -> None:
    index.faults.append(fault)
    before = state(project)
    folder_of(fetch(project, index.environment(), index.sha256))
    assert not index.faults and state(project) == before and not left_over(project)


def test_an_index_that_keeps_failing_is_given_up_and_the_next_run_starts_afresh(project: Path, index: Index) -> None:
    index.faults[:] = ["503"] * 1000
    done = fetch(project, index.environment(), index.sha256)
    assert done.returncode != 0 and the_line(done.stderr)
    assert index.requests < 10 and not left_over(project)
    index.faults.clear()
    folder_of(fetch(project, index.environment(), index.sha256))


def test_an_index_that_never_answers_is_given_up(project: Path, index: Index) -> None:
    index.faults[:] = ["stall"] * 1000
    done = fetch(project, index.environment(), index.sha256)
    assert done.returncode != 0 and "cannot be reached" in the_line(done.stderr)


def test_another_wheel_than_the_one_with_the_hash_is_refused(project: Path, index: Index) -> None:
    done = fetch(project, index.environment(), "0" * 64)
    assert done.returncode != 0 and "HASHES" in the_line(done.stderr)
    assert not left_over(project)


def test_a_wheel_that_no_index_has_is_named(project: Path, index: Index) -> None:
    done = fetch(project, index.environment(), index.sha256, wheel="stand-in-headers==9.9")
    assert done.returncode != 0 and "stand-in-headers==9.9" in the_line(done.stderr)


def test_what_a_killed_build_left_is_removed_and_a_running_one_keeps_its_own(project: Path, index: Index) -> None:
    cache = folder_of(fetch(project, index.environment(), index.sha256)).parent
    for name, age in (("fetching-dead", 7200), ("fetching-running", 60)):
        (cache / name).mkdir()
        os.utime(cache / name, (time.time() - age,) * 2)
    shutil.rmtree(cache / f"{NAME}-{VERSION}")
    folder_of(fetch(project, index.environment(), index.sha256))
    assert [path.name for path in cache.glob("fetching-*")] == ["fetching-running"]


def test_whole_headers_are_downloaded_once(project: Path, index: Index) -> None:
    folder = folder_of(fetch(project, index.environment(), index.sha256))
    assert folder_of(fetch(project, unreachable(), index.sha256)) == folder


@pytest.mark.parametrize("damage", ["lost", "cut", "no digest", "emptied", "earlier layout"])
def test_a_damaged_cache_is_fetched_again(damage: str, project: Path, index: Index) -> None:
    if damage == "earlier layout":
        half = project / "build" / "tensorrt-headers" / FOLDER
        half.mkdir(parents=True)
        (half / "NvInferRuntime.h").write_text("half of it")
    else:
        folder = folder_of(fetch(project, index.environment(), index.sha256))
        if damage == "lost":
            (folder / "NvInferVersion.h").unlink()
        elif damage == "cut":
            (folder / "NvInferRuntime.h").write_text("// a hea")
        elif damage == "no digest":
            (folder / "digest").unlink()
        else:
            shutil.rmtree(folder)
            folder.mkdir()
    folder_of(fetch(project, index.environment(), index.sha256))


def test_builds_at_the_same_time_share_whole_headers(project: Path, index: Index) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(fetch, project, index.environment(), index.sha256) for _ in range(4)]
        assert len({folder_of(run.result()) for run in runs}) == 1
    assert not left_over(project)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of this project's build files, with an environment in which CMake is installed."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in (
        "CMakeLists.txt",
        "CMakePresets.json",
        "Makefile",
        "pyproject.toml",
        "setup.py",
        "README.md",
        ".gitignore",
    ):
        shutil.copy(ROOT / name, checkout)
    for name in ("cmake", "plugins"):
        shutil.copytree(ROOT / name, checkout / name)
    environment = checkout / ".venv" / "bin"
    environment.mkdir(parents=True)
    (environment / "python").symlink_to(sys.executable)
    (environment / "cmake").symlink_to(cmake())
    (environment.parent / "cmake.stamp").touch()
    return commit_all(checkout)


def required(checkout: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | unreachable() | {"STC_REQUIRE_CUDA": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("target", ["test", "plugin"])
def test_make_says_first_and_in_one_line_that_the_plugin_cannot_be_built(target: str, checkout: Path) -> None:
    if target == "plugin":  # all else is there
        for stamp in ("demo", "dev"):
            (checkout / ".venv" / f"{stamp}.stamp").touch()
    before = state(checkout)
    done = required(checkout, "make", target)
    assert state(checkout) == before
    assert done.returncode != 0
    (line, *rest) = done.stderr.splitlines()
    assert line.startswith("error: ") and all(text.startswith("make") for text in rest), done.stderr
    assert ("TENSORRT_INCLUDE_DIR" if shutil.which("nvcc") else "no nvcc") in line
    assert "pip" not in done.stdout


def test_setup_ends_in_one_line_without_a_traceback(checkout: Path) -> None:
    before = state(checkout)
    done = required(checkout, sys.executable, "setup.py", "build_ext", CUDACXX="/nonexistent/nvcc")
    assert done.returncode != 0
    assert "error: no TensorRT plugin: no nvcc" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    if shutil.which("nvcc"):
        done = required(checkout, sys.executable, "setup.py", "build_ext")
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert "could not be downloaded" in the_line(done.stderr)
    assert {name: value for name, value in state(checkout).items() if "egg-info" not in name} == before


def test_every_process_of_the_build_is_one_command_whose_result_is_seen() -> None:
    """Two commands of one execute_process run at the same time, as a pipeline; the first one's failure is unseen."""
    blocks = [
        block
        for path in (ROOT / "CMakeLists.txt", *(ROOT / "cmake").glob("*.cmake"))
        for block in re.findall(r"execute_process\((.*?)\)\n", path.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert len(blocks) >= 3
    for block in blocks:
        assert len(re.findall(r"\bCOMMAND\b", block)) == 1 and "RESULT_VARIABLE" in block, block
        assert not re.search(r"\bgit\b", block, re.IGNORECASE), block
