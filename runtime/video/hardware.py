"""Decoding by a device (`--hwaccel`), where PyAV offers it; what it cannot decode, the CPU does, and that is said.

Never executed on a device: its fall-back is tested, and with a stand-in what is asked of PyAV.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import av
from av.container import InputContainer

from stc.boundary import foreign, reason
from stc.errors import InputError

Open: TypeAlias = Callable[..., InputContainer]  # takes what is given to `av.open` besides: `hwaccel`, or nothing


def check(asked: str) -> None:
    """`asked`: NAME or NAME:DEVICE, such as cuda, cuda:1 or vaapi:/dev/dri/renderD129.

    Raises InputError for a name that this PyAV does not offer, and for a device of CUDA that is no number.
    """
    name, mark, device = asked.partition(":")
    offered = _offered()
    if name not in offered:
        known = f"it offers {', '.join(offered)}" if offered else "it offers none; update it with: pip install -U av"
        raise InputError(f"--hwaccel {asked}: not among the devices of PyAV {av.__version__}; {known}; or leave it out")
    if mark and not (device and (name != "cuda" or device.isdecimal())):
        raise InputError(f"--hwaccel {asked}: {device!r} is no device; give {name}, or {name}:0 for the first one")


def opened(open_: Open, asked: str | None) -> tuple[InputContainer, str]:
    """What `open_` opens, with the device where one is `asked` for (`check`ed before), and why that is not used.

    The reason is empty where nothing was asked for or the device decodes. Raises what `open_` does.
    """
    if asked is None:
        return open_(), ""
    if missing := _missing(asked):  # found before, so that nothing is opened, or connected to, twice
        return open_(), missing
    container = open_(hwaccel=_accelerator(asked))
    codecs = [stream.codec_context for stream in container.streams.video if stream.codec_context is not None]
    if any(codec.is_hwaccel for codec in codecs):
        return container, ""
    return container, f"it does not decode {', '.join(sorted({codec.name for codec in codecs})) or 'this'}"


def _accelerator(asked: str) -> Any:
    from av.codec.hwaccel import HWAccel

    name, _, device = asked.partition(":")
    return HWAccel(name, device or None, allow_software_fallback=True)


def _missing(asked: str) -> str:
    """Why there is no such device here; empty where there is one, or only a video tells."""
    try:
        with foreign("PyAV", asked, "leave it out"):
            _accelerator(asked).create(av.Codec("h264", "r"))
    except InputError as error:
        # A device that does not decode H.264 may decode another codec.
        return "" if isinstance(error.__cause__, NotImplementedError) else reason(error.__cause__ or error)
    return ""


def told(shown: str, asked: str, why: str) -> str:
    """The sentence of a fall-back."""
    return f"{shown}: decoded by the CPU, not by --hwaccel {asked} ({why})"


def _offered() -> list[str]:
    try:
        from av.codec import hwaccel
    except ImportError:  # before PyAV 14
        return []
    found: Any = hwaccel.hwdevices_available()
    return list(found)
