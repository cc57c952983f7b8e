"""`stc` where a part of Linux is taken away: python -m tests.runtime.elsewhere windows|macos COMMAND ARGUMENTS.

What other people wrote is imported before, for it was tested on those systems by others; what is taken away is what our
own code could reach for. It is a simulation: paths, DLLs and a file that is open and cannot be renamed are not in it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import select
import shutil
import signal
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import av
import numpy
import onnxruntime
import PIL.ImageDraw
import pycocotools.mask
import rich.progress

FOREIGN = (av, numpy, onnxruntime, PIL.ImageDraw, pycocotools.mask, rich.progress, multiprocessing, shutil)
# Neither has them; Windows lacks more.
MODULES = {"macos": (), "windows": ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog")}
LINUX_ONLY = (
    "sched_getaffinity",
    "sched_setaffinity",
    "memfd_create",
    "posix_fallocate",
    "copy_file_range",
    "sendfile",
)
POSIX_ONLY = (
    *("fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "chown", "fchown", "fchmod", "mkfifo", "statvfs"),
    *("killpg", "setsid", "getpgid", "set_blocking", "get_blocking", "register_at_fork", "uname", "getloadavg", "nice"),
    *("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_DIRECTORY", "O_CLOEXEC", "sysconf", "pread", "pwrite", "wait3"),
)
SIGNALS = ("SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD", "SIGQUIT")


def refuse(event: str, arguments: Sequence[Any]) -> None:
    """What is not there: Linux's files about the machine, and, being never built on Windows, the native library."""
    if event == "open" and str(arguments[0]).startswith(("/proc", "/sys/")):
        raise FileNotFoundError(2, "not on this system", str(arguments[0]))
    if event == "ctypes.dlopen" and (arguments[0] is None or "stc_cpu" in str(arguments[0])):
        raise OSError(f"not on this system: {arguments[0]}")


def take_away(system: str) -> None:
    """From now on this process seems to run there. Cannot be undone."""
    room = shutil.disk_usage("/")
    for name in MODULES[system]:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in (*LINUX_ONLY, *(POSIX_ONLY if system == "windows" else ())):
        vars(os).pop(name, None)
    multiprocessing.set_start_method("spawn", force=True)
    sys.addaudithook(refuse)
    if system == "macos":
        sys.platform = "darwin"
        return
    del select.poll, select.epoll
    for name in SIGNALS:
        delattr(signal, name)
    left = {one.name: one.value for one in signal.Signals if one.name not in SIGNALS}
    signal.Signals = IntEnum("Signals", left)  # type: ignore[misc, assignment]
    # Python itself does these by other means there.
    os.supports_dir_fd.clear()
    importlib.reload(shutil)
    shutil.disk_usage = lambda path: room
    real = os.open

    def open_file(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if os.path.isdir(path):  # noqa: PTH112
            raise PermissionError(13, "not on this system", str(path))
        return real(path, flags, mode, **options)

    os.open = open_file
    # Only while it is read: pathlib would give paths of Windows.
    os.name = "nt"
    import stc.temporaries

    assert stc.temporaries.WINDOWS
    os.name = "posix"
    sys.platform = "win32"


if __name__ == "__main__":
    assert not any(name == "stc" or name.startswith("stc.") for name in sys.modules)
    system, *arguments = sys.argv[1:]
    take_away(system)
    from stc.cli import run
    from stc.umbrella import main

    sys.exit(run(main, arguments))
