"""Texts that a user gives as files: annotations, results, maps of names. No wait for one is without an end."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

PATIENCE = 30.0  # seconds that nobody may write into a pipe
_GLANCE = 0.1  # seconds between two looks at whether somebody began


def read_text(path: Path) -> str:
    """The whole text (UTF-8, with or without a byte order mark) of a regular file or a pipe, such as <(zcat a.json.gz).

    Raises OSError, also for a pipe into which nobody writes for PATIENCE seconds and for a device, which may never end,
    and UnicodeDecodeError.
    """
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return _of_pipe(path).decode("utf-8-sig")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "neither a file nor a pipe", str(path))
    return path.read_text(encoding="utf-8-sig")


def _of_pipe(path: Path) -> bytes:
    """Until its writer closes it. Before there is one, it seems to be at its end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        parts: list[bytes] = []
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not select.select([descriptor], [], [], _GLANCE)[0]:
                continue
            try:
                part = os.read(descriptor, 1 << 20)
            except BlockingIOError:  # somebody else took it
                continue
            if part:
                parts.append(part)
                end = time.monotonic() + PATIENCE
            elif parts:
                return b"".join(parts)
            else:
                time.sleep(_GLANCE)
    finally:
        os.close(descriptor)
    raise TimeoutError(errno.ETIMEDOUT, f"a pipe into which nobody wrote for {PATIENCE:g} s", str(path))
