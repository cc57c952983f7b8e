"""PTX of our CUDA sources by another release's compiler, through NVRTC: a library that needs no toolkit and no GPU."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from tests.plugins.toolchain import PLUGINS
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
    (builtins,) = libraries.glob("libnvrtc-builtins.so.*")
    ctypes.CDLL(str(builtins))  # which NVRTC would look for elsewhere
    library = ctypes.CDLL(str(libraries / "libnvrtc.so.12"))
    for name, text in STANDARD.items():
        (folder / name).write_text(text)
    includes = (folder, PLUGINS / "include", PLUGINS / "cuda", headers / "nvidia/cuda_runtime/include")
    options = ["-std=c++17", f"-arch=compute_{architecture}", *(f"-I{path}" for path in includes)]
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    text = (PLUGINS / "cuda" / source).read_bytes()
    assert library.nvrtcCreateProgram(ctypes.byref(program), text, source.encode(), 0, None, None) == 0
    done = library.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    )
    kind = "PTX" if done == 0 else "ProgramLog"
    assert getattr(library, f"nvrtcGet{kind}Size")(program, ctypes.byref(size)) == 0
    said = ctypes.create_string_buffer(size.value)
    assert getattr(library, f"nvrtcGet{kind}")(program, said) == 0
    library.nvrtcDestroyProgram(ctypes.byref(program))
    assert done == 0, said.value.decode()
    return said.value.decode()
