"""Maps the top-level folders to `stc.*` packages and builds the native code; the rest is in pyproject.toml.

The CPU library needs a C++ compiler. The TensorRT plugin is built too where nvcc, CMake and TensorRT's headers are
(CMakeLists.txt); STC_REQUIRE_CUDA=1 makes their absence an error and fetches headers where none are found.
"""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FOLDERS = (
    "model",
    "model/backbones",
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


class BuildLibrary(build_ext):
    """A plain shared library with a C interface (ctypes loads it), so neither its name nor its symbols are Python's."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return list(ext.export_symbols)

    def run(self) -> None:
        super().run()
        folder = Path("runtime") if self.inplace else Path(self.build_lib, "stc", "runtime")
        for built in self.plugin():
            # Replaced as a whole: a process that has the old library loaded keeps it.
            fresh = folder / f"{built.name}.new"
            shutil.copy2(built, fresh)
            fresh.replace(folder / built.name)

    def plugin(self) -> list[Path]:
        """The TensorRT plugin's files, built by CMake; none, and a line that says why, where something is missing."""
        required = os.environ.get("STC_REQUIRE_CUDA") == "1"
        needed = {"nvcc": os.environ.get("CUDACXX", "nvcc"), "cmake": "cmake"}
        missing = [name for name, command in needed.items() if not shutil.which(command)]
        if missing and not required:
            self.warn(f"stc: TensorRT plugin skipped: no {' and no '.join(missing)}")
            return []
        folder = Path("build", "plugin")
        fetch = f"-DSTC_FETCH_HEADERS={'ON' if required else 'OFF'}"
        subprocess.run(["cmake", "-S", ".", "-B", str(folder), "-DSTC_CPU=OFF", fetch], check=True)
        subprocess.run(["cmake", "--build", str(folder), "--parallel", "2"], check=True)
        return [
            path
            for name in ("libstc_tensorrt.so", "libstc_triton.so", "stc_mask_head.ptx")
            if (path := folder / name).is_file()
        ]


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
            depends=sorted(str(path) for path in (*CPU.glob("*.h"), *Path("plugins/include/stc").glob("*.h"))),
            include_dirs=["plugins/include"],
            language="c++",
            extra_compile_args=["-std=c++17", "-O3", "-fvisibility=hidden", "-pthread", "-g0"],
            extra_link_args=["-pthread"],
            # Without a compiler the package still installs, and the runtime says that it runs without the library.
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel},
)
