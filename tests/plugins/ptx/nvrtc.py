"""PTX of our CUDA sources by another release's compiler, through NVRTC: a library that needs no toolkit and no GPU."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.toolchain import PLUGINS, ROOT
from tests.plugins.wheels import DownloadError, unpacked

# What our headers take of the standard library; NVRTC has none.
STANDARD = {
    "cmath": "",
    "cstddef": "",
    "cstdint": """
        typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t;
        typedef unsigned long long uint64_t; typedef int int32_t; typedef long long int64_t;
        typedef unsigned long long uintptr_t;
    """,
}


def compile_ptx(source: str, architecture: int, nvrtc: str, runtime: str, folder: Path) -> str:
    """plugins/cuda/`source` by NVRTC of version `nvrtc`, with the headers of CUDA `runtime`; files go to `folder`.

    Skips where the wheels cannot be downloaded.
    """
    try:
        headers = unpacked("nvidia-cuda-runtime-cu12", runtime, "nvidia/cuda_runtime/include/")
        libraries = unpacked("nvidia-cuda-nvrtc-cu12", nvrtc, "nvidia/cuda_nvrtc/lib/") / "nvidia/cuda_nvrtc/lib"
    except DownloadError as error:
        pytest.skip(str(error))
    for name, text in STANDARD.items():
        (folder / name).write_text(text)
    includes = (folder, PLUGINS / "include", PLUGINS / "cuda", headers / "nvidia/cuda_runtime/include")
    options = ["-std=c++17", f"-arch=compute_{architecture}", *(f"-I{path}" for path in includes)]
    # In a process of its own: NVRTC changes the locale of the one that calls it.
    command = [sys.executable, "-m", "tests.plugins.ptx.nvrtc", str(libraries), str(PLUGINS / "cuda" / source)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def main(libraries: Path, source: Path, options: list[str]) -> int:
    """Write the PTX to stdout, or what the compiler says to stderr."""
    (builtins,) = libraries.glob("libnvrtc-builtins.so.*")
    ctypes.CDLL(str(builtins))  # which NVRTC would look for elsewhere
    library = ctypes.CDLL(str(libraries / "libnvrtc.so.12"))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    created = library.nvrtcCreateProgram(
        ctypes.byref(program), source.read_bytes(), source.name.encode(), 0, None, None
    )
    assert created == 0
    texts = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = library.nvrtcCompileProgram(program, len(options), texts)
    kind = "ProgramLog" if failed else "PTX"
    assert getattr(library, f"nvrtcGet{kind}Size")(program, ctypes.byref(size)) == 0
    said = ctypes.create_string_buffer(size.value)
    assert getattr(library, f"nvrtcGet{kind}")(program, said) == 0
    (sys.stderr if failed else sys.stdout).write(said.value.decode())
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
