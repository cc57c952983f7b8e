"""The process that reads a live source: it connects once, decodes, and sends frames over its pipe until that breaks.

A process and not a thread, because what blocks in FFmpeg, the name resolution or a camera's driver cannot always be
interrupted, and a decoder that is fed by strangers may crash: a process can be killed, and its crash is a lost
connection. It takes its task as one line of JSON on its standard input (a command line would show the URL's password to
every user of the machine) and exits when that input ends, so it never outlives its parent.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from time import monotonic

import av

from stc.boundary import reason
from stc.errors import InputError
from stc.runtime.video import decode, hardware
from stc.runtime.video.frame import Concealed, Damaged
from stc.runtime.video.live.wire import Ended, Lost, Message, Opened, Picture, Task, pack

# Multipart JPEG carries no times; FFmpeg makes them up.
UNTIMED_FORMATS = ("mpjpeg", "mjpeg")


def main() -> None:
    task = Task.from_json(sys.stdin.buffer.readline())
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    pipe = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not get into the pipe
    try:
        for message in _messages(task):
            _send(pipe, message)
    except BrokenPipeError:
        pass
    except Exception as error:  # its text may hold the URL
        _send(pipe, Lost(f"the reader failed with {type(error).__name__}"))
    os._exit(0)  # not held up by what FFmpeg still does


def _messages(task: Task) -> Iterator[Message]:
    open_timeout, read_timeout = task.timeouts
    since = monotonic()
    try:
        open_ = partial(av.open, task.target, "r", format=task.format, options=task.options, timeout=task.timeouts)
        container, software = hardware.opened(open_, task.hwaccel)
    except (av.FFmpegError, OSError, ValueError) as error:
        yield Lost(_reason(error, since, open_timeout))
        return
    try:
        stream = decode.video_stream(container, "this stream")
    except InputError as error:
        yield Lost(str(error).partition("; ")[0].removeprefix("this stream: "))
        return
    stated = container.duration is not None
    yield Opened(decode.nominal_fps(stream), decode.frame_size(stream), stated, software)
    stream.thread_type = "AUTO" if stated else "SLICE"  # threads by frame hold frames back
    timed = stated or container.format.name not in UNTIMED_FORMATS
    aspect = decode.pixel_aspect(stream)
    index = task.offset
    since = monotonic()
    try:
        for found in decode.decoded(container.demux(stream), stream.codec_context.decode):
            # A decoder conceals what is missing with what it knows: of a live source that is no frame.
            if isinstance(found, Damaged) or (found.is_corrupt and not stated):
                yield Damaged()
            else:
                if found.is_corrupt:
                    yield Concealed()
                image = decode.to_image(found, aspect) if index % task.every == 0 else None
                yield Picture(decode.stamp(found) if timed else None, image)
                index += 1
            since = monotonic()
    except av.FFmpegError as error:
        yield Lost(_reason(error, since, read_timeout))
        return
    yield Ended() if task.ends or stated else Lost("closed by the other side")


def _reason(error: Exception, since: float, limit: float) -> str:
    """A protocol that is interrupted at its time limit gives any error it likes."""
    if isinstance(error, av.ExitError) or monotonic() - since >= limit:
        return f"nothing came for {limit:g} s"
    return reason(error)


def _send(pipe: int, message: Message) -> None:
    for part in pack(message):
        data = memoryview(part)
        while data:
            data = data[os.write(pipe, data) :]


def _exit_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)
