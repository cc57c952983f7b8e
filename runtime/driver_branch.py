"""Which NVIDIA driver a TensorRT needs, from NVIDIA's installation guides (Linux)."""

from __future__ import annotations

from stc.runtime.bundle.engine_record import Flavour

BRANCHES = {12: 535, 13: 580}  # CUDA major -> oldest driver branch for TensorRT's packages of that CUDA
_FIRST_FOR_CUDA_13 = (10, 13, 2)


def cuda_versions(flavour: Flavour, version: str) -> tuple[int, ...]:
    """The CUDA majors that a TensorRT version ("": any) was released for, oldest first."""
    parts = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    return (12,) if flavour == "tensorrt" and () < parts < _FIRST_FOR_CUDA_13 else (12, 13)


def required_driver(flavour: Flavour, version: str, cuda: int | None = None) -> str:
    """In words, for TensorRT's packages of CUDA `cuda`; None: for all that exist of that version."""
    majors = (cuda,) if cuda in BRANCHES else cuda_versions(flavour, version)
    return " or ".join(f"branch R{BRANCHES[major]} or newer for CUDA {major}" for major in majors if major in BRANCHES)
