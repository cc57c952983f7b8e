"""Maps the top-level folders to `stc.*` packages and builds the native code; the rest is in pyproject.toml.

The CPU library needs a C++ compiler. The TensorRT plugin is built too where nvcc, CMake and TensorRT's headers are
(CMakeLists.txt). STC_REQUIRE_CUDA=1 makes its absence an error, fetches headers where none are found, and CMake too.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FOLDERS = (
    "model",
    "model/checkpoint",
    "training",
    "export",
    "export/engine",
    "export/triton",
    "runtime",
    "runtime/backends",
    "runtime/video",
    "benchmarks",
    "benchmarks/report",
    "benchmarks/evaluation",
    "benchmarks/crossings",
    "assets",
)
CPU = Path("plugins/cpu")


REQUIRED = os.environ.get("STC_REQUIRE_CUDA") == "1"


def works(command: str) -> bool:
    """Whether the program is there and starts: a wheel's `cmake` does not in pip's builds, which hide its package."""
    try:
        return subprocess.run([command, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


class BuildLibrary(build_ext):
    """A plain shared library with a C interface (ctypes loads it), so neither its name nor its symbols are Python's."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return list(ext.export_symbols)

    def run(self) -> None:
        plugin = self.plugin()  # first: what it lacks shows at once
        super().run()
        folder = Path("runtime") if self.inplace else Path(self.build_lib, "stc", "runtime")
        for built in plugin:
            # Replaced as a whole: a process that has the old library loaded keeps it.
            fresh = folder / f"{built.name}.new"
            shutil.copy2(built, fresh)
            fresh.replace(folder / built.name)

    def plugin(self) -> list[Path]:
        """The TensorRT plugin's files, built by CMake; none, and a line that says why, where something is missing."""
        needed = {"nvcc": os.environ.get("CUDACXX", "nvcc"), "cmake": "cmake"}
        if missing := [name for name, command in needed.items() if not works(command)]:
            return self.skip(f"no {' and no '.join(missing)}", REQUIRED)
        # Who names the headers wants the plugin.
        wanted = REQUIRED or "TENSORRT_INCLUDE_DIR" in os.environ
        folder = Path("build", "plugin")
        options = [
            "-DSTC_CPU=OFF",
            f"-DSTC_FETCH_HEADERS={'ON' if REQUIRED else 'OFF'}",
            f"-DSTC_PYTHON={sys.executable}",
        ]
        configured = subprocess.run(
            ["cmake", "-S", ".", "-B", str(folder), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said = re.search(r"^\s*stc: (?:no TensorRT plugin: )?(.*)", configured.stdout, re.MULTILINE)
        if configured.returncode == 0 or not said:
            print(configured.stdout)
        if configured.returncode != 0:
            return self.skip(said[1] if said else "CMake cannot configure it; its messages are above", wanted)
        built = subprocess.run(["cmake", "--build", str(folder), "--parallel", "2"], check=False)
        if built.returncode != 0:
            return self.skip("it does not compile; the compiler's messages are above", wanted)
        return [
            path
            for name in ("libstc_tensorrt.so", "libstc_triton.so", "stc_mask_head.ptx")
            if (path := folder / name).is_file()
        ]

    def skip(self, reason: str, wanted: bool) -> list[Path]:
        """Go on without the plugin, as without a C++ compiler; where it is wanted, end with one line, no traceback."""
        if wanted:
            raise SystemExit(f"error: no TensorRT plugin: {reason} (without it: unset STC_REQUIRE_CUDA, CUDACXX=none)")
        self.warn(f"stc: TensorRT plugin skipped: {reason}")
        return []


class PlatformWheel(bdist_wheel):
    """One wheel per platform serves every Python 3: the library does not link to Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    packages=["stc", *(f"stc.{folder.replace('/', '.')}" for folder in FOLDERS)],
    package_dir={"stc": "stc", **{f"stc.{folder.replace('/', '.')}": folder for folder in FOLDERS}},
    package_data={
        "stc": ["py.typed"],
        "stc.benchmarks.report": ["*.css"],
        "stc.assets": ["*.jpg", "*.safetensors", "*.md"],
        "stc.export.engine": ["*.ptx"],
    },
    ext_modules=[
        Extension(
            "stc.runtime.libstc_cpu",
            sources=sorted(str(path) for path in CPU.glob("*.cpp")),
            depends=sorted(str(path) for path in (*CPU.glob("*.h"), *Path("plugins/include").rglob("*.h"))),
            include_dirs=["plugins/include"],
            language="c++",
            extra_compile_args=["-std=c++17", "-O3", "-fvisibility=hidden", "-pthread", "-g0"],
            extra_link_args=["-pthread"],
            # Without a compiler the package still installs, and the runtime says that it runs without the library.
            optional=True,
        )
    ],
    setup_requires=["cmake>=3.22"] if REQUIRED and not works("cmake") else [],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel},
)
