"""The compilers on this machine."""

from __future__ import annotations

import shutil


def compiler() -> str:
    """The C++ compiler; the package needs one, so that its absence is no reason to skip."""
    found = shutil.which("g++") or shutil.which("c++")
    assert found, "no C++ compiler; on Debian: apt-get install g++"
    return found
