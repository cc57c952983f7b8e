"""The two TensorRT that run engines, and which driver each needs, from NVIDIA's installation guides (Linux)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BRANCHES = {12: 535, 13: 580}  # CUDA major -> oldest driver branch for TensorRT's packages of that CUDA
_FIRST_FOR_CUDA_13 = (10, 13, 2)

FlavourName = Literal["tensorrt", "rtx"]


@dataclass(frozen=True)
class Flavour:
    """`name` is ours: in passports, after --trt, and of the extra that installs it. `module` is the Python module,
    `packages` bring it: those that name a CUDA version first, since it decides which driver is needed; the plain one
    last.
    """

    name: FlavourName
    title: str
    module: str
    packages: tuple[str, ...]

    @property
    def install(self) -> str:
        return f"pip install 'stc-trt[{self.name}]'"


FLAVOURS: dict[FlavourName, Flavour] = {  # in the order of preference
    flavour.name: flavour
    for flavour in (
        Flavour("tensorrt", "TensorRT", "tensorrt", ("tensorrt-cu13", "tensorrt-cu12", "tensorrt")),
        Flavour("rtx", "TensorRT-RTX", "tensorrt_rtx", ("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx")),
    )
}


def cuda_versions(flavour: FlavourName, version: str) -> tuple[int, ...]:
    """The CUDA majors that a TensorRT version ("": any) was released for, oldest first."""
    parts = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    return (12,) if flavour == "tensorrt" and () < parts < _FIRST_FOR_CUDA_13 else (12, 13)


def required_driver(flavour: FlavourName, version: str, cuda: int | None = None) -> str:
    """In words, for TensorRT's packages of CUDA `cuda`; None: for all that exist of that version."""
    majors = (cuda,) if cuda in BRANCHES else cuda_versions(flavour, version)
    return " or ".join(f"branch R{BRANCHES[major]} or newer for CUDA {major}" for major in majors if major in BRANCHES)
