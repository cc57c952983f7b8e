"""One connection to a live source: the process that reads it, seen from the one that uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path

from stc.runtime.video.live.wire import Message, Receiver, Task

REAPING = 1.0  # seconds for a killed process to go; one that hangs in a driver is left behind
# It imports what is imported here, whatever folder it runs in.
START = "import sys; sys.path[:] = sys.argv[1:]; from stc.runtime.video.live.reader import main; main()"


class Connection:
    """Starts a reader for `task` at once; `kill` and the end of the block end it, whatever it is doing."""

    def __init__(self, task: Task) -> None:
        """Raises OSError when no process can be started."""
        # The interpreter that multiprocessing uses: who embeds Python sets it with multiprocessing.set_executable.
        interpreter = os.fsdecode(spawn.get_executable())
        self._process = subprocess.Popen(
            [interpreter, "-c", START, *(path or str(Path.cwd()) for path in sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent, which ends the reader in its own time
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._receiver = Receiver(self._process.stdout.fileno())
        with suppress(BrokenPipeError):  # it ended at once: `receive` tells
            self._process.stdin.write(task.to_json())

    def receive(self, until: float) -> Message:
        """As `Receiver.receive`; the EOFError says how the reader ended."""
        try:
            return self._receiver.receive(until)
        except EOFError:
            raise EOFError(self._how_it_ended()) from None

    def kill(self) -> None:
        """From any thread; the connection then ends for its receiver."""
        self._process.kill()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(REAPING)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(REAPING)
        except subprocess.TimeoutExpired:
            return "the reader hangs"
        if code < 0:
            return f"the reader was ended by a signal: {signal.strsignal(-code)}"
        return f"the reader ended with exit code {code}"
