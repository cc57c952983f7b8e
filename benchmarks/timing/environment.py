"""What a number was measured on, and what disturbed the measurement."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from stc.runtime.machine.machine import installed
from stc.runtime.processors import processors

PACKAGES = (
    "stc-trt",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx",
    "cuda-bindings",
    "torch",
    "numpy",
    "opencv-python-headless",
)
# What kernels of convolutions and matrix products choose by, as Linux names them.
X86 = "sse4_2 avx avx2 fma avx_vnni avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_int8 amx_bf16"
ARM = "asimd asimdhp asimddp i8mm bf16 sve sve2"
TIMEOUT = 5.0  # seconds that nvidia-smi may take
# As nvidia-smi names them; older drivers know clocks_throttle_reasons instead, and are then not asked again.
GPU_FIELDS = ("name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks_event_reasons.active", "power.limit")


def describe(threads: int | None = None) -> dict[str, str]:
    """Processor, its instruction sets, cores that this process may use, its threads, operating system, GPU and
    versions; names as the system prints them."""
    facts = {
        "measured": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "instructions": instruction_sets(lines("/proc/cpuinfo")) or "not told by the system",
        "cores": str(processors()),
        "clock": _clock(),
        "threads": "one per core" if threads is None else str(threads),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "gpu": gpu() or "none that nvidia-smi knows",
    }
    return facts | {package: installed(package) or "not installed" for package in PACKAGES}


def gpu() -> str | None:
    """Name, driver, clocks, throttling and power limit of the first GPU; None without nvidia-smi or where it fails.

    Never executed on a GPU.
    """
    if (program := shutil.which("nvidia-smi")) is None:
        return None
    command = [program, f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    values = [value.strip() for value in answer.splitlines()[0].split(",")] if answer.strip() else []
    return ", ".join(f"{name} {value}" for name, value in zip(GPU_FIELDS, values, strict=False)) or None


@dataclass(frozen=True)
class Disturbance:
    """Counters of the system that only grow: take two and subtract.

    throttled: seconds that the container's quota kept the process off its cores; stolen: seconds that the hypervisor
    took from this machine's cores; waiting: mean number of runnable tasks over the last minute, not a counter.
    """

    throttled: float
    stolen: float
    waiting: float

    def __sub__(self, before: Disturbance) -> Disturbance:
        return Disturbance(self.throttled - before.throttled, self.stolen - before.stolen, self.waiting)


def disturbance() -> Disturbance:
    """Where the system does not tell: zeros."""
    return Disturbance(_throttled(), _stolen(), os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0)


def _throttled() -> float:
    for line in lines("/sys/fs/cgroup/cpu.stat"):
        if line.startswith("throttled_usec "):
            return int(line.split()[1]) / 1e6
    return 0.0


def _stolen() -> float:
    for line in lines("/proc/stat"):
        if line.startswith("cpu ") and len(line.split()) > 8:
            return int(line.split()[8]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _processor() -> str:
    for line in lines("/proc/cpuinfo"):
        if line.startswith(("model name", "Model", "Hardware")):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def instruction_sets(cpuinfo: Sequence[str]) -> str:
    """Those of `X86` and `ARM` that the processor has, in their order. cpuinfo: lines of /proc/cpuinfo."""
    for line in cpuinfo:
        if line.startswith(("flags", "Features")):
            has = set(line.split(":", 1)[-1].split())
            return " ".join(name for name in f"{X86} {ARM}".split() if name in has)
    return ""


def _clock() -> str:
    """Of the processor's cores now."""
    speeds = [float(line.split(":", 1)[1]) for line in lines("/proc/cpuinfo") if line.startswith("cpu MHz")]
    return f"{min(speeds):.0f} to {max(speeds):.0f} MHz" if speeds else "not told by the system"


def lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
