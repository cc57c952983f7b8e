"""What an installation is made from: a copy of the tracked files, a wheel, environments of their own."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINKS = (
    "assets",
    "benchmarks",
    "export",
    "model",
    "runtime",
    "training",
)  # scaffolding that a work tree may have in stc/

# Builds of the tree in a fraction of their time: without the TensorRT plugin, and without optimisation.
COMPILER = str(ROOT / "tests" / "unoptimised.sh")
QUICK = {"CUDACXX": "/nonexistent/nvcc", "CC": COMPILER, "CXX": COMPILER}


def _studies() -> list[str]:
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STUDIES":
            return list(ast.literal_eval(node.value))
    raise AssertionError("setup.py does not say which packages do not ship")


STUDIES = _studies()  # packages that no wheel holds


def tracked() -> list[str]:
    """Names of the repository's files; for a tree without git, such as an sdist's, of all but what builds leave."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\0")
    else:
        left = ("build", "dist", "out", "runs", "downloads", ".venv")
        listed = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.relative_to(ROOT).parts[0] not in left]
    return [
        name
        for name in listed
        if (ROOT / name).is_file()
        and "__pycache__" not in name
        and not name.startswith(tuple(f"stc/{link}/" for link in LINKS))
    ]


def copy(folder: Path) -> Path:
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run without what makes this process find the sources, which must not reach an installation."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "STC_REQUIRE_CUDA")}
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def pip(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, **variables)


class Environment:
    """A virtual environment; packages come from the index, and where that cannot be reached the test fails."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder)
        self.folder = folder

    def program(self, name: str) -> Path:
        return self.folder / "bin" / name

    def install(self, *arguments: str | Path) -> None:
        done = self.pip("install", "--quiet", "--no-compile", *arguments)
        assert done.returncode == 0, done.stderr

    def pip(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return pip("--python", self.program("python"), *arguments, **QUICK)


def wheel_of(source: Path, folder: Path) -> Path:
    """The wheel of a tree or an sdist, without the TensorRT plugin."""
    done = pip("wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source, **QUICK)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("stc_trt-*.whl")
    return wheel


def requirements(wheel: Path) -> list[str]:
    """As its metadata lists them."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return BytesParser().parsebytes(archive.read(name)).get_all("Requires-Dist") or []
