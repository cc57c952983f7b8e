"""A peer in a process of its own, with its own Python: nothing of it is imported here. One line of JSON each way."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stc.benchmarks.peers.turn import Task, Turn
from stc.errors import InputError

PROGRAM = Path(__file__).with_name("ultralytics_process.py")
START_SECONDS, TURN_SECONDS = 1800.0, 300.0  # an export to int8 takes minutes
# Offline, installs nothing, writes its settings where we say.
SETTINGS = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


@dataclass(frozen=True)
class Start:
    """What a peer is told first. engine: a name of its own; folder: its exports; frames: uint8 (n, H, W, 3) BGR, a .npy
    file; size: (H, W) of its input.
    """

    engine: str
    folder: Path
    frames: Path
    size: tuple[int, int]
    threads: int


class PeerProcess:
    """A contender (`turn.Contender`)."""

    side = "peer"

    def __init__(self, python: Path, start: Start, stack: ExitStack, program: Path = PROGRAM) -> None:
        """`stack` ends the process. Raises InputError when it cannot start, fails, or takes too long to answer."""
        self.name = start.engine
        self._log = start.folder / f"{start.engine.replace(' ', '-')}.log"
        threads = str(start.threads)
        environment = os.environ | SETTINGS | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        environment |= {"YOLO_CONFIG_DIR": str(start.folder)}
        environment.pop("PYTHONPATH", None)  # of ours
        log = stack.enter_context(self._log.open("wb"))
        try:
            self._process = subprocess.Popen(
                [str(python), str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=start.folder,
            )
        except OSError as error:
            raise InputError(f"{python}: does not start ({error}); fix: name the Python of the peer's venv") from error
        stack.callback(self._end)
        said = self._ask({key: getattr(start, key) for key in Start.__dataclass_fields__}, START_SECONDS)
        self.engine = self._checked(said.get("engine"), str)

    def turn(self, task: Task) -> Turn:
        asked = {"frames": list(task.frames), "boxes": [boxes.tolist() for boxes in task.boxes], "new": task.new}
        said = self._ask(asked, TURN_SECONDS)
        lists = {name: self._checked(said.get(name), list) for name in Turn.__dataclass_fields__}
        if any(len(values) != len(task.frames) for values in lists.values()):
            raise InputError(f"{self.name}: answered for another number of frames; look at {self._log}")
        return Turn(**lists)

    def _ask(self, question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        stdin, stdout = self._pipe(self._process.stdin), self._pipe(self._process.stdout)
        try:
            stdin.write(json.dumps(question, default=str).encode() + b"\n")
            stdin.flush()
        except OSError:
            line = b""
        else:
            if not select.select([stdout], [], [], seconds)[0]:
                raise InputError(f"{self.name}: no answer in {seconds:.0f} s; look at {self._log}")
            line = stdout.readline()
        if not line:
            raise InputError(f"{self.name}: its process ended without an answer; look at {self._log}")
        try:
            said: dict[str, Any] = self._checked(json.loads(line), dict)
        except ValueError as error:
            raise InputError(f"{self.name}: answered with no JSON; look at {self._log}") from error
        if "error" in said:
            raise InputError(f"{self.name}: {said['error']}; look at {self._log}")
        return said

    def _checked(self, value: Any, kind: type) -> Any:
        if not isinstance(value, kind):
            raise InputError(f"{self.name}: answered with {type(value).__name__} for {kind.__name__}; see {self._log}")
        return value

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            self._pipe(pipe).close()
