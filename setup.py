"""Maps the top-level folders to `stc.*` packages and builds the native CPU library; the rest is in pyproject.toml."""

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
    "runtime",
    "runtime/backends",
    "runtime/video",
    "benchmarks",
    "assets",
)
CPU = Path("plugins/cpu")


class BuildLibrary(build_ext):
    """A plain shared library with a C interface (ctypes loads it), so neither its name nor its symbols are Python's."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return list(ext.export_symbols)


class PlatformWheel(bdist_wheel):
    """One wheel per platform serves every Python 3: the library does not link to Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    packages=["stc", *(f"stc.{folder.replace('/', '.')}" for folder in FOLDERS)],
    package_dir={"stc": "stc", **{f"stc.{folder.replace('/', '.')}": folder for folder in FOLDERS}},
    package_data={
        "stc": ["py.typed"],
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
