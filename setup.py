"""Maps the top-level folders to `stc.*` packages, builds the native code, and lists the extras; the rest is in
pyproject.toml.

The CPU library needs a C++ compiler. The TensorRT plugin is built too where nvcc, CMake and TensorRT's headers are
(CMakeLists.txt). STC_REQUIRE_CUDA=1 makes its absence an error, fetches headers where none are found, and CMake too.
"""

# ruff: noqa: T201

import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

# Every package and its folder: a top-level folder with an __init__.py is one, `stc.` goes before its name. stc/ holds a
# link to each, so that tools which read the checkout see them there too.
PACKAGES = {
    ".".join(folder.parts if folder.parts[0] == "stc" else ("stc", *folder.parts)): folder.as_posix()
    for top in sorted(Path().glob("*/__init__.py"))
    for folder in sorted(init.parent for init in top.parent.rglob("__init__.py"))
}
# What only we run, from a checkout: studies of our own choices. No wheel holds them, and nothing else imports them.
STUDIES = [
    "stc.benchmarks.association",
    "stc.benchmarks.chain",
    "stc.benchmarks.crossings",
    "stc.benchmarks.kernels",
    "stc.benchmarks.originals",
    "stc.benchmarks.pans",
    "stc.benchmarks.paths",
    "stc.benchmarks.peers",
    "stc.benchmarks.sizes",
    "stc.benchmarks.speed",
    "stc.benchmarks.startup",
    "stc.benchmarks.streams",
    "stc.benchmarks.threads",
    "stc.benchmarks.trackers",
    "stc.training.ablation",
    "stc.training.shapes",
]
CPU = Path("plugins/cpu")


def opencv() -> list[str]:
    """The OpenCV that training needs: none where there is one of another make already.

    All of them write into the same folder cv2/, and the last one wins: the user's window functions, GStreamer or CUDA
    would be gone. A wheel cannot look around, so a wheel for others is built where there is none (`python -m build`).
    """
    ours = "opencv_python_headless-*.dist-info"
    for folder in map(Path, site.getsitepackages()):
        if any(folder.glob("cv2*")) and not any(folder.glob(ours)):
            return []
    return ["opencv-python-headless>=4.8"]


def description() -> str:
    """README, for a package index: with `STC_HOME`, where the sources of the release are, its links lead there."""
    text = Path("README.md").read_text(encoding="utf-8")
    if not HOME:
        return text
    pictures = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\g<1>{HOME.replace('/blob/', '/raw/')}/", text)
    return re.sub(r"((?<!!)\[[^\]]*\]\()(?!https?:|#)", rf"\g<1>{HOME}/", pictures)


HOME = os.environ.get("STC_HOME", "")  # scripts/release.sh
OPENCV = opencv()
# What stands in for the native library, which is not built there.
INSTEAD = [f"{package}; sys_platform == 'win32'" for package in OPENCV]
ON_NVIDIA = "sys_platform == 'linux' or sys_platform == 'win32'"
CUDA_BINDINGS = f"cuda-bindings>=12.8; {ON_NVIDIA}"
EXTRAS = {
    "headless": ["opencv-python-headless>=4.8"],
    # [cpu] or [gpu], never both: the two packages overwrite each other.
    "cpu": ["onnxruntime>=1.20", "onnx>=1.16", *INSTEAD],
    "gpu": ["onnxruntime-gpu>=1.20", *INSTEAD],
    # A second engine of the CPU, beside onnxruntime or alone. Older ones were not tried.
    "openvino": ["openvino>=2026.0", "onnx>=1.16", *INSTEAD],
    # Also needs one onnxruntime.
    "export": ["torch>=2.9", "onnx>=1.18", "onnxscript>=0.5", "safetensors>=0.4", "pyyaml>=6", *INSTEAD],
    # Curves of a training, beside its log.csv.
    "tensorboard": ["tensorboard>=2.14"],
    "train": ["torch>=2.9", "safetensors>=0.4", "pyyaml>=6", "matplotlib>=3.7", *OPENCV],
    # The engine. TensorRT has no wheel beyond x86-64 and arm64 servers: a Jetson's comes with JetPack (docs/deploy.md).
    # Running one needs no more; rebuilding one from a bundle (stc-export --onnx) needs the package onnx, no PyTorch.
    "tensorrt": [f"tensorrt>=10.3; {ON_NVIDIA}", CUDA_BINDINGS, *INSTEAD],
    "rtx": [
        "tensorrt-rtx>=1.5; (sys_platform == 'linux' and platform_machine == 'x86_64') or sys_platform == 'win32'",
        CUDA_BINDINGS,
        *INSTEAD,
    ],
    # To hand frames from and to PyCUDA; it compiles when it is installed and needs a CUDA toolkit. stc does not use it.
    "pycuda": ["pycuda>=2024.1"],
    "supervision": ["supervision>=0.25"],
    # To be a client of a Triton server that runs the model (docs/scale-out.md).
    "triton": ["tritonclient[grpc,http]>=2.40", *INSTEAD],
    # Many videos over many machines: stc-track --ray. Needs one onnxruntime or TensorRT too, as on any machine.
    "ray": ["ray>=2.31"],
    # Brokers of messages: stc-track --publish.
    "mqtt": ["paho-mqtt>=2"],
    "redis": ["redis>=5"],
    "test": [
        "pytest>=8",
        "pytest-xdist>=3.7",
        "hypothesis>=6",
        "opencv-python-headless>=4.8",  # what drawing, resizing and outlines are compared with
        "imageio-ffmpeg>=0.5",  # what decoded videos are compared with
        "matplotlib>=3.7",
        "paho-mqtt>=2",
        "pandas>=2",
        "polars>=1",
        "prometheus_client>=0.20",  # whose parser reads our metrics
        "scipy>=1.11",  # whose assignment ours is compared with
        "redis>=5",
        "supervision>=0.25",
        "tensorboard>=2.14",
        "cmake>=3.22",
        "cuda-bindings>=12.8",
        "openvino>=2026.0",
        "ray>=2.31; python_version < '3.14'",
        "tritonclient[grpc,http]>=2.40",
        "nvidia-cuda-cuobjdump>=13; sys_platform == 'linux'",
        "nvidia-cuda-nvdisasm>=13; sys_platform == 'linux'",
        "tensorrt-rtx>=1.5; sys_platform == 'linux' and platform_machine == 'x86_64'",
    ],
    # The documentation as a site: make docs.
    "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.6", "mkdocstrings-python>=1.16"],
    "lint": ["ruff==0.17.6", "mypy==2.4.1", "import-linter>=2", "clang-format==23.1.5", "codespell>=2.3"],
}
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

    def run(self) -> None:
        # What an earlier build left there would be packed too, also what is no longer in the sources.
        shutil.rmtree(self.get_finalized_command("build").build_lib, ignore_errors=True)
        self.get_finalized_command("build_py").packages = [name for name in PACKAGES if name not in STUDIES]
        super().run()


setup(
    packages=[*PACKAGES],
    package_dir=PACKAGES,
    package_data={
        "stc": ["py.typed"],
        "stc.benchmarks.report": ["*.css"],
        "stc.runtime.gstreamer": ["python/*.py"],
        "stc.runtime.serving": ["*.html"],
        # Without the demo model's weights, seven times as large as all else: they are in the checkout and the sdist.
        "stc.assets": ["*.jpg", "*.md"],
    },
    ext_modules=[
        Extension(
            "stc.runtime.libstc_cpu",
            sources=sorted(str(path) for path in CPU.rglob("*.cpp")),
            depends=sorted(str(path) for path in (*CPU.rglob("*.h"), *Path("plugins/include").rglob("*.h"))),
            include_dirs=["plugins/include"],
            language="c++",
            extra_compile_args=["-std=c++17", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-pthread", "-g0"],
            extra_link_args=["-pthread"],
            # Without a compiler the package still installs, and the runtime says that it runs without the library.
            optional=True,
        )
    ],
    long_description=description(),
    long_description_content_type="text/markdown",
    project_urls={"Source": HOME.partition("/blob/")[0], "Changelog": f"{HOME}/CHANGELOG.md"} if HOME else {},
    extras_require=EXTRAS,
    setup_requires=["cmake>=3.22"] if REQUIRED and not works("cmake") else [],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel},
)
